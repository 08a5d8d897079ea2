//! kill -9 of the server, the worker and the proving process during a job: the job continues and ends exactly once.

use tribute_client::Client;
use tribute_proto::v1::{self, JobState};
use tribute_testing::calls::{calibrate, connect, get, submit, until};
use tribute_testing::process::{is_alive, kill_hard, working_children};
use tribute_testing::{wait_for, Place};

/// Short leases, so that a lost worker is noticed soon, and progress and cancelled jobs are told of soon.
const SHORT: &[&str] = &["--lease-ms", "600"];

async fn events(client: &Client, job: &str) -> Vec<v1::job_event::Event> {
    let request = v1::WatchJobRequest { job: job.into(), after: 0 };
    let mut stream = client.jobs().watch_job(request).await.unwrap().into_inner();
    let mut all = Vec::new();
    while let Some(event) = stream.message().await.unwrap() {
        assert_eq!(event.sequence as usize, all.len() + 1);
        all.push(event.event.unwrap());
    }
    all
}

fn times(events: &[v1::job_event::Event], state: JobState) -> usize {
    events.iter().filter(|e| matches!(e, v1::job_event::Event::State(s) if *s == i32::from(state))).count()
}

fn is_working(job: &v1::Job) -> bool {
    job.state() == JobState::Running && job.progress.as_ref().is_some_and(|p| p.done > 0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_outlives_kill_9_of_server_worker_and_child() {
    let place = Place::new();
    let mut served = place.serve(SHORT);
    let key = alloy::signers::local::PrivateKeySigner::random();
    let client = Client::connect(&served.url, key.clone()).await.unwrap();
    // some seconds of work
    let job = submit(&client, calibrate(14, 100, "kill")).await;

    // 1: the proving process
    until(&client, &job.id, is_working).await;
    let child = wait_for("the working process", || working_children(served.process.id()).pop());
    kill_hard(child);
    let again = until(&client, &job.id, |j| j.starts >= 2).await;
    assert_eq!(again.attempts, 0, "a killed process uses up no attempt");

    // 2: the server, which is also the worker
    until(&client, &job.id, is_working).await;
    let child = wait_for("the working process", || working_children(served.process.id()).pop());
    served.process.kill().unwrap();
    served.process.wait().unwrap();
    wait_for("the orphan's end", || (!is_alive(child)).then_some(()));

    // 3: a separate worker, beside a server without workers
    let served = place.serve(&["--workers", "0"]);
    let client = Client::connect(&served.url, key).await.unwrap();
    let mut worker = place.worker(SHORT);
    until(&client, &job.id, |j| j.starts >= 3).await;
    until(&client, &job.id, is_working).await;
    worker.kill().unwrap();
    worker.wait().unwrap();

    // 4: the next worker completes it, and has a lease that it keeps on a busy machine, too
    let mut worker = place.worker(&["--lease-ms", "3000"]);
    let ended = client.finish(&job.id, |_| {}).await.unwrap();
    assert_eq!((ended.starts, ended.attempts), (4, 0));
    let story = events(&client, &job.id).await;
    assert_eq!(times(&story, JobState::Succeeded), 1);
    assert_eq!(times(&story, JobState::Failed), 0);
    // on a busy machine, one of the short leases may have lapsed and been taken up again
    assert!(times(&story, JobState::Running) >= 4);

    // submitting the same work again finds the finished job
    let same = submit(&client, calibrate(14, 100, "kill")).await;
    assert_eq!((same.state(), same.id), (JobState::Succeeded, job.id));
    worker.kill().unwrap();
    worker.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancel_stops_the_process() {
    let place = Place::new();
    let served = place.serve(SHORT);
    let client = connect(&served.url).await;
    let job = submit(&client, calibrate(14, 5000, "cancel")).await;
    until(&client, &job.id, is_working).await;
    let child = wait_for("the working process", || working_children(served.process.id()).pop());
    let request = v1::CancelJobRequest { job: job.id.clone() };
    client.jobs().cancel_job(request).await.unwrap();
    until(&client, &job.id, |j| j.state() == JobState::Cancelled).await;
    wait_for("the process's end", || (!is_alive(child)).then_some(()));
    assert!(client.finish(&job.id, |_| {}).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_graceful_stop_takes_the_children_along_and_gives_jobs_back() {
    let place = Place::new();
    let mut served = place.serve(SHORT);
    let key = alloy::signers::local::PrivateKeySigner::random();
    let client = Client::connect(&served.url, key.clone()).await.unwrap();
    let job = submit(&client, calibrate(14, 400, "stop")).await;
    until(&client, &job.id, is_working).await;
    let child = wait_for("the working process", || working_children(served.process.id()).pop());
    drop(served.process.stdin.take());
    assert!(served.process.wait().unwrap().success());
    assert!(!is_alive(child));

    let served = place.serve(&["--workers", "0"]);
    let client = Client::connect(&served.url, key).await.unwrap();
    let found = get(&client, &job.id).await;
    assert_eq!((found.state(), found.attempts), (JobState::Queued, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_for_a_job_outlives_graceful_restarts() {
    let place = Place::new();
    let mut served = place.serve(SHORT);
    let address = served.url.trim_start_matches("http://").to_owned();
    let key = alloy::signers::local::PrivateKeySigner::random();
    let client = Client::connect(&served.url, key.clone()).await.unwrap();
    let job = submit(&client, calibrate(14, 100, "restart")).await.id;
    let id = job.clone();
    let waiting = tokio::spawn(async move { client.finish(&id, |_| {}).await });
    for _ in 0..2 {
        let looking = Client::connect(&served.url, key.clone()).await.unwrap();
        until(&looking, &job, is_working).await;
        drop(looking);
        drop(served.process.stdin.take());
        assert!(served.process.wait().unwrap().success());
        served = place.serve_at(&address, SHORT);
    }
    assert_eq!(waiting.await.unwrap().unwrap().state(), JobState::Succeeded);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_goes_on_where_it_broke_off() {
    let place = Place::new();
    let served = place.serve(&[]);
    let client = connect(&served.url).await;
    let job = submit(&client, calibrate(13, 60, "watch")).await;
    let request = v1::WatchJobRequest { job: job.id.clone(), after: 0 };
    let mut stream = client.jobs().watch_job(request).await.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap();
    drop(stream);
    client.finish(&job.id, |_| {}).await.unwrap();
    let all = events(&client, &job.id).await;
    let request = v1::WatchJobRequest { job: job.id.clone(), after: first.sequence };
    let mut stream = client.jobs().watch_job(request).await.unwrap().into_inner();
    let mut rest = 0;
    while let Some(event) = stream.message().await.unwrap() {
        assert!(event.sequence > first.sequence);
        rest += 1;
    }
    assert_eq!(rest + first.sequence as usize, all.len());
}
