//! Datasets that grow: further shards of the next version are proven, and nothing of earlier versions changes.

use tribute::offline::{verify_json, Options};
use tribute_client::{problem, Client};
use tribute_core::layout::{Layout, Task};
use tribute_core::schema::{Feature, Schema, Target};
use tribute_problem::Reason;
use tribute_proto::v1;
use tribute_testing::calls::{
    self, certificate, connect, dataset_of, gradients, grant, optimum, registered, submit_dataset, trained,
};
use tribute_testing::data::{dataset, file};
use tribute_testing::{Place, Served};

const K: u32 = 10;
const COLUMNS: usize = 8;
/// λ = 2^-5.
const LAMBDA: u64 = 1 << 39;

fn serve(place: &Place, extra: &[&str]) -> Served {
    place.serve(&[&["--k", "10", "--columns", "8"], extra].concat())
}

fn capacity() -> usize {
    Layout::new(K, COLUMNS, 5, 3, Task::Classes).unwrap().capacity()
}

fn schema() -> Schema {
    let features = (0..5).map(|i| Feature { name: format!("f{i}"), lo: 0.0, hi: 1.0 }).collect();
    let classes = Target::Classes(["low", "mid", "high"].map(String::from).to_vec());
    Schema::new("growth".into(), features, classes, None).unwrap()
}

/// Records `range` of an endless table; one feature reveals the class.
fn records(range: std::ops::Range<usize>) -> v1::dataset_work::Records {
    let target = |i: usize| (i * 7) % 3;
    let feature =
        |i: usize, j: usize| ((i * 31 + i / 140 * 17 + j * 57) % 140) as u8 + if j == target(i) { 110 } else { 0 };
    let row = |i: usize| (0..5).map(move |j| feature(i, j)).chain((target(i) as u16).to_be_bytes());
    v1::dataset_work::Records::Quantised(v1::QuantisedRecords { upload: file(range.flat_map(row).collect()) })
}

fn extension(of: &v1::Dataset, records: v1::dataset_work::Records) -> v1::DatasetWork {
    v1::DatasetWork { extends: of.id.clone(), records: Some(records), ..v1::DatasetWork::default() }
}

async fn extended(client: &Client, of: &v1::Dataset, records: v1::dataset_work::Records) -> v1::Dataset {
    registered(client, extension(of, records)).await
}

async fn get(client: &Client, id: &[u8]) -> v1::Dataset {
    client.datasets().get_dataset(v1::GetDatasetRequest { id: id.to_vec() }).await.unwrap().into_inner()
}

fn terms(of: &v1::Dataset) -> v1::TrainingTerms {
    calls::terms(&[of], v1::Link::Squared, LAMBDA)
}

