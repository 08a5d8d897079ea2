//! What whoever may train on another's dataset can do to it: no more than its uses allow, and no more than is answered.

use prost::Message as _;
use tribute_client::{problem, Client};
use tribute_core::numbers::{largest_norm, link_error_units, smallest_lambda};
use tribute_inference::onnx::{
    DataType, Dimension, DimensionValue, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TensorType, TypeProto, TypeValue, ValueInfoProto,
};
use tribute_problem::Reason;
use tribute_proto::v1;
use tribute_testing::calls::{connect, dataset_of, grant, imported, registered, submit_dataset, terms, trained, until};
use tribute_testing::data::{csv, dataset, wine_schema, wines};
use tribute_testing::Place;

/// λ = 2^-7.
const LAMBDA: u64 = 1 << 37;
/// Openings of a shard that one use allows.
const ALLOWED: i64 = 8;

fn softmax(datasets: &[&v1::Dataset]) -> v1::TrainingTerms {
    terms(datasets, v1::Link::Softmax, LAMBDA)
}

async fn wine(client: &Client) -> v1::Dataset {
    registered(client, dataset(&wine_schema(), csv("wine.csv", wines(0..60)))).await
}

/// Openings of a commitment: all, and those by an account.
async fn openings(place: &Place, commitment: &[u8], account: &Client) -> (i64, i64) {
    sqlx::any::install_default_drivers();
    let url = format!("sqlite:{}", place.data().join("tribute.db").display());
    let pool = sqlx::AnyPool::connect(&url).await.unwrap();
    let count = "SELECT (SELECT COALESCE(SUM(used), 0) FROM openings WHERE digest = $1),
        (SELECT COALESCE(SUM(used), 0) FROM openings_by WHERE digest = $1 AND account = $2)";
    let row = sqlx::query_as(count)
        .bind(hex::encode(commitment))
        .bind(account.account().unwrap().to_string())
        .fetch_one(&pool)
        .await
        .unwrap();
    pool.close().await;
    row
}

