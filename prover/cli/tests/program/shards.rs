//! Datasets of many shards, regressions and evaluations, from records to a file that `tribute verify` accepts, at a small
//! size.

use tribute::offline::{verify_json, Options};
use tribute_client::{problem, Client};
use tribute_core::certificate::FORMAT;
use tribute_core::layout::{Layout, Task};
use tribute_core::schema::{Feature, Schema, Target};
use tribute_problem::{Problem, Reason};
use tribute_proto::v1;
use tribute_records::Predicts;
use tribute_testing::calls::{
    self, certificate, connect, dataset_of, gradients, grant, optimum, registered, submit_dataset, trained,
};
use tribute_testing::data::{csv, file, infer, remembered};
use tribute_testing::{Place, Served};
use tribute_verify::Report;

const K: u32 = 10;
const COLUMNS: usize = 8;
/// λ = 2^-5.
const LAMBDA: u64 = 1 << 39;

/// Registries on a chain that is not read.
const REGISTRIES: &str = "31337:0x0202020202020202020202020202020202020202:0x0101010101010101010101010101010101010101";

fn serve(place: &Place) -> Served {
    place.serve(&["--k", "10", "--columns", "8", "--prove-for", REGISTRIES])
}

fn capacity() -> usize {
    Layout::new(K, COLUMNS, 5, 3, Task::Classes).unwrap().capacity()
}

fn schema() -> Schema {
    let features = (0..5).map(|i| Feature { name: format!("f{i}"), lo: 0.0, hi: 1.0 }).collect();
    let classes = Target::Classes(["low", "mid", "high"].map(String::from).to_vec());
    Schema::new("shards".into(), features, classes, None).unwrap()
}

/// Records with one feature that reveals the class.
fn records(n: usize, seed: usize) -> v1::dataset_work::Records {
    let target = |i: usize| (i * 7 + seed) % 3;
    let feature =
        |i: usize, j: usize| ((i * 31 + j * 57 + seed * 13) % 140) as u8 + if j == target(i) { 110 } else { 0 };
    let row = |i: usize| (0..5).map(move |j| feature(i, j)).chain((target(i) as u16).to_be_bytes());
    let rows = (0..n).flat_map(row).collect();
    v1::dataset_work::Records::Quantised(v1::QuantisedRecords { upload: file(rows) })
}

/// A request to register records with open training.
fn dataset(schema: &Schema, records: v1::dataset_work::Records) -> v1::DatasetWork {
    let terms = Some(v1::Terms { min_data_bps: 5000, open_training: true, ..Default::default() });
    v1::DatasetWork { terms, ..tribute_testing::data::dataset(schema, records) }
}

fn terms(datasets: &[&v1::Dataset], link: v1::Link) -> v1::TrainingTerms {
    calls::terms(datasets, link, LAMBDA)
}