/// Trains on a dataset and returns the agent with its certificate, which holds.
async fn certified(client: &Client, of: &v1::Dataset) -> (v1::Agent, Vec<u8>) {
    let agent = trained(client, terms(of)).await.unwrap();
    gradients(client, &agent.weights_digest).await;
    optimum(client, &agent.weights_digest).await.unwrap();
    let file = certificate(client, &agent.weights_digest).await.unwrap();
    let report = verify_json(file.clone(), &Options { allow_dev_srs: true, srs: None }).unwrap();
    let stated = &report.certificate().datasets[0];
    assert_eq!((stated.dataset_id.to_vec(), stated.records), (of.id.clone(), of.records));
    (agent, file)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dataset_grows_and_its_earlier_version_stays() {
    let place = Place::new();
    let served = serve(&place, &[]);
    let owner = connect(&served.url).await;
    let full = capacity();
    let first = registered(&owner, dataset(&schema(), records(0..full + 40))).await;
    assert_eq!((&first.root, first.previous.len(), first.shards.len()), (&first.id, 0, 2));
    let (early, file) = certified(&owner, &first).await;

    let second = extended(&owner, &first, records(full + 40..full + 130)).await;
    assert_eq!((second.records, second.shards.len()), ((full + 130) as u64, 3));
    assert_eq!((&second.root, &second.previous), (&first.id, &first.id));
    assert_eq!(second.shards[..2], first.shards, "old shards are not proven again");
    assert_eq!((&second.terms, &second.schema_id), (&first.terms, &first.schema_id));
    // several new shards are proven by as many jobs
    let third = extended(&owner, &second, records(full + 130..3 * full + 140)).await;
    assert_eq!((third.shards.len(), &third.root, &third.previous), (6, &first.id, &second.id));

    for version in [&first, &second, &third] {
        let shown = get(&owner, &version.id).await;
        assert_eq!((&shown.shards, shown.records), (&version.shards, version.records));
        let versions: Vec<_> = shown.versions.iter().map(|v| (&v.id, v.records, v.shards)).collect();
        assert_eq!(versions, [&first, &second, &third].map(|v| (&v.id, v.records, v.shards.len() as u32)));
    }

    // what was trained on the first version is what it was, and goes on
    assert_eq!(certificate(&owner, &early.weights_digest).await.unwrap(), file);
    let again = trained(&owner, v1::TrainingTerms { lambda: LAMBDA + 1, ..terms(&first) }).await.unwrap();
    assert_eq!(again.records, first.records);
    let (late, _) = certified(&owner, &third).await;
    assert_eq!(late.records, third.records);
    assert_ne!(late.weights_digest, early.weights_digest);

    // every record of every version is shown under that version
    for (version, record) in [(&first, 3u64), (&third, 3), (&third, third.records - 1)] {
        let request = v1::ShowRecordRequest { dataset_id: version.id.clone(), record, context: Vec::new() };
        let shown = owner.datasets().show_record(request).await.unwrap().into_inner().record_json;
        let shown = tribute_steps::membership::ShownRecord::from_json(&shown).unwrap();
        let options = tribute_steps::membership::Options {
            allow_dev_srs: true,
            dataset: Some(tribute_problem::field("id", &version.id).unwrap()),
            ..Default::default()
        };
        shown.check(&options).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_added_is_refused_before_anything_is_proven() {
    let place = Place::new();
    let served = serve(&place, &[]);
    let (owner, guest) = (connect(&served.url).await, connect(&served.url).await);
    let full = capacity();
    let first = registered(&owner, dataset(&schema(), records(0..full + 40))).await;
    let refused = async |client: &Client, work: v1::DatasetWork| submit_dataset(client, work).await.unwrap_err();

    // the whole table again, one of its shards again, the same shard twice
    let whole = refused(&owner, extension(&first, records(0..full + 60))).await;
    assert_eq!(whole.reason, Reason::BadRecord);
    let rows = format!("--rows {}..{}", full + 40, full + 60);
    assert!(whole.message.contains("already has") && whole.message.contains(&rows), "{whole}");
    let shard = refused(&owner, extension(&first, records(full..full + 40))).await;
    assert!(shard.reason == Reason::BadRecord && shard.message.contains("those of shard 1"), "{shard}");
    let v1::dataset_work::Records::Quantised(q) = records(5 * full..6 * full) else { unreachable!() };
    let rows = tribute_testing::data::remembered(&q.upload).unwrap();
    let twice = v1::dataset_work::Records::Quantised(v1::QuantisedRecords { upload: file(rows.repeat(2)) });
    let twice = refused(&owner, extension(&first, twice)).await;
    assert!(twice.message.contains("same shard twice, 2 and 3"), "{twice}");

    // schema, terms, profile and chain are the dataset's; nobody else extends it; there is such a dataset
    let more = || records(full + 40..full + 90);
    let schema_json = schema().canonical().into_bytes();
    let given = refused(&owner, v1::DatasetWork { schema_json, ..extension(&first, more()) }).await;
    assert!(given.reason == Reason::BadField && given.message.contains("schema_json"), "{given}");
    let given = v1::DatasetWork { terms: Some(v1::Terms::default()), ..extension(&first, more()) };
    assert!(refused(&owner, given).await.message.contains("terms"));
    assert_eq!(refused(&guest, extension(&first, more())).await.reason, Reason::NotFound);
    let unknown = v1::Dataset { id: vec![7; 32], ..first.clone() };
    assert_eq!(refused(&owner, extension(&unknown, more())).await.reason, Reason::NotFound);
    // records that the schema does not allow, as when registering
    let bad = v1::dataset_work::Records::Quantised(v1::QuantisedRecords { upload: file(vec![0, 0, 0, 0, 0, 0, 9]) });
    assert_eq!(refused(&owner, extension(&first, bad)).await.reason, Reason::BadRecord);
    assert_eq!(get(&owner, &first.id).await.versions.len(), 1);

    // a version is extended once; asking again for the same finds its job
    let second = extended(&owner, &first, more()).await;
    assert_eq!(extended(&owner, &first, more()).await.id, second.id);
    let other = refused(&owner, extension(&first, records(full + 90..full + 100))).await;
    assert!(other.message.contains("already extended by") && other.message.contains("forget"), "{other}");

    // a grant through the server is for one version
    grant(&owner, &first.id, &guest).await.unwrap();
    assert_eq!(trained(&guest, terms(&second)).await.unwrap_err().reason, Reason::NoGrant);
    let guests = trained(&guest, terms(&first)).await.unwrap();
    // and one account's uses of several versions open their common shards together
    grant(&owner, &second.id, &guest).await.unwrap();
    for agent in [guests, trained(&guest, terms(&second)).await.unwrap()] {
        gradients(&guest, &agent.weights_digest).await;
    }

    // forgotten, it may be extended otherwise; what the first version has stays
    let forget = v1::ForgetDatasetRequest { id: second.id.clone() };
    let told = owner.datasets().forget_dataset(forget).await.map_err(problem).unwrap().into_inner();
    assert_eq!(told.kept_for, std::slice::from_ref(&first.id));
    let again = extended(&owner, &first, records(full + 90..full + 100)).await;
    assert_eq!((again.previous, again.records), (first.id.clone(), (full + 50) as u64));
    trained(&owner, terms(&first)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_between_import_and_proof_loses_nothing() {
    let place = Place::new();
    let served = serve(&place, &[]);
    let key = alloy::signers::local::PrivateKeySigner::random();
    let owner = Client::connect(&served.url, key.clone()).await.unwrap();
    let first = registered(&owner, dataset(&schema(), records(0..60))).await;
    drop(served);

    // imported by a server that proves nothing, and is killed
    let mut served = serve(&place, &["--workers", "0"]);
    let owner = Client::connect(&served.url, key.clone()).await.unwrap();
    let job = submit_dataset(&owner, extension(&first, records(60..60 + 2 * capacity()))).await.unwrap();
    assert_eq!(job.state(), v1::JobState::Queued);
    served.process.kill().unwrap();
    served.process.wait().unwrap();

    let served = serve(&place, &[]);
    let owner = Client::connect(&served.url, key).await.unwrap();
    let second = dataset_of(&owner, &job).await;
    assert_eq!((second.previous, second.shards.len()), (first.id.clone(), 3));
    assert_eq!(second.shards[0], first.shards[0]);
    assert_eq!(get(&owner, &first.id).await.versions.len(), 2);
}
