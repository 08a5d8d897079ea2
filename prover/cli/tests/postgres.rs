//! The service on PostgreSQL: server and worker as separate processes, one of them killed.

use std::process::Command;

use tribute_proto::v1::JobState;
use tribute_testing::calls::{calibrate, connect, submit, until};
use tribute_testing::Place;

/// A temporary server that is stopped even if the test fails.
struct Postgres {
    script: String,
    folder: String,
    url: String,
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = Command::new(&self.script).args(["stop", &self.folder]).status();
    }
}

/// `None` if PostgreSQL is not installed, unless TRIBUTE_REQUIRE_POSTGRES is set.
fn postgres() -> Option<Postgres> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/postgres-for-tests.sh").to_owned();
    let started = Command::new(&script).arg("start").output().unwrap();
    if started.status.code() == Some(3) && std::env::var_os("TRIBUTE_REQUIRE_POSTGRES").is_none() {
        eprintln!("not run: {}", String::from_utf8_lossy(&started.stderr).trim());
        return None;
    }
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
    let said = String::from_utf8(started.stdout).unwrap();
    let (folder, url) = said.trim().split_once(' ').unwrap();
    Some(Postgres { script, folder: folder.into(), url: url.into() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_and_workers_share_one_database() {
    let Some(postgres) = postgres() else { return };
    let place = Place::new();
    let database = ["--database", &postgres.url, "--lease-ms", "600"];
    let served = place.serve(&[&database[..], &["--workers", "0"]].concat());
    let client = connect(&served.url).await;
    let job = submit(&client, calibrate(14, 100, "postgres")).await;

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
