//! Workers killed, stopped, cut off and drained, and a server killed, while jobs run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tribute_proto::v1::{self, JobState};
use tribute_testing::calls::{calibrate, connect, get, submit, submit_dataset, until};
use tribute_testing::process::{is_alive, kill_hard, working_children};
use tribute_testing::stores::Postgres;
use tribute_testing::{program, wait_for};

use super::long;
use super::stage::{dataset, send, slow, works, Stage};
use super::wire::Wire;

pub(crate) async fn worker_killed_in_mid_proof(postgres: Arc<Postgres>) -> (i64, i64) {
    let stage = Stage::on(postgres).await;
    let served = stage.serve("0");
    let client = connect(&served.url).await;
    let first = stage.worker();
    let job = submit_dataset(&client, dataset(0)).await.unwrap();
    until(&client, &job.id, works).await;
    kill_hard(first.0.id());
    let _second = stage.worker();
    stage.all_succeed().await
}

/// Queued, in every phase of a proof, and at its end: what the next server finds is run to the end.
pub(crate) async fn server_killed_at_each_step(postgres: Arc<Postgres>) -> (i64, i64) {
    const PHASES: [&str; 6] = ["", "commit", "keys", "prove", "verify", "ended"];
    let stage = Stage::on(postgres).await;
    let (mut met, mut submitted) = (Vec::new(), 0);
    for phase in PHASES {
        // a short phase may be over before it is seen: those that must be met are tried again
        for _ in 0..10 {
            let mut served = stage.serve(if phase.is_empty() { "0" } else { "1" });
            let client = connect(&served.url).await;
            let job = submit_dataset(&client, dataset(submitted)).await.unwrap();
            submitted += 1;
            let found = if phase.is_empty() { String::new() } else { stage.phase(&job.id, phase).await };
            let children = working_children(served.process.id());
            served.process.kill().unwrap();
            served.process.wait().unwrap();
            for child in children {
                wait_for("the orphan's end", || (!is_alive(child)).then_some(()));
            }
            // the next one makes its keys again
            stage.forget_keys();
            if found == phase {
                met.push(phase);
            }
            if found == phase || !["keys", "prove"].contains(&phase) {
                break;
            }
        }
    }
    assert!(met.contains(&"keys") && met.contains(&"prove"), "{met:?}");
    let _served = stage.serve("1");
    let (lost, doubled) = stage.all_succeed().await;
    let (more, twice) = stage.registered(submitted).await;
    (lost + more, doubled + twice)
}

/// A worker that sleeps longer than its lease and wakes up with a result: another one has the job by then.
pub(crate) async fn two_workers_complete_one_job(postgres: Arc<Postgres>) -> (i64, i64) {
    let stage = Stage::on(postgres).await;
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

pub(crate) async fn cancelled_queued_and_running(postgres: Arc<Postgres>) -> (i64, i64) {
    let stage = Stage::on(postgres).await;
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
    assert!(start.elapsed() < Duration::from_secs(10), "cancelling took {:?}", start.elapsed());
    // neither was run to its end, which would take minutes, and one not at all
    assert_eq!(get(&client, &queued.id).await.starts, 0);
    let stopped = get(&client, &running.id).await;
    assert!(stopped.progress.as_ref().is_some_and(|p| p.done < p.total), "{stopped:?}");
    stage.count("cancelled").await
}

pub(crate) async fn drained_on_sigterm(postgres: Arc<Postgres>) -> (i64, i64) {
    let stage = Stage::on(postgres).await;
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
pub(crate) async fn proofs_while_workers_are_killed(postgres: Arc<Postgres>) -> (i64, i64) {
    let (proofs, calibrations, mut pause) = if long() { (200, 1000, 4000) } else { (20, 40, 700) };
    let stage = Stage::on(postgres).await;
    let served = stage.serve("0");
    let clients = [connect(&served.url).await, connect(&served.url).await];
    for number in 0..proofs {
        submit_dataset(&clients[number % 2], dataset(number)).await.unwrap();
    }
    for number in 0..calibrations {
        submit(&clients[number % 2], calibrate(10, 1, &format!("many {number}"))).await;
    }
    let mut workers = [stage.worker(), stage.worker(), stage.worker()];
    let done = stage.ended(Duration::from_secs(if long() { 3600 } else { 600 }));
    tokio::pin!(done);
    let mut killed = 0;
    loop {
        tokio::select! {
            () = &mut done => break,
            () = tokio::time::sleep(Duration::from_millis(pause)) => {
                let victim = killed % 3;
                kill_hard(workers[victim].0.id());
                workers[victim] = stage.worker();
                killed += 1;
                // however slow the machine, one lives long enough at last
                pause += 100;
            }
        }
    }
    assert!(killed >= 3, "only {killed} workers were killed");
    let (lost, doubled) = stage.count("succeeded").await;
    let (more, twice) = stage.registered(proofs).await;
    (lost + more, doubled + twice)
}

pub(crate) async fn worker_cut_off(postgres: Arc<Postgres>) -> (i64, i64) {
    let stage = Stage::on(postgres).await;
    let served = stage.serve("0");
    let client = connect(&served.url).await;
    let (_, place) = stage.database.split_once('@').unwrap();
    let (target, name) = place.split_once('/').unwrap();
    let wire = Wire::to(target.to_owned()).await;
    let _far = stage.worker_with(wire.beyond(program()), &format!("postgres://postgres@{}/{name}", wire.address));
    let job = submit(&client, slow("cut off")).await;
    until(&client, &job.id, works).await;
    wire.cut(true);
    // the lease lapses, another worker takes the job over, and the late result of the first is refused
    let _near = stage.worker();
    until(&client, &job.id, |j| j.starts >= 2).await;
    wire.cut(false);
    let result = stage.all_succeed().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(stage.count("succeeded").await, result);
    result
}