/// Proves gradients and optimum, and verifies the certificate offline.
async fn certified(client: &Client, agent: &v1::Agent) -> Report {
    gradients(client, &agent.weights_digest).await;
    optimum(client, &agent.weights_digest).await.unwrap();
    let file = certificate(client, &agent.weights_digest).await.unwrap();
    verify_json(file, &Options { allow_dev_srs: true, srs: None }).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datasets_of_many_shards_are_certified() {
    let place = Place::new();
    let served = serve(&place);
    let client = connect(&served.url).await;
    let (schema, full) = (schema(), capacity());

    let two = registered(&client, dataset(&schema, records(full + 40, 1))).await;
    let one = registered(&client, dataset(&schema, records(90, 2))).await;
    let nine = registered(&client, dataset(&schema, records(8 * full + 1, 3))).await;
    assert_eq!([&two, &one, &nine].map(|d| d.shards.len()), [2, 1, 9]);
    assert_eq!(two.shards.iter().map(|s| s.records).collect::<Vec<_>>(), [full as u64, 40]);
    let agent = trained(&client, terms(&[&two, &nine, &one], v1::Link::Squared)).await.unwrap();
    let report = certified(&client, &agent).await;
    let c = report.certificate();
    assert_eq!((c.format.as_str(), report.proofs()), (FORMAT, 1 + 2 * 12));
    assert_eq!(c.optimum.records, (9 * full + 40 + 1 + 90) as u64);
    assert_same_shares(&report, &agent);
    assert!(report.relative_distance() <= 1e-3);
}

fn assert_same_shares(report: &Report, agent: &v1::Agent) {
    let shares: Vec<f64> = report.certificate().datasets.iter().map(|d| f64::from(d.share) / 1_048_576.0).collect();
    assert_eq!(shares.len(), agent.shares.len());
    for (certified, trained) in shares.iter().zip(&agent.shares) {
        assert!((certified - trained).abs() < 2e-6, "{shares:?} {:?}", agent.shares);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twelve_datasets_are_proven_for_a_chain() {
    let place = Place::new();
    let served = serve(&place);
    let client = connect(&served.url).await;
    let schema = schema();
    let at = |contract: u8| Some(v1::ChainContext { chain_id: 31_337, contract: vec![contract; 20] });
    let mut datasets = Vec::new();
    for i in 0..12 {
        let work = v1::DatasetWork { context: at(2), ..dataset(&schema, records(40 + i, 10 + i)) };
        datasets.push(registered(&client, work).await);
    }
    let listed: Vec<&v1::Dataset> = datasets.iter().collect();
    let agent = trained(&client, terms(&listed, v1::Link::Squared)).await.unwrap();
    let weights_digest = agent.weights_digest.clone();
    let request =
        v1::ProveGradientsRequest { weights_digest: weights_digest.clone(), context: at(1), ..Default::default() };
    let jobs = client.agents().prove_gradients(request).await.unwrap().into_inner().jobs;
    assert_eq!(jobs.len(), 12);
    for job in &jobs {
        calls::proof_of(&client, job).await.unwrap();
    }
    let work = v1::OptimumWork { weights_digest, context: at(1), agent_id: vec![7; 32], version: 3 };
    let request = v1::ProveOptimumRequest { work: Some(work), options: None };
    let job = client.agents().prove_optimum(request).await.unwrap().into_inner().job.unwrap();
    let proof = calls::proof_of(&client, &job).await.unwrap();
    assert_eq!(proof.inputs.len(), 5);

    let file = certificate(&client, &agent.weights_digest).await.unwrap();
    let report = verify_json(file, &Options { allow_dev_srs: true, srs: None }).unwrap();
    let c = report.certificate();
    assert_eq!((c.chain.chain_id, c.chain.dataset_registry.0, c.chain.agent_registry.0), (31_337, [2; 20], [1; 20]));
    assert_eq!((c.datasets.len(), c.agent.version, report.proofs()), (12, 3, 25));
    assert_same_shares(&report, &agent);
}

/// y = 20 + 3a − 2b plus a small nonlinear term.
fn line() -> String {
    let mut csv = "a,b,y\n".to_owned();
    for i in 0..260 {
        let (a, b) = (f64::from(i * 37 % 101) / 10.0, f64::from(i * 53 % 89) / 10.0);
        csv += &format!("{a},{b},{:.4}\n", 20.0 + 3.0 * a - 2.0 * b + 0.01 * a * b);
    }
    csv
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_regression_is_certified_and_not_served() {
    let place = Place::new();
    let served = serve(&place);
    let client = connect(&served.url).await;
    let text = line();
    let schema = infer("line.csv", Predicts::Real, text.as_bytes());
    let csv = |data: &str| csv("line.csv", data.into());
    let refused = submit_dataset(&client, dataset(&schema, csv("a,b,y\n1,2,three\n"))).await.unwrap_err();
    assert_eq!((refused.reason, refused.metadata["column"].as_str()), (Reason::BadRecord, "3"));

    let dataset = registered(&client, dataset(&schema, csv(&text))).await;
    assert_eq!(dataset.records, 260);
    for link in [v1::Link::Softmax, v1::Link::Logistic] {
        let refused = trained(&client, terms(&[&dataset], link)).await.unwrap_err();
        assert_eq!(refused.reason, Reason::BadField);
        assert!(refused.to_string().contains("use squared"), "{refused}");
    }
    let agent = trained(&client, terms(&[&dataset], v1::Link::Squared)).await.unwrap();
    let report = certified(&client, &agent).await;
    assert_eq!(report.certificate().layout.task(), Task::Real);
    assert!(report.relative_distance() <= 1e-3);
    assert!(report.to_string().contains("squared loss over 260 records"));

    // a regression has only the circuits of its certificate
    let list = v1::ListCircuitsRequest {
        schema_json: schema.canonical().into_bytes(),
        profile: None,
        link: v1::Link::Squared.into(),
        evaluation: true,
    };
    let circuits = client.circuits().list_circuits(list).await.unwrap().into_inner();
    assert_eq!((circuits.ready.len(), circuits.missing.len()), (3, 0));
    // and no circuit that proves answers
    let mut shape = circuits.ready[0].shape.unwrap();
    shape.statement = v1::Statement::Service.into();
    let work = v1::CircuitWork { shape: Some(shape) };
    let job = calls::submit(&client, v1::Work { work: Some(v1::work::Work::Circuit(work)) }).await;
    let refused = client.finish(&job.id, |_| {}).await.unwrap_err();
    assert!(refused.to_string().contains("a regression gives none"), "{refused}");
}

async fn evaluate(client: &Client, weights: &[u8], dataset: &[u8]) -> Result<v1::EvaluationOutcome, Problem> {
    let work = v1::EvaluationWork { weights_digest: weights.to_vec(), dataset_id: dataset.to_vec() };
    let request = v1::EvaluateAgentRequest { work: Some(work), options: None };
    let job = client.agents().evaluate_agent(request).await.map_err(problem)?.into_inner().job.unwrap();
    match client.finish(&job.id, |_| {}).await?.outcome.unwrap().outcome.unwrap() {
        v1::outcome::Outcome::Evaluation(e) => Ok(e),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accuracy_on_a_dataset_it_was_not_trained_on() {
    let place = Place::new();
    let served = serve(&place);
    let (owner, provider) = (connect(&served.url).await, connect(&served.url).await);
    let (schema, full) = (schema(), capacity());
    let trained_on = registered(&owner, dataset(&schema, records(90, 1))).await;
    let agent = trained(&owner, terms(&[&trained_on], v1::Link::Squared)).await.unwrap();
    // a dataset of two shards with another owner, not granted to anybody
    let work = tribute_testing::data::dataset(&schema, records(full + 30, 2));
    let held_out = registered(&provider, work).await;

    // an agent has an accuracy when it has a certificate
    let own = registered(&owner, dataset(&schema, records(60, 7))).await;
    let refused = evaluate(&owner, &agent.weights_digest, &own.id).await.unwrap_err();
    assert_eq!(refused.reason, Reason::NotReady, "{refused}");
    let refused = evaluate(&owner, &agent.weights_digest, &held_out.id).await.unwrap_err();
    assert_eq!(refused.reason, Reason::NoGrant, "whatever else is missing: {refused}");
    certified(&owner, &agent).await;
    let refused = evaluate(&owner, &agent.weights_digest, &held_out.id).await.unwrap_err();
    assert_eq!(refused.reason, Reason::NoGrant, "{refused}");
    let refused = evaluate(&provider, &agent.weights_digest, &held_out.id).await.unwrap_err();
    assert_eq!(refused.reason, Reason::NotFound, "somebody else's agent: {refused}");
    let refused = evaluate(&owner, &agent.weights_digest, &[9; 32]).await.unwrap_err();
    assert_eq!(refused.reason, Reason::NotFound, "{refused}");
    let refused = evaluate(&owner, &agent.weights_digest, &trained_on.id).await.unwrap_err();
    assert!(refused.to_string().contains("was trained on it"), "{refused}");

    grant(&provider, &held_out.id, &owner).await.unwrap();
    let outcome = evaluate(&owner, &agent.weights_digest, &held_out.id).await.unwrap();
    let report = verify_json(&outcome.evaluation_json, &Options { allow_dev_srs: true, srs: None }).unwrap();
    let e = report.evaluation().unwrap();
    assert_eq!((e.dataset.records, e.dataset.shards.len()), (full as u64 + 30, 2));
    assert_eq!((outcome.records, outcome.correct), (e.dataset.records, e.dataset.correct));
    assert_eq!(e.dataset.dataset_id.to_vec(), held_out.id);

    // what the agent's integers answer
    let file = v1::GetAgentRequest { weights_digest: agent.weights_digest.clone() };
    let onnx = owner.agents().get_agent(file).await.unwrap().into_inner().onnx;
    let model = tribute_inference::Agent::from_bytes(&onnx).unwrap();
    let v1::dataset_work::Records::Quantised(q) = records(full + 30, 2) else { unreachable!() };
    let rows = remembered(&q.upload).unwrap();
    let right = rows.chunks(7).filter(|row| {
        let (features, target) = row.split_at(5);
        tribute_core::head::answer(&model.weights.logits(features)).to_be_bytes() == target
    });
    assert_eq!(outcome.correct, right.count() as u64);
    assert!(e.accuracy() > 0.8, "{}", e.accuracy());

    // the same request finds the same job; other work needs another grant
    assert_eq!(evaluate(&owner, &agent.weights_digest, &held_out.id).await.unwrap().correct, outcome.correct);
    let refused = trained(&owner, terms(&[&held_out], v1::Link::Squared)).await.unwrap_err();
    assert_eq!(refused.reason, Reason::NoGrant, "{refused}");

    // proven for a chain that the certificate is not for
    let elsewhere = v1::ChainContext { chain_id: 31_337, contract: vec![2; 20] };
    let work = v1::DatasetWork { context: Some(elsewhere), ..dataset(&schema, records(40, 5)) };
    let job = submit_dataset(&owner, work).await.unwrap();
    let elsewhere = dataset_of(&owner, &job).await;
    let refused = evaluate(&owner, &agent.weights_digest, &elsewhere.id).await.unwrap_err();
    assert_eq!(refused.reason, Reason::NotReady);
    assert!(refused.to_string().contains("proven for chain 31337"), "{refused}");
}
