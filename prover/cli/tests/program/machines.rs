//! Several machines: server and workers share a database and an S3 store, and no folder.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tribute::offline::{verify_json, Options};
use tribute_client::Client;
use tribute_proto::v1;
use tribute_testing::calls::{certificate, connect, get, gradients, optimum, registered, submit, terms, trained};
use tribute_testing::data::{self, wine_schema, wines};
use tribute_testing::stores::{Postgres, S3};
use tribute_testing::{program, wait_for, Place};

/// A `tribute serve` or `tribute worker` with a folder of its own.
struct Machine {
    place: Place,
    process: Child,
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Shared {
    database: String,
    s3: S3,
    key: String,
}

impl Shared {
    fn command(&self, role: &str, data: &Path, bucket: &str) -> Command {
        let mut command = Command::new(program());
        command.arg(role).args(["--artefacts", bucket, "--master-key", "env:TEST_MASTER_KEY", "--data"]).arg(data);
        command.env("TRIBUTE_DATABASE", &self.database).env("TEST_MASTER_KEY", &self.key);
        command.envs(self.s3.environment.clone());
        command
    }

    fn start(&self, role: &str, extra: &[&str]) -> Machine {
        let place = Place::new();
        let mut command = self.command(role, &place.data(), "s3://tribute/artefacts");
        command.arg("--stop-with-stdin").args(extra).stdin(Stdio::piped()).stdout(Stdio::null());
        Machine { process: command.spawn().unwrap(), place }
    }
}

async fn certified(client: &Client) {
    let work = data::dataset(&wine_schema(), data::csv("wine.csv", wines(0..120)));
    let dataset = registered(client, work).await;
    let agent = trained(client, terms(&[&dataset], v1::Link::Squared, 1 << 39)).await.unwrap();
    gradients(client, &agent.weights_digest).await;
    optimum(client, &agent.weights_digest).await.unwrap();
    let file = certificate(client, &agent.weights_digest).await.unwrap();
    verify_json(file, &Options { allow_dev_srs: true, srs: None }).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machines_share_a_database_and_a_bucket_and_no_folder() {
    let (Some(postgres), Some(s3)) = (Postgres::start(), S3::start()) else { return };
    let key = hex::encode(rand::random::<[u8; 32]>());
    let shared = Shared { database: postgres.url.clone(), s3, key };
    let port_file = Place::new();
    let port_file = port_file.path().with_extension("address");
    let serve = ["--workers", "0", "--k", "10", "--columns", "8", "--listen", "127.0.0.1:0", "--port-file"];
    let server = shared.start("serve", &[&serve[..], &[port_file.to_str().unwrap()]].concat());
    let address = wait_for("the address", || std::fs::read_to_string(&port_file).ok());
    let client = connect(&format!("http://{}", address.trim())).await;

    let first = shared.start("worker", &["--lease-ms", "1000"]);
    let second = shared.start("worker", &["--lease-ms", "1000"]);
    certified(&client).await;

    // both work: two long jobs run at the same time
    let jobs = [
        submit(&client, tribute_testing::calls::calibrate(13, 60, "one")).await,
        submit(&client, tribute_testing::calls::calibrate(13, 60, "two")).await,
    ];
    let start = std::time::Instant::now();
    loop {
        let states = [get(&client, &jobs[0].id).await.state(), get(&client, &jobs[1].id).await.state()];
        if states == [v1::JobState::Running; 2] {
            break;
        }
        assert!(start.elapsed().as_secs() < 60, "{states:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    for job in &jobs {
        client.finish(&job.id, |_| {}).await.unwrap();
    }

    // nothing that others need is in a machine's folder: neither artefacts nor keys nor a database
    for machine in [&server, &first, &second] {
        let names: Vec<String> = std::fs::read_dir(machine.place.data())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert!(names.iter().all(|name| name == "cache"), "{names:?}");
    }

    // a bucket that is not there, or no bucket, is refused at the start
    for (bucket, said) in
        [("s3://nowhere", "artefact store: cannot list"), ("ftp://tribute", "is not s3://BUCKET/PREFIX")]
    {
        let place = Place::new();
        let refused = shared.command("worker", &place.data(), bucket).output().unwrap();
        let error = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && error.contains(said), "{error}");
        assert!(!error.contains("planted-secret-key") && !error.contains(&shared.key), "{error}");
    }
}

/// The commands of the operator's page under the step that begins with `step`, and what it says that they print.
fn documented(step: &str) -> (String, String) {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/roles/operator.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, from) = page.split_once(step).expect("the step is on the page");
    let block = |kind: &str| {
        let (_, block) = from.split_once(&format!("```{kind}\n")).unwrap();
        block.split_once("```").unwrap().0.to_owned()
    };
    (block("sh"), block("text"))
}

/// Two workers on PostgreSQL and S3, set up from the page alone: its commands as they are printed, on a machine with the program
/// and what the tests need.
#[test]
fn many_machines_are_set_up_by_the_pages_commands() {
    if Postgres::start().is_none() || S3::start().is_none() {
        return;
    }
    let (commands, printed) = documented("**9. Many machines**");
    let place = Place::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    // databases and stores outlive the shell
    let head = "exec 2>&1; set -Eeuo pipefail
        trap '\"$root/scripts/postgres-for-tests.sh\" stop \"${pg_folder:-none}\"; kill \"${s3_process:-}\" 2> /dev/null || true' EXIT\n";
    let mut shell = Command::new("timeout");
    shell
        .args(["-k", "10", "600", "bash", "-c", &format!("{head}{commands}\nwait_for=$(jobs -p); kill $wait_for")])
        .current_dir(place.path());
    let path = format!("{}:{}", program().parent().unwrap().display(), std::env::var("PATH").unwrap());
    let key = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
    shell.env("root", &root).env("PATH", path).env("OWNER_KEY", key).process_group(0).stdin(Stdio::null());
    shell.env("TRIBUTE_ONNXRUNTIME", root.join(".deps/ort/libonnxruntime.so"));
    let ended = shell.output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(ended.status.success(), "{said}");
    // lines of the page, of which `…` stands for anything
    let mut rest = said.as_str();
    for line in printed.lines().filter(|line| *line != "…") {
        for part in line.split('…') {
            let at = rest.find(part).unwrap_or_else(|| panic!("`{line}` is not in {said}"));
            rest = &rest[at + part.len()..];
        }
    }
    // both workers were there, and had folders without anything that others need
    let logs = ["machine-1.log", "machine-2.log"].map(|log| std::fs::read_to_string(place.path().join(log)).unwrap());
    assert!(logs.iter().any(|log| log.contains("job succeeded")), "{logs:?}");
    assert!(!place.data().join("tribute.db").exists());
}
