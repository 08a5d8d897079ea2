//! A full disk: a clear error, nothing half done, and everything works again once there is space. A limit on file sizes
//! simulates the full disk: writes beyond it fail, and it can be lifted from outside.
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use tribute_problem::Reason;
use tribute_proto::v1;
use tribute_testing::calls::{calibrate, connect, get, try_submit, until};
use tribute_testing::process::{limit_files, limitable};
use tribute_testing::{Place, Served};

fn limit(server: &Served, bytes: &str) {
    assert!(limit_files(server.process.id(), bytes));
}

fn work(tag: &str) -> v1::Work {
    calibrate(10, 1, tag)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_named_and_passes() {
    let place = Place::new();
    let served = place.serve_with(limitable(), "127.0.0.1:0", &["--workers", "1"]);
    let client = connect(&served.url).await;
    let before = try_submit(&client, work("before")).await.unwrap();
    until(&client, &before.id, |job| job.state == v1::JobState::Succeeded as i32).await;

    limit(&served, "4096");
    for i in 0..12 {
        let asked = Instant::now();
        let refused = try_submit(&client, work(&format!("full {i}"))).await.unwrap_err();
        assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
        assert_eq!(refused.reason, Reason::StorageFailed, "{refused}");
        assert!(refused.message.contains("database"), "{refused}");
    }

    limit(&served, "unlimited");
    let mut jobs = Vec::new();
    for i in 0..12 {
        jobs.push(try_submit(&client, work(&format!("after {i}"))).await.unwrap().id);
    }
    for job in &jobs {
        until(&client, job, |job| job.state == v1::JobState::Succeeded as i32).await;
    }
    // nothing of what was refused is there
    let list = v1::ListJobsRequest::default();
    assert_eq!(client.jobs().list_jobs(list).await.unwrap().into_inner().jobs.len(), 1 + jobs.len());
    assert_eq!(get(&client, &before.id).await.state, v1::JobState::Succeeded as i32);
}
