//! The demo: its report is right, and it leaves no process behind, whether it is refused, stopped or killed.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tribute_testing::{json, program, ROOT};

fn demo(out: &Path, extra: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(["demo", "--out"]).arg(out).args(extra).current_dir(ROOT);
    command
}

/// A small demo: 138 wines of three providers, 40 queries.
fn wine(out: &Path) -> Command {
    demo(
        out,
        &["--data", "examples/wine.csv", "--split", "50,45,43", "--holdout", "40", "--link", "logistic", "--k", "15"],
    )
}

fn units(value: &Value) -> u128 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is not an amount")).into()
}

/// Names and command lines of processes whose command line or environment names `folder`, or that run in it.
fn processes_of(folder: &Path) -> Vec<(String, String)> {
    let needle = folder.to_string_lossy().into_owned();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
        let here = std::fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        let about = [read("cmdline"), read("environ")].concat();
        if here.starts_with(folder) || String::from_utf8_lossy(&about).contains(&needle) {
            let text = |name: &str| String::from_utf8_lossy(&read(name)).replace('\0', " ").trim_end().to_owned();
            found.push((text("comm"), text("cmdline")));
        }
    }
    found
}

/// Waits until every process that the demo started has exited.
fn all_gone(folder: &Path) {
    let start = Instant::now();
    loop {
        let left = processes_of(folder);
        if left.is_empty() {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "still running: {left:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Starts a demo with a marker in its environment, which even its grandchildren inherit.
fn start(out: &Path) -> Child {
    let mut command = wine(out);
    command.env("TRIBUTE_DEMO_TEST", out).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Waits until the demo is proving: then chain, service, worker and commands are all running. A process that only tests the
/// machine or waits for a job has another name.
fn until_it_proves(demo: &mut Child, out: &Path) {
    let begin = Instant::now();
    while !processes_of(out).iter().any(|(name, _)| name == "tribute-job") {
        assert!(demo.try_wait().unwrap().is_none(), "the demo ended early");
        assert!(begin.elapsed() < Duration::from_secs(300), "nothing is proven");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// Folders that a demo leaves in its own, or would if it were killed.
const FOLDERS: [&str; 5] = ["data", "steps", "logs", "service", "deployment.json.pending"];
/// Its files, likewise.
const FILES: [&str; 13] = [
    ".tribute-demo",
    ".lock",
    "commands.sh",
    "keys.env",
    "summary.json",
    "certificate.json",
    "agent.onnx",
    "schema.json",
    "vouchers.json",
    "deployment.json",
    "deployment.json.unfinished",
    "transactions.json",
    "state.json",
];
/// What is in the files of an earlier demo.
const EARLIER: &str = "of an earlier demo";

/// Fills a folder as an earlier demo would have, with files that no step could use.
fn leave_behind(out: &Path) {
    for name in FOLDERS {
        std::fs::create_dir_all(out.join(name)).unwrap();
        std::fs::write(out.join(name).join("earlier"), EARLIER).unwrap();
    }
    for name in FILES {
        std::fs::write(out.join(name), EARLIER).unwrap();
    }
}

/// Nothing of the earlier demo is left, and nothing new that [`leave_behind`] does not know.
fn nothing_is_left_of_the_earlier(out: &Path) {
    for entry in std::fs::read_dir(out).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        assert!(
            FOLDERS.contains(&name.as_str()) || FILES.contains(&name.as_str()),
            "a demo leaves {name}: plant it here"
        );
        let earlier = std::fs::read(entry.path()).is_ok_and(|bytes| bytes == EARLIER.as_bytes());
        assert!(!earlier && !entry.path().join("earlier").exists(), "{name} is the earlier demo's");
    }
    // and the next demo may start
    std::fs::File::open(out.join(".lock")).unwrap().try_lock().unwrap();
}

#[test]
fn the_account_is_right_and_nothing_runs_on() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    leave_behind(&out);
    let run = wine(&out).env("TRIBUTE_DEMO_TEST", &out).output().unwrap();
    let (said, complaints) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{said}\n{complaints}");
    for heading in ["Datasets", "Certificate", "Proofs", "Ledger", "Consent", "Frauds"] {
        assert!(said.contains(heading), "{said}");
    }
    all_gone(&out);
    nothing_is_left_of_the_earlier(&out);
    let summary = json(&out.join("summary.json"));
    assert_eq!(summary["ok"], true);
    assert!(summary["certificate"]["relative_distance"].as_f64().unwrap() <= 1e-3);
    let shares: f64 = summary["certificate"]["shares"].as_array().unwrap().iter().map(|s| s.as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-5, "{shares}");
    assert!(summary["accuracy"]["heldout"].as_f64().unwrap() >= 0.9);
    assert!(summary["calibration_ms"].as_f64().unwrap() > 0.0);

    let sessions = summary["sessions"].as_array().unwrap();
    assert_eq!(sessions.iter().map(|s| units(&s["count"])).collect::<Vec<_>>(), [24, 16]);
    for s in sessions {
        assert_eq!(units(&s["escrowed"]), units(&s["claimed"]) + units(&s["refunded"]));
    }
    let ledger = &summary["ledger"];
    let providers: u128 = ledger["paid_providers"].as_array().unwrap().iter().map(units).sum();
    let out_of_it = units(&ledger["paid_owner"]) + providers + units(&ledger["refundable"]) + units(&ledger["dust"]);
    assert_eq!(units(&ledger["escrowed"]), out_of_it);

    let statements: Vec<&str> =
        summary["proofs"].as_array().unwrap().iter().map(|p| p["statement"].as_str().unwrap()).collect();
    assert_eq!(statements, ["dataset", "dataset", "dataset", "gradient", "gradient", "gradient", "optimum", "service"]);
    let errors = [
        ("claim_replayed", "StaleTranscript"),
        ("label_changed", "WrongRecords"),
        ("shares_diluted", "BelowLeastShare"),
        ("voucher_overcount", "OtherCount"),
    ];
    let frauds = summary["frauds"].as_array().unwrap();
    assert_eq!(frauds.len(), errors.len());
    for (fraud, (name, error)) in frauds.iter().zip(errors) {
        assert_eq!((&fraud["name"], &fraud["error"]), (&name.into(), &error.into()));
        // a claim whose slots are all skipped does not revert
        let status = u8::from(matches!(name, "claim_replayed" | "voucher_overcount"));
        assert_eq!((&fraud["status"], &fraud["balances_unchanged"]), (&status.into(), &true.into()));
    }
    // every least share is below the certified share and above the diluted one
    let consent = summary["consent"].as_array().unwrap();
    assert_eq!(consent.len(), 3);
    for c in consent {
        let [certified, least, diluted] =
            ["certified_share", "least_share", "diluted_share"].map(|name| c[name].as_f64().unwrap());
        assert!(certified >= least && least > 0.89 * certified && diluted < least, "{c}");
    }
    for file in [
        "certificate.json",
        "agent.onnx",
        "schema.json",
        "vouchers.json",
        "deployment.json",
        "transactions.json",
        "state.json",
    ] {
        assert!(out.join(file).is_file(), "{file}");
    }
    assert!(!out.join("service").exists(), "sealed records stay only with --keep");
    let commands = std::fs::read_to_string(out.join("commands.sh")).unwrap();
    for line in std::fs::read_to_string(out.join("keys.env")).unwrap().lines().filter(|l| l.starts_with("export")) {
        let key = line.split(['=', ' ']).nth(2).unwrap().trim_start_matches("0x");
        assert!(key.len() == 64 && !commands.contains(key), "a key is in commands.sh");
    }
    // offline, from any folder
    let verified = Command::new(program())
        .arg("verify")
        .arg(out.join("certificate.json"))
        .arg("--allow-dev-srs")
        .current_dir("/")
        .status();
    assert!(verified.unwrap().success());
}

/// The same with real proofs on a second EVM implementation, under the main network's current rules. Skipped if Hardhat's
/// node is not installed, unless TRIBUTE_REQUIRE_HARDHAT is set.
#[test]
fn the_life_cycle_passes_on_another_node() {
    if tribute_chain::Hardhat::find().is_err() && std::env::var_os("TRIBUTE_REQUIRE_HARDHAT").is_none() {
        eprintln!("not run: Hardhat's node is not installed; scripts/test-tools.sh installs it");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let run = wine(&out).args(["--node", "hardhat"]).env("TRIBUTE_DEMO_TEST", &out).output().unwrap();
    let (said, complaints) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{said}\n{complaints}");
    all_gone(&out);
    let summary = json(&out.join("summary.json"));
    assert_eq!(summary["ok"], true);
    assert_eq!(summary["sessions"].as_array().unwrap().iter().map(|s| units(&s["count"])).sum::<u128>(), 40);
    let frauds = summary["frauds"].as_array().unwrap();
    let errors: Vec<&str> = frauds.iter().map(|f| f["error"].as_str().unwrap()).collect();
    assert_eq!(errors, ["StaleTranscript", "WrongRecords", "BelowLeastShare", "OtherCount"]);
    assert_eq!(frauds.iter().map(|f| &f["status"]).collect::<Vec<_>>(), [1, 0, 0, 1]);
    assert!(frauds.iter().all(|f| f["balances_unchanged"] == true));
    let receipts = json(&out.join("transactions.json"));
    let failed = receipts.as_array().unwrap().iter().filter(|r| r["status"] == "0x0").count();
    assert_eq!(failed, 2, "the gradient of other records, the diluted version, and nothing else");
}

#[test]
fn asked_to_stop_it_stops_everything_and_says_so() {
    for name in ["-INT", "-TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let mut demo = start(&out);
        until_it_proves(&mut demo, &out);
        signal(&demo, name);
        assert!(!demo.wait().unwrap().success());
        all_gone(&out);
        let summary = json(&out.join("summary.json"));
        assert_eq!((&summary["ok"], &summary["step"]), (&false.into(), &"interrupted".into()));
    }
}

#[test]
fn killed_it_takes_everything_along() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut demo = start(&out);
    until_it_proves(&mut demo, &out);
    signal(&demo, "-KILL");
    demo.wait().unwrap();
    all_gone(&out);
}

#[test]
fn bad_input_is_refused_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("bad.csv");
    std::fs::write(&csv, "1,2,a\n3,,b\n5,6,a\n7,8,b\n").unwrap();
    let csv = csv.to_string_lossy().into_owned();
    let out = folder.path().join("out");
    for (arguments, said) in [
        (vec!["--data", &csv, "--split", "2", "--holdout", "2"], "row 2, column 2"),
        (vec!["--data", "/nowhere.csv", "--split", "2", "--holdout", "2"], "/nowhere.csv"),
        (vec!["--split", "1500,500", "--holdout", "200"], "1797 records"),
    ] {
        let run = demo(&out, &arguments).output().unwrap();
        let complaints = String::from_utf8_lossy(&run.stderr);
        assert!(!run.status.success() && complaints.contains(said), "{complaints}");
        assert!(!out.exists());
    }
}

#[test]
fn a_missing_tool_ends_the_demo_and_names_the_step() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let run = wine(&out).env("TRIBUTE_ANVIL", "/nowhere/anvil").output().unwrap();
    let complaints = String::from_utf8_lossy(&run.stderr);
    assert!(
        !run.status.success() && complaints.contains("chain and service") && complaints.contains("make setup"),
        "{complaints}"
    );
    assert_eq!(json(&out.join("summary.json"))["step"], "chain and service");
}
