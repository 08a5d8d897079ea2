//! Datasets, grants, training and proofs over gRPC, with real proofs at a small size.

use alloy::signers::local::PrivateKeySigner;
use tribute_client::{problem, Client};
use tribute_problem::Reason;
use tribute_proto::v1;
use tribute_records::{Options, Predicts, Source};
use tribute_testing::calls::{
    certificate, connect, grant, imported, proof_of, registered, submit_dataset, terms, trained, until,
};
use tribute_testing::data::{self, csv, infer, wine_schema, wines, WINE};
use tribute_testing::process::{kill_hard, working_children};
use tribute_testing::{wait_for, Place};

/// The smallest profile that the softmax tables fit.
const SMALL: &[&str] = &["--k", "14", "--lease-ms", "1500", "--prove-for", REGISTRIES];
/// Registries on a chain that is not read.
const REGISTRIES: &str = "5:0x0202020202020202020202020202020202020202:0x0101010101010101010101010101010101010101";

fn dataset(table: Vec<u8>) -> v1::DatasetWork {
    data::dataset(&wine_schema(), csv("wine.csv", table))
}

fn softmax(datasets: &[&v1::Dataset], lambda: u64) -> v1::TrainingTerms {
    terms(datasets, v1::Link::Softmax, lambda)
}

