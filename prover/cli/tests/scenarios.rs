//! What goes wrong in operation, with real processes, real proofs and PostgreSQL: processes killed, stopped and cut off, a
//! database that goes away, many jobs over few workers. Each scenario says how many jobs were lost, that is, did not end as
//! they must, and how many ended twice. `target/scenarios.json` has the results.
//!
//! `TRIBUTE_SCENARIOS=long` takes the long tier, as `make scenarios` does.

use std::future::Future;
use std::net::SocketAddr;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde::Serialize;
use sqlx::{Connection as _, PgConnection};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tribute_proto::v1::{self, JobState};
use tribute_testing::calls::{calibrate, connect, get, submit, submit_dataset, until};
use tribute_testing::data::{self, wine_schema, wines};
use tribute_testing::process::{is_alive, kill_hard, working_children};
use tribute_testing::stores::Postgres;
use tribute_testing::{wait_for, Place, Served};

/// A line of the report.
#[derive(Debug, Serialize)]
struct Outcome {
    name: &'static str,
    ok: bool,
    /// Jobs that did not end as they must.
    lost: i64,
    /// Jobs that ended more than once.
    doubled: i64,
    seconds: f64,
}

fn long() -> bool {
    std::env::var("TRIBUTE_SCENARIOS").is_ok_and(|tier| tier == "long")
}

/// Leases are short, so that what is lost is noticed soon.
const LEASE: &[&str] = &["--lease-ms", "1000"];
const SMALL: &[&str] = &["--k", "10", "--columns", "8"];

/// A service on a database of its own.
struct Stage {
    postgres: Postgres,
    place: Place,
}

