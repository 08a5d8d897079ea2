//! What whoever may train on another's dataset can do to it: no more than its uses allow, and no more than is answered.

use tribute_client::{problem, Client};
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
        .bind(account.account().to_string())
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
