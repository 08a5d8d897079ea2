//! The opening counter is advanced before a proof starts: a proving process that is killed in between has spent an opening.

use alloy::signers::local::PrivateKeySigner;
use tribute_client::Client;
use tribute_testing::calls::{get, submit_dataset, until};
use tribute_testing::data::{csv, dataset, wine_schema, WINE};
use tribute_testing::process::{kill_hard, working_children};
use tribute_testing::{wait_for, Place};

/// All counters in a server's database.
async fn counters(place: &Place) -> Vec<(String, i64)> {
    let url = format!("sqlite:{}", place.data().join("tribute.db").display());
    let pool = sqlx::AnyPool::connect(&url).await.unwrap();
    let counters = sqlx::query_as("SELECT digest, used FROM openings").fetch_all(&pool).await.unwrap();
    pool.close().await;
    counters
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_killed_on_its_way_has_spent_its_opening() {
    sqlx::any::install_default_drivers();
    let place = Place::new();
    // kill the separate worker together with its child, so that the job does not continue
    let served = place.serve(&["--k", "14", "--workers", "0"]);
    let client = Client::connect(&served.url, PrivateKeySigner::random()).await.unwrap();
    let mut worker = place.worker(&["--lease-ms", "600"]);
    let wines = dataset(&wine_schema(), csv("wine.csv", WINE.into()));
    let job = submit_dataset(&client, wines).await.unwrap();

    until(&client, &job.id, |j| j.progress.as_ref().is_some_and(|p| p.phase == "prove")).await;
    let child = wait_for("the proving process", || working_children(worker.id()).pop());
    worker.kill().unwrap();
    kill_hard(child);
    worker.wait().unwrap();

    let spent = counters(&place).await;
    assert_eq!(spent.len(), 1, "{spent:?}");
    assert_eq!(spent[0].1, 1, "counted before there is a proof");
    let found = get(&client, &job.id).await;
    assert!(found.outcome.is_none());

    // the next worker counts again
    let mut worker = place.worker(&["--lease-ms", "600"]);
    client.finish(&job.id, |_| {}).await.unwrap();
    assert_eq!(counters(&place).await, [(spent[0].0.clone(), 2)]);
    worker.kill().unwrap();
    worker.wait().unwrap();
}