/// A worker process, killed when dropped.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Stage {
    fn new() -> Self {
        Stage { postgres: Postgres::start().expect("PostgreSQL is installed"), place: Place::new() }
    }

    fn serve(&self, workers: &str) -> Served {
        self.place.serve(&[SMALL, LEASE, &["--workers", workers, "--database", &self.postgres.url]].concat())
    }

    fn worker(&self) -> Worker {
        self.worker_at(&self.postgres.url)
    }

    fn worker_at(&self, database: &str) -> Worker {
        Worker(self.place.worker(&[LEASE, &["--database", database]].concat()))
    }

    async fn sql(&self) -> PgConnection {
        PgConnection::connect(&self.postgres.url).await.unwrap()
    }

    /// Jobs that have not ended in `state`, and jobs that ended more than once.
    async fn count(&self, state: &str) -> (i64, i64) {
        let mut sql = self.sql().await;
        let lost = sqlx::query_scalar("SELECT COUNT(*) FROM jobs WHERE state <> $1").bind(state);
        let doubled = sqlx::query_scalar(
            "SELECT COUNT(*) FROM (SELECT job FROM job_events WHERE event LIKE '%succeeded%' OR event LIKE '%failed\"%'
                OR event LIKE '%cancelled%' GROUP BY job HAVING COUNT(*) > 1) AS twice",
        );
        (lost.fetch_one(&mut sql).await.unwrap(), doubled.fetch_one(&mut sql).await.unwrap())
    }

    /// Waits until every job has ended.
    async fn ended(&self, patience: Duration) {
        let start = Instant::now();
        let mut sql = self.sql().await;
        let open = "SELECT COUNT(*) FROM jobs WHERE state IN ('queued', 'running')";
        while sqlx::query_scalar::<_, i64>(open).fetch_one(&mut sql).await.unwrap() > 0 {
            if start.elapsed() > patience {
                return; // the count says what is missing
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn all_succeed(&self) -> (i64, i64) {
        self.ended(Duration::from_secs(300)).await;
        self.count("succeeded").await
    }
}

/// A dataset of its own for every `seed`: a real proof.
fn dataset(seed: usize) -> v1::DatasetWork {
    data::dataset(&wine_schema(), data::csv("wine.csv", wines(seed % 100..seed % 100 + 20 + seed / 100)))
}

fn works(job: &v1::Job) -> bool {
    job.state() == JobState::Running && job.progress.is_some()
}

/// Some seconds of work.
fn slow(tag: &str) -> v1::Work {
    calibrate(13, 100, tag)
}

fn send(signal: &str, process: u32) {
    assert!(Command::new("kill").args([signal, &process.to_string()]).status().unwrap().success());
}

async fn worker_killed_in_mid_proof() -> (i64, i64) {
    let stage = Stage::new();
    let served = stage.serve("0");
    let client = connect(&served.url).await;
    let first = stage.worker();
    let job = submit_dataset(&client, dataset(0)).await.unwrap();
    until(&client, &job.id, works).await;
    kill_hard(first.0.id());
    let _second = stage.worker();
    stage.all_succeed().await
}

async fn server_killed_at_each_step() -> (i64, i64) {
    let stage = Stage::new();
    // queued, running, and on the way to the end
    for step in 0..3 {
        let mut served = stage.serve(if step == 0 { "0" } else { "1" });
        let client = connect(&served.url).await;
        let job = submit_dataset(&client, dataset(step)).await.unwrap();
        if step > 0 {
            let phase = ["", "keys", "prove"][step];
            until(&client, &job.id, |j| {
                j.state() == JobState::Succeeded || j.progress.as_ref().is_some_and(|p| p.phase == phase)
            })
            .await;
        }
        let children = working_children(served.process.id());
        served.process.kill().unwrap();
        served.process.wait().unwrap();
        for child in children {
            wait_for("the orphan's end", || (!is_alive(child)).then_some(()));
        }
    }
    let _served = stage.serve("1");
    stage.all_succeed().await
}

async fn database_restarted() -> (i64, i64) {
    database_away(Duration::ZERO).await
}

async fn database_gone() -> (i64, i64) {
    database_away(Duration::from_secs(if long() { 60 } else { 5 })).await
}

async fn database_away(pause: Duration) -> (i64, i64) {
    let stage = Stage::new();
    let served = stage.serve("0");
    let _worker = stage.worker();
    let client = connect(&served.url).await;
    let job = submit(&client, slow("away")).await;
    submit_dataset(&client, dataset(1)).await.unwrap();
    until(&client, &job.id, works).await;
    stage.postgres.control("halt");
    tokio::time::sleep(pause).await;
    stage.postgres.control("resume");
    stage.all_succeed().await
}

/// A worker that sleeps longer than its lease and wakes up with a result: another one has the job by then.
async fn two_workers_complete_one_job() -> (i64, i64) {
    let stage = Stage::new();
    let served = stage.serve("0");
    let client = connect(&served.url).await;
    let sleepy = stage.worker();
    let job = submit(&client, slow("twice")).await;
    until(&client, &job.id, works).await;
    // only the worker sleeps: its child goes on to the end
    send("-STOP", sleepy.0.id());
    let _second = stage.worker();
    until(&client, &job.id, |j| j.starts >= 2).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    send("-CONT", sleepy.0.id());
    stage.all_succeed().await
}

async fn cancelled_queued_and_running() -> (i64, i64) {
    let stage = Stage::new();
    let served = stage.serve("1");
    let client = connect(&served.url).await;
    let running = submit(&client, calibrate(14, 5000, "running")).await;
    let queued = submit(&client, calibrate(14, 5000, "queued")).await;
    until(&client, &running.id, works).await;
    let child = wait_for("the working process", || working_children(served.process.id()).pop());
    let start = Instant::now();
    for job in [&queued, &running] {
        client.jobs().cancel_job(v1::CancelJobRequest { job: job.id.clone() }).await.unwrap();
    }
    until(&client, &running.id, |j| j.state() == JobState::Cancelled).await;
    wait_for("the cancelled process's end", || (!is_alive(child)).then_some(()));
    assert!(start.elapsed() < Duration::from_secs(2), "cancelling took {:?}", start.elapsed());
    stage.count("cancelled").await
}

async fn artefact_damaged() -> (i64, i64) {
    let stage = Stage::new();
    let served = stage.serve("1");
    let client = connect(&served.url).await;
    let job = submit_dataset(&client, dataset(2)).await.unwrap();
    client.finish(&job.id, |_| {}).await.unwrap();
    let mut damaged = 0;
    for folder in std::fs::read_dir(stage.place.data().join("artefacts")).unwrap().flatten() {
        for file in std::fs::read_dir(folder.path()).into_iter().flatten().flatten() {
            std::fs::write(file.path(), b"damaged").unwrap();
            damaged += 1;
        }
    }
    assert!(damaged > 0);
    // the same again makes it whole
    let again = submit_dataset(&client, dataset(2)).await.unwrap();
    client.finish(&again.id, |_| {}).await.unwrap();
    get(&client, &again.id).await;
    stage.count("succeeded").await
}

async fn drained_on_sigterm() -> (i64, i64) {
    let stage = Stage::new();
    let served = stage.serve("0");
    let client = connect(&served.url).await;
    let mut first = stage.worker();
    let job = submit(&client, slow("drain")).await;
    until(&client, &job.id, works).await;
    let start = Instant::now();
    send("-TERM", first.0.id());
    assert!(first.0.wait().unwrap().success());
    assert!(start.elapsed() < Duration::from_secs(10), "it took {:?} to stop", start.elapsed());
    let back = get(&client, &job.id).await;
    assert_eq!((back.state(), back.attempts), (JobState::Queued, 0));
    let _second = stage.worker();
    stage.all_succeed().await
}

/// Real proofs, and small jobs between them, over three workers, one of which is killed every few seconds.
async fn proofs_while_workers_are_killed() -> (i64, i64) {
    let (proofs, calibrations) = if long() { (200, 1000) } else { (20, 40) };
    let stage = Stage::new();
    let served = stage.serve("0");
    let clients = [connect(&served.url).await, connect(&served.url).await];
    for number in 0..proofs {
        submit_dataset(&clients[number % 2], dataset(number)).await.unwrap();
    }
    for number in 0..calibrations {
        submit(&clients[number % 2], calibrate(10, 1, &format!("many {number}"))).await;
    }
    let mut workers = [stage.worker(), stage.worker(), stage.worker()];
    let done = stage.ended(Duration::from_secs(3600));
    tokio::pin!(done);
    let mut victim = 0;
    loop {
        tokio::select! {
            () = &mut done => break,
            () = tokio::time::sleep(Duration::from_secs(4)) => {
                kill_hard(workers[victim].0.id());
                workers[victim] = stage.worker();
                victim = (victim + 1) % 3;
            }
        }
    }
    let (lost, doubled) = stage.count("succeeded").await;
    // each result is registered exactly once, whatever was computed again
    let registered: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM datasets").fetch_one(&mut stage.sql().await).await.unwrap();
    let proofs = proofs as i64;
    (lost + (proofs - registered).max(0), doubled + (registered - proofs).max(0))
}

/// A database of the previous version, with a job in its queue.
async fn upgraded_with_a_job_in_flight() -> (i64, i64) {
    let stage = Stage::new();
    let mut sql = stage.sql().await;
    let first = include_str!("../../store/migrations/0001_first.sql");
    sqlx::raw_sql(sqlx::AssertSqlSafe(first.to_owned())).execute(&mut sql).await.unwrap();
    sqlx::raw_sql(
        "CREATE TABLE migrations (version BIGINT PRIMARY KEY, applied_ms BIGINT NOT NULL);
         INSERT INTO migrations VALUES (1, 0);
         INSERT INTO jobs VALUES ('00000000000000000000000000000001', '0x1111111111111111111111111111111111111111', 'calibrate',
            'old', '{\"kind\":\"calibrate\",\"k\":10,\"rounds\":1,\"tag\":\"old\"}', 'queued', 0, 16, 0, 0, 0, 3, 0, NULL, NULL, 0,
            0, '', 0, 0, 0, NULL, NULL, 0, 0, 0, 0)",
    )
    .execute(&mut sql)
    .await
    .map(drop)
    .unwrap_or_else(|e| panic!("{e}"));
    let _served = stage.serve("1");
    stage.all_succeed().await
}

/// A way to the database that can be cut: then nothing passes any more, and nobody is told.
struct Wire {
    address: SocketAddr,
    cut: watch::Sender<bool>,
}

impl Wire {
    async fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cut, is_cut) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (target, mut is_cut) = (target.clone(), is_cut.clone());
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(target).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        // both ends stay open: neither hears anything
                        () = becomes(&mut is_cut, true) => becomes(&mut is_cut, false).await,
                    }
                });
            }
        });
        Wire { address, cut }
    }
}

