//! How work is submitted: under a key, after other jobs, in part, as an estimate; and datasets whose records are deleted.

use tribute_client::problem;
use tribute_problem::Reason;
use tribute_proto::v1::{self, JobState};
use tribute_testing::calls::{
    calibrate, connect, get, outcome, registered, send, submit, submit_dataset, terms, trained,
};
use tribute_testing::data::{self, wine_schema, wines};
use tribute_testing::Place;

fn options(key: &str, needs: &[&str]) -> Option<v1::JobOptions> {
    let needs = needs.iter().map(|id| (*id).to_owned()).collect();
    Some(v1::JobOptions { idempotency_key: key.into(), needs, ..Default::default() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_is_submitted_once_under_a_key_and_after_what_it_needs() {
    let place = Place::new();
    let served = place.serve(&["--workers", "0"]);
    let client = connect(&served.url).await;
    let submit = async |work: v1::Work, options: Option<v1::JobOptions>| {
        let request = v1::SubmitRequest { work: Some(work), options };
        client.jobs().submit(request).await.map(|job| job.into_inner().job.unwrap()).map_err(problem)
    };
    let first = submit(calibrate(10, 1, "a"), options("key", &[])).await.unwrap();
    client.jobs().cancel_job(v1::CancelJobRequest { job: first.id.clone() }).await.unwrap();
    // without the key it would be queued again
    let again = submit(calibrate(10, 1, "a"), options("key", &[])).await.unwrap();
    assert_eq!((&again.id, again.state()), (&first.id, JobState::Cancelled));
    let other = submit(calibrate(10, 1, "b"), options("key", &[])).await.unwrap_err();
    assert!(other.reason == Reason::BadField && other.message.contains("used for other work"), "{other}");
    let long = submit(calibrate(10, 1, "b"), options(&"k".repeat(201), &[])).await.unwrap_err();
    assert_eq!(long.reason, Reason::BadField);
    // a key is the caller's own
    let stranger = connect(&served.url).await;
    let request = v1::SubmitRequest { work: Some(calibrate(10, 1, "b")), options: options("key", &[]) };
    stranger.jobs().submit(request).await.unwrap();

    let needed = submit(calibrate(10, 1, "needed"), None).await.unwrap();
    let waiting = submit(calibrate(10, 1, "waiting"), options("", &[&needed.id])).await.unwrap();
    let hidden = submit(calibrate(10, 1, "c"), options("", &["no-such-job"])).await.unwrap_err();
    assert_eq!(hidden.reason, Reason::NotFound);
    client.jobs().cancel_job(v1::CancelJobRequest { job: needed.id }).await.unwrap();
    let failed = get(&client, &waiting.id).await;
    assert_eq!((failed.state(), failed.error.unwrap().reason.as_str()), (JobState::Failed, "NOT_READY"));

    // a batch in part
    let work = vec![calibrate(10, 1, "d"), calibrate(99, 1, "bad"), calibrate(10, 1, "e")];
    let batch = async |partial| {
        let request = v1::SubmitBatchRequest { work: work.clone(), options: options("batch", &[]), partial };
        client.jobs().submit_batch(request).await.map(tonic::Response::into_inner).map_err(problem)
    };
    assert_eq!(batch(false).await.unwrap_err().reason, Reason::BadField);
    let some = batch(true).await.unwrap();
    assert_eq!((some.jobs.len(), some.refusals.len(), some.refusals[0].index), (2, 1, 1));
    assert_eq!(some.refusals[0].error.as_ref().unwrap().reason, "BAD_FIELD");
    let ids = |batch: &v1::SubmitBatchResponse| batch.jobs.iter().map(|job| job.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&batch(true).await.unwrap()), ids(&some));
}

/// Number of artefacts that a server has stored.
fn stored(place: &Place) -> usize {
    let Ok(folders) = std::fs::read_dir(place.data().join("artefacts")) else { return 0 };
    folders.map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap().count()).sum()
}

/// Whoever has no room in the queue has nothing stored either, however often the work is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_without_room_in_the_queue_stores_nothing() {
    let place = Place::new();
    let served = place.serve(&["--k", "10", "--columns", "8", "--workers", "0", "--queued-quota", "2"]);
    let client = connect(&served.url).await;
    let wine = |rows: std::ops::Range<usize>| data::dataset(&wine_schema(), data::csv("wine.csv", wines(rows)));
    let first = submit_dataset(&client, wine(0..30)).await.unwrap();
    submit(&client, calibrate(10, 1, "fills the queue")).await;
    let second = wine(30..60);
    let Some(v1::dataset_work::Records::Csv(csv)) = &second.records else { panic!() };
    send(&client, &csv.upload).await;
    let before = stored(&place);
    let refused = submit_dataset(&client, second.clone()).await.unwrap_err();
    assert_eq!(refused.reason, Reason::QuotaSpent, "{refused}");
    // nor does work that no job could do
    let large = v1::Profile { k: 20, columns: 64, intercept_scale: 0 };
    let refused = submit_dataset(&client, v1::DatasetWork { profile: Some(large), ..second }).await.unwrap_err();
    assert!(matches!(refused.reason, Reason::TooLarge | Reason::QuotaSpent), "{refused}");
    assert_eq!(stored(&place), before);
    // equal work needs no room
    assert_eq!(submit_dataset(&client, wine(0..30)).await.unwrap().id, first.id);
    let batch = vec![calibrate(10, 1, "fills the queue"), calibrate(10, 1, "too much")];
    let request = v1::SubmitBatchRequest { work: batch, options: None, partial: false };
    assert_eq!(client.jobs().submit_batch(request).await.map_err(problem).unwrap_err().reason, Reason::QuotaSpent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn costs_are_known_before_anything_is_spent_and_records_can_be_deleted() {
    let place = Place::new();
    let served = place.serve(&["--k", "10", "--columns", "8"]);
    let client = connect(&served.url).await;
    let work = || data::dataset(&wine_schema(), data::csv("wine.csv", wines(0..60)));
    let estimate = async |work: v1::DatasetWork| {
        let work = v1::Work { work: Some(v1::work::Work::Dataset(work)) };
        client.jobs().estimate(v1::EstimateRequest { work: Some(work) }).await.unwrap().into_inner()
    };
    let Some(v1::dataset_work::Records::Csv(csv)) = work().records else { panic!() };
    send(&client, &csv.upload).await;
    let before = stored(&place);
    let first = estimate(work()).await;
    assert_eq!(stored(&place), before, "an estimate stores nothing");
    assert_eq!((first.jobs, first.openings, first.gas_verify, first.existing.as_str()), (1, 1, 0, ""));
    assert!(first.memory_mb > 0);
    let jobs = client.jobs().list_jobs(v1::ListJobsRequest::default()).await.unwrap().into_inner().jobs;
    assert!(jobs.is_empty(), "an estimate queues nothing");

    let dataset = registered(&client, work()).await;
    let other = data::dataset(&wine_schema(), data::csv("wine.csv", wines(60..178)));
    let Some(v1::dataset_work::Records::Csv(csv)) = &other.records else { panic!() };
    send(&client, &csv.upload).await;
    let second = estimate(other).await;
    assert!(second.seconds > 0.0 && second.gas_verify > 100_000, "{second:?}");
    assert!(!estimate(work()).await.existing.is_empty());

    // deleted: nobody but the owner can, and then nobody trains on it
    let forget = v1::ForgetDatasetRequest { id: dataset.id.clone() };
    let stranger = connect(&served.url).await;
    let refused = stranger.datasets().forget_dataset(forget.clone()).await.map_err(problem).unwrap_err();
    assert_eq!(refused.reason, Reason::NotFound);
    let deleted = client.datasets().forget_dataset(forget.clone()).await.unwrap().into_inner().deleted;
    assert_eq!(deleted, 1);
    client.datasets().forget_dataset(forget).await.unwrap();
    let refused = trained(&client, terms(&[&dataset], v1::Link::Squared, 1 << 39)).await.unwrap_err();
    assert!(refused.reason == Reason::NotReady && refused.message.contains("deleted"), "{refused}");
    let kept =
        client.datasets().get_dataset(v1::GetDatasetRequest { id: dataset.id.clone() }).await.unwrap().into_inner();
    assert!(kept.shards[0].proof.is_some(), "the proofs stay");
    // registered again it is the same dataset, under the same commitment
    let again = submit_dataset(&client, work()).await.unwrap();
    let Ok(v1::outcome::Outcome::Dataset(again)) = outcome(&client, &again).await else { panic!() };
    assert_eq!(again.dataset.unwrap().id, dataset.id);
    trained(&client, terms(&[&dataset], v1::Link::Squared, 1 << 39)).await.unwrap();
}
