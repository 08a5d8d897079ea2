//! What goes wrong in operation, with real processes, real proofs and PostgreSQL: processes killed, stopped and cut off, a
//! database that goes away, a full disk, clocks that are set, an upgrade, many jobs over few workers. Each scenario says how many
//! jobs were lost, that is, did not end as they must, and how many ended twice. `target/scenarios.json` has the results.
//!
//! `TRIBUTE_SCENARIOS=long` takes the long tier, as `make scenarios` does; `TRIBUTE_SCENARIO=disk` runs only those with that
//! word in their name.

mod clock;
mod stage;
mod storage;
mod upgrade;
mod wire;
mod workers;

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use tribute_testing::stores::Postgres;

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

async fn run<F: Future<Output = (i64, i64)> + Send + 'static>(
    name: &'static str,
    scenario: impl FnOnce(Arc<Postgres>) -> F,
    postgres: &Arc<Postgres>,
    all: &mut Vec<Outcome>,
) {
    if std::env::var("TRIBUTE_SCENARIO").is_ok_and(|only| !name.contains(&only)) {
        return;
    }
    let start = Instant::now();
    let ended = tokio::spawn(scenario(postgres.clone())).await;
    let (lost, doubled) = *ended.as_ref().unwrap_or(&(0, 0));
    let ok = ended.is_ok() && (lost, doubled) == (0, 0);
    let seconds = (start.elapsed().as_secs_f64() * 10.0).round() / 10.0;
    let outcome = Outcome { name, ok, lost, doubled, seconds };
    println!("{outcome:?}");
    all.push(outcome);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_and_nothing_ends_twice() {
    // one server for those that leave it alone, each with a database of its own, and one that is halted
    let Some(postgres) = Postgres::with_connections(200).map(Arc::new) else { return };
    let halted = Arc::new(Postgres::start().unwrap());
    // beside each other: those that compute, and in two rows those that wait for most of their time
    let shared = postgres.clone();
    let computing = tokio::spawn(async move {
        let mut all = Vec::new();
        run("worker killed in mid-proof", workers::worker_killed_in_mid_proof, &shared, &mut all).await;
        run("server killed at each step", workers::server_killed_at_each_step, &shared, &mut all).await;
        run("cancelled, queued and running", workers::cancelled_queued_and_running, &shared, &mut all).await;
        run("artefact damaged", storage::artefact_damaged, &shared, &mut all).await;
        run("drained on SIGTERM", workers::drained_on_sigterm, &shared, &mut all).await;
        run("disk full", storage::disk_full, &shared, &mut all).await;
        run("proofs while workers are killed", workers::proofs_while_workers_are_killed, &shared, &mut all).await;
        all
    });
    let shared = postgres.clone();
    let waiting = tokio::spawn(async move {
        let mut all = Vec::new();
        run("worker cut off from the database", workers::worker_cut_off, &shared, &mut all).await;
        run("clock steps", |_| clock::steps(), &shared, &mut all).await;
        run("upgraded and back, with jobs in flight", upgrade::upgraded_and_back, &shared, &mut all).await;
        all
    });
    let mut all = Vec::new();
    run("database restarted", storage::database_restarted, &halted, &mut all).await;
    run("database gone for a while", storage::database_gone, &halted, &mut all).await;
    run("two workers complete one job", workers::two_workers_complete_one_job, &postgres, &mut all).await;
    all.extend(waiting.await.unwrap());
    all.extend(computing.await.unwrap());
    let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/../scenarios.json");
    std::fs::write(file, serde_json::to_vec_pretty(&all).unwrap()).unwrap();
    let failed: Vec<&Outcome> = all.iter().filter(|outcome| !outcome.ok).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}