async fn becomes(cut: &mut watch::Receiver<bool>, wanted: bool) {
    let _ = cut.wait_for(|cut| *cut == wanted).await;
}

async fn worker_cut_off() -> (i64, i64) {
    let stage = Stage::new();
    let served = stage.serve("0");
    let client = connect(&served.url).await;
    let (_, place) = stage.postgres.url.split_once('@').unwrap();
    let (target, name) = place.split_once('/').unwrap();
    let wire = Wire::to(target.to_owned()).await;
    let _far = stage.worker_at(&format!("postgres://postgres@{}/{name}", wire.address));
    let job = submit(&client, slow("cut off")).await;
    until(&client, &job.id, works).await;
    wire.cut.send_replace(true);
    // the lease lapses, another worker takes the job over, and the late result of the first is refused
    let _near = stage.worker();
    until(&client, &job.id, |j| j.starts >= 2).await;
    wire.cut.send_replace(false);
    let result = stage.all_succeed().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(stage.count("succeeded").await, result);
    result
}

async fn run<F: Future<Output = (i64, i64)> + Send + 'static>(
    name: &'static str,
    scenario: impl FnOnce() -> F,
    all: &mut Vec<Outcome>,
) {
    let start = Instant::now();
    let ended = tokio::spawn(scenario()).await;
    let (lost, doubled) = *ended.as_ref().unwrap_or(&(0, 0));
    let ok = ended.is_ok() && (lost, doubled) == (0, 0);
    let seconds = (start.elapsed().as_secs_f64() * 10.0).round() / 10.0;
    let outcome = Outcome { name, ok, lost, doubled, seconds };
    println!("{outcome:?}");
    all.push(outcome);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_ends_twice() {
    if Postgres::start().is_none() {
        return;
    }
    let mut all = Vec::new();
    run("worker killed in mid-proof", worker_killed_in_mid_proof, &mut all).await;
    run("server killed at each step", server_killed_at_each_step, &mut all).await;
    run("database restarted", database_restarted, &mut all).await;
    run("database gone for a while", database_gone, &mut all).await;
    run("two workers complete one job", two_workers_complete_one_job, &mut all).await;
    run("cancelled, queued and running", cancelled_queued_and_running, &mut all).await;
    run("artefact damaged", artefact_damaged, &mut all).await;
    run("drained on SIGTERM", drained_on_sigterm, &mut all).await;
    run("proofs while workers are killed", proofs_while_workers_are_killed, &mut all).await;
    run("upgraded with a job in flight", upgraded_with_a_job_in_flight, &mut all).await;
    run("worker cut off from the database", worker_cut_off, &mut all).await;
    let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/../scenarios.json");
    std::fs::write(file, serde_json::to_vec_pretty(&all).unwrap()).unwrap();
    let failed: Vec<&Outcome> = all.iter().filter(|outcome| !outcome.ok).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}
