//! `tribute claim watch` and `tribute chain watch` go on through outages of what was there, and read a key once.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use tribute_testing::process::Killed;
use tribute_testing::{program, wait_for, World};

use super::commands::Port;

const OWNER: usize = 0;

/// anvil's first key, under the password `pw`.
const KEYSTORE: &str = r#"{"address": "f39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "crypto": {"cipher": "aes-128-ctr", "cipherparams": {"iv": "b30668f06abb386ea1cead3fe641b677"}, "ciphertext": "2f401a41cf9000e14e447814534ce354f96fb246d0dcac2870b8b679c09b4cfb", "kdf": "scrypt", "kdfparams": {"dklen": 32, "n": 16, "r": 8, "p": 1, "salt": "67d6a8a41badf4cb8663a1887401a453"}, "mac": "a2dcd3e87c6d849ba7ab58ba3f70d88ed29f4d379ea2942cc6dad2b40d63333c"}, "id": "73210418-75f3-40eb-8f2c-ea178a55dad4", "version": 3}"#;

/// A site that redirects every request to its page about maintenance.
fn maintenance(port: u16) -> Port {
    Port::new(port, |mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(
            b"HTTP/1.1 302 Found\r\nlocation: https://status.example/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        );
        Vec::new()
    })
}

/// A running command, with all that it says in a file.
struct Watch {
    process: Killed,
    log: std::path::PathBuf,
}

impl Watch {
    fn start(w: &World, mut command: Command, name: &str) -> Watch {
        let log = w.file(name);
        let file = OpenOptions::new().create_new(true).append(true).open(&log).unwrap();
        Watch {
            process: Killed(
                command.stdout(file.try_clone().unwrap()).stderr(file).env("RUST_LOG", "info").spawn().unwrap(),
            ),
            log,
        }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until the command has said something so often.
    fn says(&mut self, what: &str, times: usize) {
        wait_for(what, || {
            assert_eq!(self.process.0.try_wait().unwrap(), None, "it ended: {}", self.said());
            (self.said().matches(what).count() >= times).then_some(())
        });
    }
}

#[test]
fn a_watch_goes_on_when_what_it_watches_comes_back() {
    let mut w = World::with_chain();
    w.says(OWNER, "chain deploy --deployment @deployment.json");
    let (url, contracts) = (w.anvil().url().to_owned(), w.deployment().display().to_string());
    let serve = ["--rpc", &url, "--contracts", &contracts, "--workers", "0"];
    w.serve(&serve);
    let server = w.url().trim_start_matches("http://").to_owned();
    std::fs::write(w.file("keystore.json"), KEYSTORE).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let node = Port::forwarded(port, &url);
    let rpc = format!("http://127.0.0.1:{port}");

    // a pipe gives the keystore once, and every poll signs with it
    let usual = w.command(OWNER, "");
    let mut command = Command::new("bash");
    command.envs(usual.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("TRIBUTE_RPC", &rpc);
    command.env_remove("TRIBUTE_KEY").env("TRIBUTE_KEYSTORE_PASSWORD", "pw").arg("-c").arg(format!(
        "exec {} claim watch --every 0.2 --keystore <(cat {})",
        program().display(),
        w.file("keystore.json").display()
    ));
    let mut claims = Watch::start(&w, command, "claims.log");
    let mut events = w.command(OWNER, "chain watch --every 0.2 --from 0");
    events.env("TRIBUTE_RPC", &rpc);
    let mut events = Watch::start(&w, events, "events.log");
    claims.says("the node and the service answer", 1);
    events.says("EscrowBound", 1);

    // the node is gone, then the service, then the node is back
    drop(node);
    claims.says("polling again in", 1);
    events.says("retrying in", 1);
    w.served = None;
    let node = Port::forwarded(port, &url);
    claims.says("nothing answers at", 2);
    let _served = w.place.serve_at(&server, &serve);
    claims.says("the node and the service answer", 2);

    // the node's site is under maintenance
    drop(node);
    let site = maintenance(port);
    claims.says("status.example", 2);
    events.says("status.example", 2);
    drop(site);
    let node = Port::forwarded(port, &url);
    claims.says("the node and the service answer", 3);

    // a signal ends them also while they wait for an answer
    drop(node);
    let (come, comes) = std::sync::mpsc::channel();
    let _silent = Port::new(port, move |stream| {
        let _ = come.send(());
        vec![stream]
    });
    for _ in 0..2 {
        comes.recv_timeout(Duration::from_secs(60)).unwrap();
    }
    for watch in [&mut claims, &mut events] {
        let pid = watch.process.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let ended = wait_for("its end", || watch.process.0.try_wait().unwrap());
        assert!(ended.success(), "{ended}: {}", watch.said());
    }

    // what was never right is told at once
    let wrong = w.command(OWNER, "claim watch").env("TRIBUTE_SERVER", "http://127.0.0.1:9").output().unwrap();
    assert!(!wrong.status.success() && String::from_utf8_lossy(&wrong.stderr).contains("nothing answers at"));
}
