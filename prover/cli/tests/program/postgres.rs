//! The service on PostgreSQL: server and worker as separate processes, one of them killed.

use tribute_proto::v1::{self, JobState};
use tribute_testing::calls::{calibrate, connect, submit, until};
use tribute_testing::stores::Postgres;
use tribute_testing::Place;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_and_workers_share_one_database() {
    let Some(postgres) = Postgres::start() else { return };
    let place = Place::new();
    let database = ["--database", &postgres.url, "--lease-ms", "600"];
    let served = place.serve(&[&database[..], &["--workers", "0"]].concat());
    let client = connect(&served.url).await;
    let job = submit(&client, calibrate(14, 100, "postgres")).await;

    // the same work under the same key at the same time is one job
    let same = v1::SubmitRequest {
        work: Some(calibrate(14, 100, "postgres")),
        options: Some(v1::JobOptions { idempotency_key: "key".into(), ..Default::default() }),
    };
    let calls = (0..8).map(|_| {
        let (client, same) = (client.clone(), same.clone());
        async move { client.jobs().submit(same).await.unwrap().into_inner().job.unwrap().id }
    });
    assert!(futures::future::join_all(calls).await.iter().all(|id| *id == job.id));

    let mut first = place.worker(&database);
    until(&client, &job.id, |j| j.progress.as_ref().is_some_and(|p| p.done > 0)).await;
    first.kill().unwrap();
    first.wait().unwrap();

    let mut second = place.worker(&database);
    let ended = client.finish(&job.id, |_| {}).await.unwrap();
    assert_eq!((ended.state(), ended.starts, ended.attempts), (JobState::Succeeded, 2, 0));
    second.kill().unwrap();
    second.wait().unwrap();
}
