//! Client calls, from submitting work to fetching a certificate.

use std::time::{Duration, Instant};

use alloy::signers::local::PrivateKeySigner;
use tribute_client::{problem, Client};
use tribute_problem::Result;
use tribute_proto::v1;

use crate::data;

/// Connects a client with a random key.
pub async fn connect(url: &str) -> Client {
    Client::connect(url, PrivateKeySigner::random()).await.unwrap()
}

/// The token of a login that a client does by itself.
pub async fn token(client: &Client) -> String {
    let challenge = client.logins().get_challenge(v1::GetChallengeRequest {}).await.unwrap().into_inner();
    let (message, signature) = client.login_message(&challenge).unwrap();
    client.logins().login(v1::LoginRequest { message, signature }).await.unwrap().into_inner().token
}

/// Work that takes a while, in steps: `rounds` commitments to 2^k random scalars.
#[must_use]
pub fn calibrate(k: u32, rounds: u32, tag: &str) -> v1::Work {
    let work = v1::CalibrateWork { k, rounds, tag: tag.into() };
    v1::Work { work: Some(v1::work::Work::Calibrate(work)) }
}

/// Queues work.
pub async fn submit(client: &Client, work: v1::Work) -> v1::Job {
    try_submit(client, work).await.unwrap()
}

/// Queues work that may be rejected.
pub async fn try_submit(client: &Client, work: v1::Work) -> Result<v1::Job> {
    let request = v1::SubmitRequest { work: Some(work), options: None };
    Ok(client.jobs().submit(request).await.map_err(problem)?.into_inner().job.unwrap())
}

/// The current state of a job.
pub async fn get(client: &Client, job: &str) -> v1::Job {
    let request = v1::GetJobRequest { job: job.into() };
    client.jobs().get_job(request).await.unwrap().into_inner()
}

/// Polls a job until `ready`, for at most three minutes.
pub async fn until(client: &Client, job: &str, ready: impl Fn(&v1::Job) -> bool) -> v1::Job {
    let start = Instant::now();
    loop {
        let found = get(client, job).await;
        if ready(&found) {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(180), "timed out; last state: {found:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits for a job to end and returns its outcome.
pub async fn outcome(client: &Client, job: &v1::Job) -> Result<v1::outcome::Outcome> {
    Ok(client.finish(&job.id, |_| {}).await?.outcome.unwrap().outcome.unwrap())
}

/// Uploads a file that [`data::file`] remembers.
pub async fn send(client: &Client, name: &[u8]) {
    assert_eq!(client.upload(data::remembered(name).unwrap()).await.unwrap(), name);
}

/// Queues the registration of a dataset, whose file is uploaded first.
pub async fn submit_dataset(client: &Client, work: v1::DatasetWork) -> Result<v1::Job> {
    match &work.records {
        Some(v1::dataset_work::Records::Csv(csv)) => send(client, &csv.upload).await,
        Some(v1::dataset_work::Records::Quantised(rows)) => send(client, &rows.upload).await,
        None => {}
    }
    let request = v1::RegisterDatasetRequest { work: Some(work), options: None };
    Ok(client.datasets().register_dataset(request).await.map_err(problem)?.into_inner().job.unwrap())
}

/// Registers a dataset and waits for it.
pub async fn registered(client: &Client, work: v1::DatasetWork) -> v1::Dataset {
    dataset_of(client, &submit_dataset(client, work).await.unwrap()).await
}

/// The dataset that a job registers.
pub async fn dataset_of(client: &Client, job: &v1::Job) -> v1::Dataset {
    match outcome(client, job).await.unwrap() {
        v1::outcome::Outcome::Dataset(d) => d.dataset.unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Lets `grantee` train on a dataset once.
pub async fn grant(client: &Client, dataset: &[u8], grantee: &Client) -> Result<()> {
    let grant = v1::GrantTrainingRequest {
        dataset_id: dataset.to_vec(),
        grantee: grantee.account().unwrap().to_vec(),
        uses: 1,
        expiry: 4_000_000_000,
    };
    client.datasets().grant_training(grant).await.map_err(problem)?;
    Ok(())
}

/// Training terms.
#[must_use]
pub fn terms(datasets: &[&v1::Dataset], link: v1::Link, lambda: u64) -> v1::TrainingTerms {
    let dataset_ids = datasets.iter().map(|d| d.id.clone()).collect();
    v1::TrainingTerms { dataset_ids, lambda, link: link.into() }
}

/// Trains an agent and waits for it.
pub async fn trained(client: &Client, terms: v1::TrainingTerms) -> Result<v1::Agent> {
    let work = v1::TrainWork { terms: Some(terms), name: "agent".into(), ..Default::default() };
    let request = v1::TrainAgentRequest { work: Some(work), options: None };
    agent_of(client, &client.agents().train_agent(request).await.map_err(problem)?.into_inner().job.unwrap()).await
}

/// Imports an agent and waits for it.
pub async fn imported(
    client: &Client,
    terms: v1::TrainingTerms,
    onnx: Vec<u8>,
    quantised_features: bool,
    polish: Option<f64>,
) -> Result<v1::Agent> {
    let upload = client.upload(onnx).await?;
    let work = v1::ImportWork { terms: Some(terms), name: "brought".into(), upload, quantised_features, polish };
    let request = v1::ImportAgentRequest { work: Some(work), options: None };
    agent_of(client, &client.agents().import_agent(request).await.map_err(problem)?.into_inner().job.unwrap()).await
}

/// The agent that a job makes.
pub async fn agent_of(client: &Client, job: &v1::Job) -> Result<v1::Agent> {
    match outcome(client, job).await? {
        v1::outcome::Outcome::Agent(a) => Ok(a.agent.unwrap()),
        other => panic!("{other:?}"),
    }
}

/// The proof that a job makes.
pub async fn proof_of(client: &Client, job: &v1::Job) -> Result<v1::Proof> {
    match outcome(client, job).await? {
        v1::outcome::Outcome::Proof(proof) => Ok(proof),
        other => panic!("{other:?}"),
    }
}

/// Proofs of an agent's gradients, in shard order.
pub async fn gradients(client: &Client, weights: &[u8]) -> Vec<v1::Proof> {
    let request = v1::ProveGradientsRequest { weights_digest: weights.to_vec(), ..Default::default() };
    let jobs = client.agents().prove_gradients(request).await.unwrap().into_inner().jobs;
    let mut proofs = Vec::new();
    for job in jobs {
        proofs.push(proof_of(client, &job).await.unwrap());
    }
    proofs
}

/// The optimum proof of version 1.
pub async fn optimum(client: &Client, weights: &[u8]) -> Result<v1::Proof> {
    let weights_digest = weights.to_vec();
    let work = v1::OptimumWork { weights_digest, context: None, agent_id: vec![7; 32], version: 1 };
    let request = v1::ProveOptimumRequest { work: Some(work), options: None };
    let job = client.agents().prove_optimum(request).await.map_err(problem)?.into_inner().job.unwrap();
    proof_of(client, &job).await
}

/// The certificate file of a proven agent.
pub async fn certificate(client: &Client, weights: &[u8]) -> Result<Vec<u8>> {
    let request = v1::GetCertificateRequest { weights_digest: weights.to_vec() };
    Ok(client.agents().get_certificate(request).await.map_err(problem)?.into_inner().certificate_json)
}
