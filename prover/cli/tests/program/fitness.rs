//! A worker whose machine is not fit for the service's jobs leaves them alone.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use halo2_proofs::halo2curves::bn256::Bn256;
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2_proofs::SerdeFormat;
use rand_chacha::rand_core::SeedableRng as _;
use sha2::{Digest as _, Sha256};
use tribute_problem::Reason;
use tribute_proto::v1::{self, JobState};
use tribute_testing::calls::{calibrate, connect, get, submit, submit_dataset, try_submit, until};
use tribute_testing::process::{working_children, Killed};
use tribute_testing::{data, program, wait_for, Place};

/// What `tribute worker` says as it refuses to start.
fn refused(place: &Place, data: &Path, extra: &[&str]) -> String {
    refused_with(&[], place, data, extra)
}

/// The same, with environment variables.
fn refused_with(variables: &[(&str, &str)], place: &Place, data: &Path, extra: &[&str]) -> String {
    let database = format!("sqlite:{}", place.data().join("tribute.db").display());
    let key = place.data().join("master.key");
    let mut worker = Command::new(program());
    worker
        .envs(variables.iter().copied())
        .args(["worker", "--stop-with-stdin", "--database", &database, "--master-key"])
        .arg(key);
    let output = worker.arg("--data").arg(data).args(extra).stdin(Stdio::null()).output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_set_up_wrong_does_not_start() {
    let place = Place::new();
    let served = place.serve(&["--workers", "0"]);
    let client = connect(&served.url).await;
    let job = submit(&client, calibrate(12, 1, "fit")).await;

    let said = refused(&place, &place.path().join("elsewhere"), &[]);
    assert!(said.contains("same --data"), "{said}");

    let other = place.path().join("other.srs");
    let mut body = Vec::new();
    ParamsKZG::<Bn256>::setup(11, rand_chacha::ChaCha20Rng::seed_from_u64(7))
        .write_custom(&mut body, SerdeFormat::RawBytes)
        .unwrap();
    std::fs::write(&other, [b"TRIBSRS2", &Sha256::digest(&body)[..], &body].concat()).unwrap();
    let said = refused(&place, &place.data(), &["--srs", &other.display().to_string()]);
    assert!(said.contains("same --srs"), "{said}");

    let said = refused_with(&[("TRIBUTE_ONNXRUNTIME", "/nowhere")], &place, &place.data(), &[]);
    assert!(said.contains("onnxruntime") && said.contains("TOOL_MISSING"), "{said}");

    let said = refused_with(&[("TRIBUTE_ARITHMETIC", "AVX2")], &place, &place.data(), &[]);
    assert!(said.contains("TRIBUTE_ARITHMETIC is \"AVX2\"") && said.contains("BAD_FIELD"), "{said}");

    let found = get(&client, &job.id).await;
    assert_eq!((found.state(), found.starts), (JobState::Queued, 0));
    let _worker = Killed(place.worker(&[]));
    until(&client, &job.id, |j| j.state() == JobState::Succeeded).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_later_costs_a_job_nothing() {
    let place = Place::new();
    let served = place.serve(&["--workers", "1"]);
    let client = connect(&served.url).await;
    let before = submit(&client, calibrate(12, 1, "before")).await;
    until(&client, &before.id, |j| j.state() == JobState::Succeeded).await;

    // as if another disk were mounted there
    let (artefacts, aside) = (place.data().join("artefacts"), place.data().join("aside"));
    std::fs::rename(&artefacts, &aside).unwrap();
    let jobs = [submit(&client, calibrate(12, 1, "one")).await, submit(&client, calibrate(12, 1, "two")).await];
    until(&client, &jobs[0].id, |j| j.starts > 0 && j.state() == JobState::Queued).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    for job in &jobs {
        let found = get(&client, &job.id).await;
        assert_eq!((found.state(), found.attempts), (JobState::Queued, 0), "{found:?}");
        assert!(found.starts < 3, "the worker leases nothing while it is not fit: {found:?}");
    }

    std::fs::remove_dir_all(&artefacts).unwrap();
    std::fs::rename(&aside, &artefacts).unwrap();
    for job in &jobs {
        assert_eq!(client.finish(&job.id, |_| {}).await.unwrap().attempts, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_working_process_is_given_no_more_than_it_needs() {
    let place = Place::new();
    let mut server = Command::new(program());
    let database = format!("sqlite:{}", place.data().join("tribute.db").display());
    server.env("TRIBUTE_DATABASE", &database).env("PLANTED", "planted-in-the-environment");
    let served = place.serve_with(server, "127.0.0.1:0", &[]);
    let client = connect(&served.url).await;
    let job = submit(&client, calibrate(14, 2000, "poor")).await;
    until(&client, &job.id, |j| j.progress.as_ref().is_some_and(|p| p.done > 0)).await;
    let child = wait_for("the working process", || working_children(served.process.id()).pop());
    let of_child =
        |file: &str| String::from_utf8_lossy(&std::fs::read(format!("/proc/{child}/{file}")).unwrap()).into_owned();
    for file in ["environ", "cmdline"] {
        let said = of_child(file);
        assert!(!said.contains("planted") && !said.contains("TRIBUTE_DATABASE"), "{file}: {said}");
    }
    // neither the database nor the master key is open there, and its memory is bounded
    let open: Vec<_> = std::fs::read_dir(format!("/proc/{child}/fd")).unwrap().flatten().map(|f| f.path()).collect();
    for file in open.iter().filter_map(|f| std::fs::read_link(f).ok()) {
        let name = file.display().to_string();
        assert!(!name.contains("tribute.db") && !name.contains("master.key"), "{name}");
    }
    let limits = of_child("limits");
    let data = limits.lines().find(|l| l.starts_with("Max data size")).unwrap();
    assert!(!data.contains("unlimited"), "{data}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_needs_more_memory_than_there_is_is_refused() {
    let place = Place::new();
    let served = place.serve(&["--memory", "100"]);
    let client = connect(&served.url).await;
    let refused = try_submit(&client, calibrate(20, 1, "large")).await.unwrap_err();
    assert_eq!((refused.reason, refused.metadata["most_mb"].as_str()), (Reason::TooLarge, "100"), "{refused}");
    let job = submit(&client, calibrate(12, 1, "small")).await;
    until(&client, &job.id, |j| j.state() == JobState::Succeeded).await;
    let schema = data::wine_schema();
    let mut work = data::dataset(&schema, data::csv("wine.csv", data::wines(0..50)));
    work.profile = Some(v1::Profile { k: 20, columns: 24, intercept_scale: 0 });
    let refused = submit_dataset(&client, work).await.unwrap_err();
    assert_eq!(refused.reason, Reason::TooLarge, "{refused}");
}