async fn gradients(client: &Client, agent: &v1::Agent, context: Option<v1::ChainContext>) -> Result<v1::Job, Reason> {
    let weights_digest = agent.weights_digest.clone();
    let request = v1::ProveGradientsRequest { weights_digest, context, options: None };
    let jobs = client.agents().prove_gradients(request).await.map_err(|s| problem(s).reason)?;
    Ok(jobs.into_inner().jobs.remove(0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_opens_a_dataset_only_so_often() {
    let place = Place::new();
    let served = place.serve(&["--k", "14"]);
    let (owner, guest) = (connect(&served.url).await, connect(&served.url).await);
    let data = wine(&owner).await;
    grant(&owner, &data.id, &guest).await.unwrap();
    let agent = trained(&guest, softmax(&[&data])).await.unwrap();
    let shard = &data.shards[0].digest;
    assert_eq!(openings(&place, shard, &guest).await, (1, 0));

    // contracts that nobody named cost nothing: they are not proven for
    for (chain_id, contract) in [(5, vec![1; 20]), (1, Vec::new()), (0, vec![1; 20])] {
        let invented = Some(v1::ChainContext { chain_id, contract });
        assert_eq!(gradients(&guest, &agent, invented).await.unwrap_err(), Reason::BadField);
    }
    assert_eq!(openings(&place, shard, &guest).await, (1, 0));

    // proofs that are broken off again and again end with the uses that were granted
    let mut ended = None;
    for _ in 0..=ALLOWED {
        let job = gradients(&guest, &agent, None).await.unwrap();
        let seen = until(&guest, &job.id, |j| {
            j.state() == v1::JobState::Failed || j.progress.as_ref().is_some_and(|p| p.phase == "prove")
        })
        .await;
        if seen.state() == v1::JobState::Failed {
            ended = seen.error;
            break;
        }
        guest.jobs().cancel_job(v1::CancelJobRequest { job: job.id }).await.unwrap();
    }
    let ended = ended.expect("the openings of one use are spent");
    assert_eq!(ended.reason, Reason::BudgetSpent.text());
    assert!(ended.message.contains("with another grant"), "{}", ended.message);
    assert_eq!(openings(&place, shard, &guest).await, (1 + ALLOWED, ALLOWED));

    // the owner goes on
    let own = trained(&owner, softmax(&[&data])).await.unwrap();
    let job = gradients(&owner, &own, None).await.unwrap();
    owner.finish(&job.id, |_| {}).await.unwrap();
    // and so does the guest with another grant
    grant(&owner, &data.id, &guest).await.unwrap();
    let terms = v1::TrainingTerms { lambda: LAMBDA + 1, ..softmax(&[&data]) };
    trained(&guest, terms).await.unwrap();
    let job = gradients(&guest, &agent, None).await.unwrap();
    guest.finish(&job.id, |_| {}).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_model_is_told_one_digit_and_counts() {
    let place = Place::new();
    let served = place.serve(&["--k", "14"]);
    let (owner, guest) = (connect(&served.url).await, connect(&served.url).await);
    let data = wine(&owner).await;
    // a model of the guest's choice: the optimum of other data
    let own = registered(&guest, dataset(&wine_schema(), csv("wine.csv", wines(60..120)))).await;
    let chosen = trained(&guest, softmax(&[&own])).await.unwrap();
    let get = v1::GetAgentRequest { weights_digest: chosen.weights_digest.clone() };
    let onnx = guest.agents().get_agent(get).await.unwrap().into_inner().onnx;
    // without a grant nothing else is said either
    let never = imported(&guest, v1::TrainingTerms { lambda: 0, ..softmax(&[&data]) }, onnx.clone(), true, None).await;
    assert_eq!(never.unwrap_err().reason, Reason::NoGrant);

    grant(&owner, &data.id, &guest).await.unwrap();
    // what is no model tells nothing and uses nothing
    let broken = imported(&guest, softmax(&[&data]), onnx[..onnx.len() - 1].to_vec(), true, None).await.unwrap_err();
    assert_eq!(broken.reason, Reason::BadModel);
    let refused = imported(&guest, softmax(&[&data]), onnx.clone(), true, None).await.unwrap_err();
    assert_eq!(refused.reason, Reason::NotTheOptimum);
    let said: Vec<&str> = refused.metadata.keys().map(String::as_str).collect();
    assert_eq!(said, ["allowed", "gradient", "job"]);
    for number in ["allowed", "gradient"] {
        let digits = refused.metadata[number].split('e').next().unwrap();
        assert_eq!(digits.len(), 1, "{refused:?}");
    }
    assert!(!refused.message.contains("worst at") && !refused.message.contains("lambda"), "{refused}");
    // the answer was the one use
    assert_eq!(
        imported(&guest, softmax(&[&data]), onnx.clone(), false, None).await.unwrap_err().reason,
        Reason::NoGrant
    );

    // of one's own data everything is said
    let other = v1::TrainingTerms { lambda: 2 * LAMBDA, ..softmax(&[&own]) };
    let told = imported(&guest, other, onnx, true, None).await.unwrap_err();
    assert!(["feature", "class", "entry", "diagnosis"].iter().all(|k| told.metadata.contains_key(*k)), "{told:?}");
}

/// A head for wines that is affine, but at records: at points of the grid of 256 steps that are no corner of it.
fn differs_at_records() -> Vec<u8> {
    let value = |name: &str, width| {
        let dim = [DimensionValue::DimParam("batch".into()), DimensionValue::DimValue(width)];
        let dim = dim.map(|value| Dimension { value: Some(value) }).to_vec();
        let tensor = TensorType { elem_type: DataType::Float as i32, shape: Some(TensorShapeProto { dim }) };
        ValueInfoProto { name: name.into(), r#type: Some(TypeProto { value: Some(TypeValue::TensorType(tensor)) }) }
    };
    let node = |(op, inputs, output): (&str, &[&str], &str)| NodeProto {
        op_type: op.into(),
        name: output.into(),
        input: inputs.iter().map(|i| (*i).to_owned()).collect(),
        output: vec![output.into()],
        ..NodeProto::default()
    };
    let floats = |name: &str, dims: &[i64], values: Vec<f32>| TensorProto {
        name: name.into(),
        data_type: DataType::Float as i32,
        dims: dims.to_vec(),
        raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ..TensorProto::default()
    };
    let nodes: [(&str, &[&str], &str); 15] = [
        ("Mul", &["x", "steps"], "grid"),
        ("Floor", &["grid"], "below"),
        ("Sub", &["grid", "below"], "off"),
        ("ReduceSum", &["off", "axis"], "far"),
        ("Mul", &["far", "steep"], "slope"),
        ("Sub", &["half", "slope"], "on"),
        ("Relu", &["on"], "on_grid"),
        ("Sub", &["top", "x"], "from_top"),
        ("Min", &["x", "from_top"], "inside"),
        ("ReduceMax", &["inside", "axis"], "most"),
        ("Sub", &["most", "little"], "clear"),
        ("Relu", &["clear"], "off_corner"),
        ("Mul", &["on_grid", "off_corner"], "bump"),
        ("MatMul", &["x", "w"], "affine"),
        ("Add", &["affine", "bump"], "logits"),
    ];
    let axis = TensorProto {
        name: "axis".into(),
        data_type: DataType::Int64 as i32,
        dims: vec![1],
        raw_data: 1i64.to_le_bytes().to_vec(),
        ..TensorProto::default()
    };
    let constants = [("steps", 256.0), ("steep", 1e5), ("half", 0.5), ("top", 255.0 / 256.0), ("little", 1.0 / 1024.0)];
    let mut initializer: Vec<_> = constants.iter().map(|(name, x)| floats(name, &[1], vec![*x])).collect();
    initializer.push(floats("w", &[13, 3], (0..39).map(|i| (i * 7 % 5) as f32 * 0.1 - 0.2).collect()));
    initializer.push(axis);
    let graph = GraphProto {
        name: "g".into(),
        node: nodes.into_iter().map(node).collect(),
        input: vec![value("x", 13)],
        output: vec![value("logits", 3)],
        initializer,
        ..GraphProto::default()
    };
    let opset_import = vec![OperatorSetIdProto { domain: String::new(), version: 18 }];
    ModelProto { ir_version: 10, opset_import, graph: Some(graph), ..ModelProto::default() }.encode_to_vec()
}

/// A refusal shows the input at which a model is not affine. A model that is not affine at records must not have another's
/// records shown, neither for one use nor, because it is no model, for none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_model_finds_the_records_of_others() {
    let place = Place::new();
    let served = place.serve(&["--k", "14"]);
    let (owner, guest) = (connect(&served.url).await, connect(&served.url).await);
    let data = wine(&owner).await;
    let own = registered(&guest, dataset(&wine_schema(), csv("wine.csv", wines(60..120)))).await;
    let told = imported(&guest, softmax(&[&own]), differs_at_records(), true, None).await.unwrap_err();
    assert_eq!(told.reason, Reason::BadModel);
    assert!(told.message.contains("is not affine in the model's input: at alcohol"), "{told}");

    grant(&owner, &data.id, &guest).await.unwrap();
    let told = imported(&guest, softmax(&[&data]), differs_at_records(), true, None).await.unwrap_err();
    assert_eq!(told.reason, Reason::NotTheOptimum, "{told}");
    assert!(!told.message.contains("alcohol"), "{told}");
    let again = v1::TrainingTerms { lambda: LAMBDA + 1, ..softmax(&[&data]) };
    assert_eq!(imported(&guest, again, differs_at_records(), true, None).await.unwrap_err().reason, Reason::NoGrant);
}

/// That no model can be certified is a function of the records, at a loss that the caller chose: it is told vaguely, and once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_training_is_told_vaguely_and_counts() {
    let place = Place::new();
    let served = place.serve(&["--k", "14"]);
    let (owner, guest) = (connect(&served.url).await, connect(&served.url).await);
    let data = wine(&owner).await;
    grant(&owner, &data.id, &guest).await.unwrap();
    let least = smallest_lambda(link_error_units(13, 3, 0), largest_norm(14 * 3));
    // below it nobody's records matter: no use is taken
    let weak = |lambda| v1::TrainingTerms { lambda, ..softmax(&[&data]) };
    let refused = trained(&guest, weak(least - 1)).await.unwrap_err();
    assert!(refused.reason == Reason::BadField && refused.metadata.contains_key("least"), "{refused}");
    let refused = trained(&guest, weak(least)).await.unwrap_err();
    assert_eq!(refused.reason, Reason::BadField, "{refused}");
    let numbers = refused.message.split(|c: char| !(c.is_ascii_digit() || c == '.'));
    assert!(numbers.into_iter().all(|n| n.len() < 2 || n == "32"), "{refused}");
    assert!(refused.metadata.keys().all(|k| ["field", "job", "least"].contains(&k.as_str())), "{refused:?}");
    if let Some(least) = refused.metadata.get("least") {
        assert_eq!(least.split('e').next().unwrap().len(), 1, "{refused:?}");
    }
    assert_eq!(trained(&guest, weak(least + 1)).await.unwrap_err().reason, Reason::NoGrant);
    // and what the owner asks about its own records is answered in full
    let told = trained(&owner, weak(least)).await.unwrap_err();
    assert_ne!(told.message, refused.message);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_damaged_is_made_again() {
    let place = Place::new();
    let served = place.serve(&["--k", "14"]);
    let owner = connect(&served.url).await;
    let work = dataset(&wine_schema(), csv("wine.csv", wines(0..60)));
    let first = submit_dataset(&owner, work.clone()).await.unwrap();
    let made = dataset_of(&owner, &first).await;
    assert_eq!(submit_dataset(&owner, work.clone()).await.unwrap().id, first.id, "whole, it is found");

    for folder in std::fs::read_dir(place.data().join("artefacts")).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            std::fs::write(file.unwrap().path(), b"damaged").unwrap();
        }
    }
    let get = v1::GetDatasetRequest { id: made.id.clone() };
    let lost = owner.datasets().get_dataset(get.clone()).await.map_err(problem).unwrap_err();
    assert_eq!(lost.reason, Reason::ArtefactDamaged);
    let again = submit_dataset(&owner, work).await.unwrap();
    assert_ne!(again.id, first.id);
    let healed = dataset_of(&owner, &again).await;
    assert_eq!((&healed.id, &healed.shards[0].digest), (&made.id, &made.shards[0].digest));
    owner.datasets().get_dataset(get).await.unwrap();
    // records too: they are trained on
    trained(&owner, softmax(&[&healed])).await.unwrap();
}
