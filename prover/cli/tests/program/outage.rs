//! The database is gone for a while: calls say so at once, a running job goes on, and a finished one is kept.

use std::time::{Duration, Instant};

use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::HealthCheckRequest;
use tonic_types::StatusExt as _;
use tribute_proto::v1::{self, JobState};
use tribute_testing::calls::{calibrate, connect, submit, until};
use tribute_testing::process::{is_alive, working_children};
use tribute_testing::stores::Postgres;
use tribute_testing::{raw, wait_for, Place};

/// How long the database is gone at least: many leases.
const GONE: Duration = Duration::from_secs(8);
/// Longest wait of a call for a connection to the database, if nobody noticed that it is gone.
const PATIENCE: Duration = Duration::from_secs(5);

async fn health(health: &mut HealthClient<tonic::transport::Channel>) -> ServingStatus {
    let request = HealthCheckRequest { service: String::new() };
    health.check(request).await.unwrap().into_inner().status()
}

async fn healthy(client: &mut HealthClient<tonic::transport::Channel>, wanted: ServingStatus) {
    let start = Instant::now();
    while health(client).await != wanted {
        assert!(start.elapsed() < Duration::from_secs(30), "the server does not say {wanted:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_comes_back_has_cost_nothing() {
    let Some(postgres) = Postgres::start() else { return };
    let place = Place::new();
    let served = place.serve(&["--database", &postgres.url, "--lease-ms", "2000", "--workers", "2"]);
    let client = connect(&served.url).await;
    let mut about = HealthClient::new(raw::channel(&served.url).await);
    healthy(&mut about, ServingStatus::Serving).await;

    // one job ends while the database is gone, the other is still running when it is back
    let short = submit(&client, calibrate(14, 40, "ends meanwhile")).await;
    let long = submit(&client, calibrate(14, 250, "goes on")).await;
    for job in [&short, &long] {
        until(&client, &job.id, |j| j.progress.as_ref().is_some_and(|p| p.done > 0)).await;
    }
    let children = wait_for("the working processes", || {
        Some(working_children(served.process.id())).filter(|children| children.len() == 2)
    });
    postgres.control("halt");
    let broke = Instant::now();
    let refused = async || {
        let refused = client.jobs().get_job(v1::GetJobRequest { job: short.id.clone() }).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
        assert!(refused.get_details_retry_info().is_some() && refused.message().contains("database"), "{refused:?}");
    };
    // a call waits no longer than until it is noticed
    refused().await;
    assert!(broke.elapsed() < 2 * PATIENCE, "{:?}", broke.elapsed());
    healthy(&mut about, ServingStatus::NotServing).await;
    // and from then on not at all: twenty of them take less time than one would wait
    let noticed = Instant::now();
    for _ in 0..20 {
        refused().await;
    }
    assert!(noticed.elapsed() < PATIENCE, "calls are refused at once, not twenty in {:?}", noticed.elapsed());
    // the short job's process ends meanwhile, the long one's goes on
    let ended = || children.iter().filter(|child| !is_alive(**child)).count();
    while broke.elapsed() < GONE || ended() == 0 {
        refused().await;
        assert!(broke.elapsed() < Duration::from_secs(60), "no job ends without the database");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(ended(), 1);
    assert_eq!(health(&mut about).await, ServingStatus::NotServing);

    postgres.control("resume");
    healthy(&mut about, ServingStatus::Serving).await;
    for job in [&short, &long] {
        let ended = tokio::time::timeout(Duration::from_secs(300), client.finish(&job.id, |_| {})).await;
        let ended = ended.expect("its end is heard of").unwrap();
        assert_eq!((ended.state(), ended.starts, ended.attempts), (JobState::Succeeded, 1, 0));
    }
}
