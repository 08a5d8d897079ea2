//! A full disk: a clear refusal, nothing half done, and everything works again once there is room. A limit on file sizes
//! stands for the full disk: writes beyond it fail, and it can be lifted from outside.
#![cfg(target_os = "linux")]

mod common;

use std::process::{Command, Stdio};

use common::{calibrate, connect, get, until, wait_for, Place, Served, PROGRAM};
use tribute_client::problem;
use tribute_problem::{Problem, Reason};
use tribute_proto::v1;

/// A server for which a write beyond the limit is an error, not its end.
fn serve(place: &Place) -> Served {
    let port_file = place.path().join("address");
    let process = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", PROGRAM, "serve", "--listen", "127.0.0.1:0", "--port-file"])
        .arg(&port_file)
        .arg("--data")
        .arg(place.data())
        .args(["--stop-with-stdin", "--workers", "1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let address = wait_for("the server's address", || std::fs::read_to_string(&port_file).ok());
    Served { process, url: format!("http://{}", address.trim()) }
}

fn limit_files(server: &Served, bytes: &str) {
    let done = Command::new("prlimit")
        .args(["--pid", &server.process.id().to_string(), &format!("--fsize={bytes}:unlimited")])
        .status()
        .expect("prlimit, of util-linux");
    assert!(done.success());
}

async fn try_submit(client: &tribute_client::Client, tag: &str) -> Result<v1::Job, Problem> {
    let work = Some(calibrate(10, 1, tag));
    let request = client.sign(v1::SubmitRequest { auth: None, work, options: None }).unwrap();
    let answer = client.jobs().submit(request).await.map_err(problem)?;
    Ok(answer.into_inner().job.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_named_and_passes() {
    let place = Place::new();
    let served = serve(&place);
    let client = connect(&served.url).await;
    let before = try_submit(&client, "before").await.unwrap();
    until(&client, &before.id, |job| job.state == v1::JobState::Succeeded as i32).await;

    limit_files(&served, "4096");
    for i in 0..12 {
        let refused = try_submit(&client, &format!("full {i}")).await.unwrap_err();
        assert_eq!(refused.reason, Reason::StorageFailed, "{refused}");
        assert!(refused.message.contains("database"), "{refused}");
    }

    limit_files(&served, "unlimited");
    let mut jobs = Vec::new();
    for i in 0..12 {
        jobs.push(try_submit(&client, &format!("after {i}")).await.unwrap().id);
    }
    for job in &jobs {
        until(&client, job, |job| job.state == v1::JobState::Succeeded as i32).await;
    }
    // nothing of what was refused is there
    let list = client.sign(v1::ListJobsRequest::default()).unwrap();
    assert_eq!(client.jobs().list_jobs(list).await.unwrap().into_inner().jobs.len(), 1 + jobs.len());
    assert_eq!(get(&client, &before.id).await.state, v1::JobState::Succeeded as i32);
}