/// λ = 2^-7, large because there are few records.
const LAMBDA: u64 = 1 << 37;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_records_to_a_proven_optimum() {
    let place = Place::new();
    let served = place.serve(SMALL);
    let (alice, bob, owner) = (connect(&served.url).await, connect(&served.url).await, connect(&served.url).await);

    // two providers
    let a = registered(&alice, dataset(wines(0..90))).await;
    let b = registered(&bob, dataset(wines(90..150))).await;
    assert_eq!((a.records, b.records, a.shards.len()), (90, 60, 1));
    let proof = a.shards[0].proof.clone().unwrap();
    assert_eq!(proof.inputs[1], [[0u8; 31].as_slice(), &[90]].concat());
    assert_eq!(proof.groups[0], a.shards[0].digest);
    assert!(proof.stats.unwrap().gas_verify > 100_000);

    // the same records and owner give the same dataset
    assert_eq!(registered(&alice, dataset(wines(0..90))).await.id, a.id);

    // readable by the owner alone
    let get = v1::GetDatasetRequest { id: a.id.clone() };
    alice.datasets().get_dataset(get.clone()).await.unwrap();
    let refused = bob.datasets().get_dataset(get).await.unwrap_err();
    assert_eq!(problem(refused).reason, Reason::NotFound);

    // training needs a grant, which is for one account and has a number of uses
    let wanted = softmax(&[&a, &b], LAMBDA);
    assert_eq!(trained(&owner, wanted.clone()).await.unwrap_err().reason, Reason::NoGrant);
    for (provider, d) in [(&alice, &a), (&bob, &b)] {
        assert_eq!(grant(&owner, &d.id, &owner).await.unwrap_err().reason, Reason::NotFound);
        grant(provider, &d.id, &owner).await.unwrap();
    }
    let nobody =
        v1::GrantTrainingRequest { dataset_id: a.id.clone(), grantee: vec![0; 20], uses: 1, expiry: 4_000_000_000 };
    assert_eq!(problem(alice.datasets().grant_training(nobody).await.unwrap_err()).reason, Reason::BadField);
    let agent = trained(&owner, wanted.clone()).await.unwrap();
    assert!(agent.relative_distance <= 1e-3 && agent.training_accuracy > 0.95);
    assert!((agent.shares.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{:?}", agent.shares);
    // equal work uses no second grant, other work does
    assert_eq!(trained(&owner, wanted).await.unwrap().weights_digest, agent.weights_digest);
    assert_eq!(trained(&owner, softmax(&[&a, &b], LAMBDA + 1)).await.unwrap_err().reason, Reason::NoGrant);

    // the model is its owner's alone
    let get = v1::GetAgentRequest { weights_digest: agent.weights_digest.clone() };
    let refused = alice.agents().get_agent(get.clone()).await.unwrap_err();
    assert_eq!(problem(refused).reason, Reason::NotFound);
    let model = owner.agents().get_agent(get).await.unwrap().into_inner().onnx;
    let model = tribute_inference::Agent::from_bytes(&model).unwrap();
    assert_eq!(model.certificate, hex::encode(&agent.weights_digest));

    // the optimum needs the gradients first
    let optimum = v1::ProveOptimumRequest {
        work: Some(v1::OptimumWork {
            weights_digest: agent.weights_digest.clone(),
            context: None,
            agent_id: vec![7; 32],
            version: 1,
        }),
        options: None,
    };
    let refused = owner.agents().prove_optimum(optimum.clone()).await.unwrap_err();
    assert_eq!(problem(refused).reason, Reason::NotReady);

    let gradients = v1::ProveGradientsRequest { weights_digest: agent.weights_digest.clone(), ..Default::default() };
    let jobs = owner.agents().prove_gradients(gradients.clone()).await.unwrap().into_inner().jobs;
    assert_eq!(jobs.len(), 2);
    // kill -9 during a proof: the proof is made all the same
    until(&owner, &jobs[0].id, |j| j.progress.as_ref().is_some_and(|p| p.phase == "prove")).await;
    kill_hard(wait_for("the proving process", || working_children(served.process.id()).pop()));
    for (slot, job) in jobs.iter().enumerate() {
        let done = owner.finish(&job.id, |_| {}).await.unwrap();
        assert_eq!((done.starts, done.attempts), (if slot == 0 { 2 } else { 1 }, 0));
        let v1::outcome::Outcome::Proof(proof) = done.outcome.unwrap().outcome.unwrap() else { panic!("no proof") };
        assert_eq!(proof.groups[0], [&a, &b][slot].shards[0].digest);
        assert_eq!(proof.groups[1], agent.weights_digest);
    }

    let job = owner.agents().prove_optimum(optimum.clone()).await.unwrap().into_inner().job.unwrap();
    let proof = proof_of(&owner, &job).await.unwrap();
    assert_eq!(proof.groups[0], agent.weights_digest);
    assert_eq!(proof.inputs[1][30..], 150u16.to_be_bytes());

    // gradients for a chain replace those made off chain, so that the optimum no longer matches
    let certificate = || certificate(&owner, &agent.weights_digest);
    let first = certificate().await.unwrap();
    let context = Some(v1::ChainContext { chain_id: 5, contract: vec![1; 20] });
    let elsewhere = v1::ProveGradientsRequest { context, ..gradients.clone() };
    let other = owner.agents().prove_gradients(elsewhere).await.unwrap().into_inner().jobs;
    for job in &other {
        owner.finish(&job.id, |_| {}).await.unwrap();
    }
    assert_eq!(certificate().await.unwrap_err().reason, Reason::NotReady);
    let refused = owner.agents().prove_optimum(optimum).await.unwrap_err();
    assert_eq!(problem(refused).metadata["proven"], "0");
    // asked for again they are found, and back in their places
    let again = owner.agents().prove_gradients(gradients).await.unwrap().into_inner().jobs;
    assert_eq!(again.iter().map(|j| &j.id).collect::<Vec<_>>(), jobs.iter().map(|j| &j.id).collect::<Vec<_>>());
    assert_eq!(certificate().await.unwrap(), first);

    // lists are shallow: jobs come without their outcomes
    std::fs::remove_dir_all(place.data().join("artefacts")).unwrap();
    let list = v1::ListJobsRequest::default();
    let listed = owner.jobs().list_jobs(list).await.unwrap().into_inner().jobs;
    assert!(listed.len() >= 6 && listed.iter().all(|job| job.outcome.is_none()), "{listed:?}");
    let list = v1::ListDatasetsRequest::default();
    let listed = alice.datasets().list_datasets(list).await.unwrap().into_inner().datasets;
    assert_eq!((listed.len(), &listed[0].shards[0].digest), (1, &a.shards[0].digest));
    let list = v1::ListAgentsRequest::default();
    let listed = owner.agents().list_agents(list).await.unwrap().into_inner().agents;
    assert_eq!((listed.len(), listed[0].gradients_proven, listed[0].optimum_proven), (1, 2, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_records_are_named_and_leave_nothing() {
    let place = Place::new();
    let served = place.serve(&["--k", "14", "--workers", "0"]);
    let client = connect(&served.url).await;
    let with = |from: &str, to: &str| String::from_utf8(wines(0..5)).unwrap().replacen(from, to, 1).into_bytes();
    let line = |i: usize| WINE.lines().nth(i).unwrap();

    let missing = line(2).replacen(line(2).split(',').nth(1).unwrap(), "", 1);
    for (csv, row, column) in [
        (with(line(2), &missing), Some("3"), Some("2")),
        (with(line(3), &line(3).replacen(',', "x,", 1)), Some("4"), Some("1")),
        (with(line(1), &format!("{},9", line(1))), Some("2"), None),
        (with(line(1), &format!("{}9", line(1))), Some("2"), Some("14")),
        (Vec::new(), None, None),
    ] {
        let refused = submit_dataset(&client, dataset(csv)).await.unwrap_err();
        assert_eq!(refused.reason, Reason::BadRecord, "{refused}");
        assert_eq!(refused.metadata.get("row").map(String::as_str), row, "{refused}");
        assert_eq!(refused.metadata.get("column").map(String::as_str), column, "{refused}");
        assert_eq!(refused.metadata.get("file").map(String::as_str), Some("wine.csv"));
    }
    let mut schema = dataset(wines(0..5));
    schema.schema_json = b"{}".to_vec();
    assert_eq!(submit_dataset(&client, schema).await.unwrap_err().reason, Reason::BadSchema);
    let mut profile = dataset(wines(0..5));
    profile.profile = Some(v1::Profile { k: 40, columns: 8, intercept_scale: 0 });
    assert_eq!(submit_dataset(&client, profile).await.unwrap_err().reason, Reason::BadProfile);

    let list = v1::ListJobsRequest::default();
    assert!(client.jobs().list_jobs(list).await.unwrap().into_inner().jobs.is_empty());
    let unknown = v1::Dataset { id: vec![9; 32], ..Default::default() };
    assert_eq!(trained(&client, softmax(&[&unknown], LAMBDA)).await.unwrap_err().reason, Reason::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_is_not_the_optimum_is_refused_with_the_gradient() {
    let place = Place::new();
    let served = place.serve(SMALL);
    let key = PrivateKeySigner::random();
    let client = Client::connect(&served.url, key).await.unwrap();
    let d = registered(&client, dataset(wines(0..100))).await;
    let agent = trained(&client, softmax(&[&d], LAMBDA)).await.unwrap();
    let get = v1::GetAgentRequest { weights_digest: agent.weights_digest.clone() };
    let onnx = client.agents().get_agent(get).await.unwrap().into_inner().onnx;

    // importing the optimum itself succeeds
    let brought = imported(&client, softmax(&[&d], LAMBDA), onnx.clone(), true, None).await.unwrap();
    assert_eq!(brought.weights_digest, agent.weights_digest);
    // another λ has another optimum
    let refused = imported(&client, softmax(&[&d], 2 * LAMBDA), onnx.clone(), true, None).await.unwrap_err();
    assert_eq!(refused.reason, Reason::NotTheOptimum);
    for operand in ["gradient", "allowed", "feature", "class", "entry", "best_lambda", "diagnosis"] {
        assert!(refused.metadata.contains_key(operand), "{operand}: {:?}", refused.metadata);
    }
    let refused =
        imported(&client, softmax(&[&d], LAMBDA), onnx[..onnx.len() - 1].to_vec(), true, None).await.unwrap_err();
    assert_eq!(refused.reason, Reason::BadModel);

    // datasets of different schemas cannot share an agent
    let mut other = dataset(wines(100..150));
    other.profile = Some(v1::Profile { k: 13, columns: 8, intercept_scale: 0 });
    let other = registered(&client, other).await;
    assert_eq!(trained(&client, softmax(&[&d, &other], LAMBDA)).await.unwrap_err().reason, Reason::SchemaMismatch);
}

/// The first 1,597 digits, to which scikit-learn fitted the fixture's model.
fn digits() -> v1::DatasetWork {
    let packed = include_bytes!("../../../../examples/digits.csv.gz");
    let schema = infer("digits.csv.gz", Predicts::Classes, packed);
    let source = Source::from_bytes("digits.csv.gz", packed.to_vec(), &Options::default()).unwrap();
    let rows = source.text().lines().take(1_597).collect::<Vec<_>>().join("\n");
    data::dataset(&schema, csv("digits.csv.gz", rows.into_bytes()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_of_scikit_learn_is_taken_where_it_is_the_optimum() {
    let place = Place::new();
    let served = place.serve(&["--k", "15"]);
    let client = connect(&served.url).await;
    let d = registered(&client, digits()).await;
    let model = include_bytes!("../../../../inference/tests/fixtures/optimum_digits.onnx").to_vec();
    let wanted = softmax(&[&d], 17_592_186_044); // λ = 1e-3
    let agent = imported(&client, wanted.clone(), model.clone(), true, None).await.unwrap();
    assert!(agent.relative_distance <= 1e-3 && agent.training_accuracy > 0.95, "{agent:?}");
    let get = v1::GetAgentRequest { weights_digest: agent.weights_digest.clone() };
    let onnx = client.agents().get_agent(get).await.unwrap().into_inner().onnx;
    assert!(tribute_inference::Agent::from_bytes(&onnx).is_ok(), "what is kept is a canonical agent");

    let refused =
        imported(&client, v1::TrainingTerms { lambda: 1 << 36, ..wanted.clone() }, model.clone(), true, None).await;
    assert_eq!(refused.unwrap_err().reason, Reason::NotTheOptimum);
    // a model with its own link function must match the requested link
    let logistic = v1::TrainingTerms { link: v1::Link::Logistic.into(), ..wanted.clone() };
    let refused = imported(&client, logistic, model, true, None).await.unwrap_err();
    assert_eq!((refused.reason, refused.metadata["got"].as_str()), (Reason::BadModel, "softmax"), "{refused}");
    // the same in single precision gets a different error than a wrong model, and is polished only on request
    let single = include_bytes!("../../../../inference/tests/fixtures/optimum_digits_single.onnx").to_vec();
    let refused = imported(&client, wanted.clone(), single.clone(), true, None).await.unwrap_err();
    assert_eq!(refused.reason, Reason::NotTheOptimum);
    assert!(refused.message.contains("single precision") && refused.message.contains("--polish"), "{refused}");
    let beyond = imported(&client, wanted.clone(), single.clone(), true, Some(1e-9)).await.unwrap_err();
    assert_eq!(beyond.reason, Reason::NotTheOptimum);
    assert!(beyond.message.contains("would move the weights by"), "{beyond}");
    for nonsense in [0.0, -0.1, 1.1, f64::NAN] {
        let refused = imported(&client, wanted.clone(), single.clone(), true, Some(nonsense)).await.unwrap_err();
        assert_eq!((refused.reason, refused.metadata["field"].as_str()), (Reason::BadField, "polish"), "{refused}");
    }
    assert_eq!(agent.polish, None);
    let polished = imported(&client, wanted.clone(), single, true, Some(0.01)).await.unwrap();
    let told = polished.polish.unwrap();
    assert!(told.moved > 1e-9 && told.moved < 1e-5 && polished.relative_distance <= 1e-6, "{told:?}");
    assert_eq!((told.answers_changed, told.training_accuracy_before), (0, polished.training_accuracy));
    // a model that is not a single layer is refused
    let hidden = include_bytes!("../../../../inference/tests/fixtures/torch_hidden.onnx").to_vec();
    let refused = imported(&client, wanted, hidden, true, None).await.unwrap_err();
    assert_eq!(refused.reason, Reason::BadModel);
}
