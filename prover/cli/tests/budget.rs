//! The counter of openings is advanced before a proof starts: a proving process killed with signal 9 in between has spent one.

mod common;

use alloy::signers::local::PrivateKeySigner;
use common::{infer, kill_hard, until, wait_for, working_children, Place};
use tribute_client::Client;
use tribute_proto::v1;
use tribute_records::Predicts;

const WINE: &str = include_str!("../../../examples/wine.csv");

fn work() -> v1::DatasetWork {
    let schema = infer("wine.csv", Predicts::Classes, WINE.as_bytes());
    v1::DatasetWork {
        schema_json: schema.canonical().into_bytes(),
        records: Some(v1::dataset_work::Records::Csv(v1::CsvRecords {
            file: "wine.csv".into(),
            data: WINE.as_bytes().to_vec(),
            options: None,
        })),
        profile: None,
        context: None,
        terms: Some(v1::Terms { min_data_bps: 5000, open_training: false }),
    }
}

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
    // the worker is a process of its own: killed together with its child, nobody goes on
    let served = place.serve(&["--k", "14", "--workers", "0"]);
    let client = Client::connect(&served.url, PrivateKeySigner::random()).await.unwrap();
    let mut worker = place.worker(&["--lease-ms", "600"]);
    let request = client.sign(v1::RegisterDatasetRequest { auth: None, work: Some(work()), options: None }).unwrap();
    let job = client.datasets().register_dataset(request).await.unwrap().into_inner().job.unwrap();

    until(&client, &job.id, |j| j.progress.as_ref().is_some_and(|p| p.phase == "prove")).await;
    let child = wait_for("the proving process", || working_children(worker.id()).pop());
    worker.kill().unwrap();
    kill_hard(child);
    worker.wait().unwrap();

    let spent = counters(&place).await;
    assert_eq!(spent.len(), 1, "{spent:?}");
    assert_eq!(spent[0].1, 1, "counted before there is a proof");
    let found = common::get(&client, &job.id).await;
    assert!(found.outcome.is_none());

    // whoever goes on counts again
    let mut worker = place.worker(&["--lease-ms", "600"]);
    client.finish(&job.id, |_| {}).await.unwrap();
    assert_eq!(counters(&place).await, [(spent[0].0.clone(), 2)]);
    worker.kill().unwrap();
    worker.wait().unwrap();
}
