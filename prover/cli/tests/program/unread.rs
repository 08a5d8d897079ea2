//! Results that nobody reads or no disk takes: a payment is told all the same, nothing is sent for a result that has no place,
//! and nothing panics.

use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Output, Stdio};

use tribute_chain::{Address, U256};
use tribute_testing::data::WINE_FILE;
use tribute_testing::World;

const OWNER: usize = 0;

/// A pipe whose reader is gone.
fn closed() -> Stdio {
    std::io::pipe().unwrap().1.into()
}

/// What takes nothing more, as a full disk does: a socket that does not wait for its reader, who reads nothing.
struct Full {
    writer: UnixStream,
    _reader: UnixStream,
}

impl Full {
    fn new() -> Full {
        let (mut writer, _reader) = UnixStream::pair().unwrap();
        writer.set_nonblocking(true).unwrap();
        while writer.write(&[0; 1024]).is_ok() {}
        while writer.write(&[0]).is_ok() {}
        Full { writer, _reader }
    }
    fn end(&self) -> Stdio {
        OwnedFd::from(self.writer.try_clone().unwrap()).into()
    }
}

fn said(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("panicked"), "{said}");
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_whose_result_cannot_be_written_is_told() {
    let w = World::with_chain();
    let chain = w.anvil().connect().await.unwrap();
    let to = Address::repeat_byte(0xb1);
    let fund = format!("chain fund --wei 5 --to {to}");

    // a file that cannot be written is refused beforehand
    std::fs::write(w.file("a-file"), "").unwrap();
    for out in ["@", "@a-file/in-it", "@a-file/in/it"] {
        let refused = w.fails(OWNER, &format!("{fund} --out {out}"));
        assert!(refused.contains("--out <FILE>") && refused.contains("cannot write"), "{refused}");
    }
    assert_eq!(chain.balance(to).await.unwrap(), U256::ZERO, "nothing was sent");
    for (arguments, option) in [
        (format!("extract {WINE_FILE} --extractor no.onnx --split @ --out @out.csv"), "--split <BODY>"),
        ("serve --port-file @".to_owned(), "--port-file <FILE>"),
    ] {
        let refused = w.fails(OWNER, &arguments);
        assert!(refused.contains(option) && refused.contains("cannot write"), "{refused}");
    }

    // what fails later is told with the transaction's hash, in every form of a result
    let full = Full::new();
    let ways = [
        ("", full.end()),
        ("", closed()),
        (" --json", full.end()),
        (" --json", closed()),
        (" --out /proc/self/fd/1", full.end()),
    ];
    for (already, (form, stdout)) in ways.into_iter().enumerate() {
        let output = w.command(OWNER, &format!("{fund}{form}")).stdout(stdout).output().unwrap();
        let said = said(&output);
        assert_eq!(chain.balance(to).await.unwrap(), U256::from(5 * (already + 1)), "{said}");
        let block: serde_json::Value = chain.request("eth_getBlockByNumber", ("latest", false)).await.unwrap();
        let sent = format!("(sent: {})", block["transactions"][0].as_str().unwrap());
        assert!(said.contains(&sent) && said.contains("do not run the command again"), "{said}");
        assert!(said.contains("\"wei\": \"5\"") && !said.contains("send it again"), "the result itself: {said}");
        assert_eq!(output.status.code(), Some(1));
    }

    // a result is printed although nobody reads what is said beside it
    let deploy = w.command(OWNER, "chain deploy --deployment @deployment.json").stderr(closed()).output().unwrap();
    assert!(deploy.status.success() && String::from_utf8_lossy(&deploy.stdout).contains("sent: 0x"));
}

#[test]
fn a_reader_that_is_gone_stops_a_command_quietly() {
    let w = World::with_chain();
    w.says(OWNER, "chain deploy --deployment @deployment.json");
    let full = Full::new();
    for arguments in [
        "chain status",
        "chain status --json",
        "chain balance",
        "chain watch --from 0 --until 1",
        "chain watch --from 0 --until 1 --json",
        "completions bash",
        "--help",
    ] {
        let gone = w.command(OWNER, arguments).stdout(closed()).output().unwrap();
        assert_eq!(said(&gone), "", "tribute {arguments}");
        let quiet = w.command(OWNER, arguments).stdout(closed()).stderr(closed()).status().unwrap();
        assert!(quiet.code().is_some_and(|code| code < 2), "tribute {arguments}: {quiet}");
        if arguments != "--help" {
            let lost = w.command(OWNER, arguments).stdout(full.end()).output().unwrap();
            let said = said(&lost);
            assert!(said.contains("cannot write to standard output: "), "tribute {arguments}: {said}");
            assert_eq!(lost.status.code(), Some(1), "tribute {arguments}");
        }
    }
    // without a chain
    let schema = format!("schema infer {WINE_FILE} --out @schema.json");
    w.says(OWNER, &schema);
    for (arguments, stdout) in [("schema show @schema.json", closed()), ("schema show @schema.json", full.end())] {
        let output = w.command(OWNER, arguments).stdout(stdout).output().unwrap();
        said(&output);
        assert_eq!(output.status.code(), Some(1));
    }
    // what has no reader is no reason to write nothing
    let infer = w.command(OWNER, &schema.replace("schema.json", "second.json")).stderr(closed()).status().unwrap();
    assert!(infer.success() && w.file("second.json").exists());
}
