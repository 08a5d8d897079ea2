//! A database that goes away, a damaged artefact, a full disk.

use std::sync::Arc;
use std::time::Duration;

use tribute_problem::Reason;
use tribute_proto::v1::JobState;
use tribute_testing::calls::{connect, get, submit, submit_dataset, until};
use tribute_testing::process::{all_children, limit_files, limitable};
use tribute_testing::stores::Postgres;

use super::long;
use super::stage::{dataset, slow, works, Stage};

pub(crate) async fn database_restarted(postgres: Arc<Postgres>) -> (i64, i64) {
    database_away(postgres, Duration::ZERO).await
}

pub(crate) async fn database_gone(postgres: Arc<Postgres>) -> (i64, i64) {
    database_away(postgres, Duration::from_secs(if long() { 60 } else { 5 })).await
}

async fn database_away(postgres: Arc<Postgres>, pause: Duration) -> (i64, i64) {
    let stage = Stage::on(postgres).await;
    let served = stage.serve("0");
    let _worker = stage.worker();
    let client = connect(&served.url).await;
    let job = submit(&client, slow("away")).await;
    submit_dataset(&client, dataset(1)).await.unwrap();
    until(&client, &job.id, works).await;
    stage.postgres().control("halt");
    tokio::time::sleep(pause).await;
    stage.postgres().control("resume");
    stage.all_succeed().await
}

pub(crate) async fn artefact_damaged(postgres: Arc<Postgres>) -> (i64, i64) {
    let stage = Stage::on(postgres).await;
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

/// Limits the files of server and worker, and of the worker's children, of which some may have ended meanwhile.
fn limit_all(server: u32, worker: u32, bytes: &str) {
    for process in all_children(worker).into_iter().chain([worker, server]) {
        limit_files(process, bytes);
    }
}

/// The disk of server and worker fills while a proof is made, and gets free again.
pub(crate) async fn disk_full(postgres: Arc<Postgres>) -> (i64, i64) {
    let stage = Stage::on(postgres).await;
    let served = stage.serve_with(limitable(), "0");
    let client = connect(&served.url).await;
    let worker = stage.worker_with(limitable(), &stage.database);
    let limit = |bytes| limit_all(served.process.id(), worker.0.id(), bytes);
    let mut datasets = 0;
    let waiting = loop {
        let job = submit_dataset(&client, dataset(datasets)).await.unwrap();
        datasets += 1;
        assert!(datasets <= 20, "no proof meets a full disk");
        stage.phase(&job.id, "keys").await;
        limit("256");
        let left = [JobState::Queued, JobState::Succeeded, JobState::Failed];
        let job = until(&client, &job.id, |j| left.contains(&j.state())).await;
        if job.state() != JobState::Succeeded {
            break job;
        }
        limit("unlimited"); // it was through before the disk was full
        stage.forget_keys();
    };

    // the job waits for a worker that can write, and nothing can be uploaded
    assert_eq!((waiting.state(), waiting.starts, waiting.attempts), (JobState::Queued, 1, 0), "{waiting:?}");
    let refused = client.upload(vec![7; 4096]).await.unwrap_err();
    assert_eq!(refused.reason, Reason::StorageFailed, "{refused}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(get(&client, &waiting.id).await.starts, 1, "a worker that cannot write leases nothing");

    limit("unlimited");
    submit_dataset(&client, dataset(datasets)).await.unwrap();
    let (lost, doubled) = stage.all_succeed().await;
    let (more, twice) = stage.registered(datasets + 1).await;
    (lost + more, doubled + twice)
}
