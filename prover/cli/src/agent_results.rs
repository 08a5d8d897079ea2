//! Agents and their proofs, as calls and jobs return them.

use tribute_client::{problem, Client};
use tribute_core::id::WeightsDigest;
use tribute_problem::{Problem, Result};
use tribute_proto::v1;

use crate::progress;
use crate::proof_file::ProofFile;

/// One of the caller's agents, with its model.
pub(crate) async fn get(client: &Client, weights: WeightsDigest) -> Result<v1::Agent> {
    let request = v1::GetAgentRequest { weights_digest: weights.to_vec() };
    Ok(client.agents().get_agent(request).await.map_err(problem)?.into_inner())
}

/// The agent that a job makes, once it has ended.
pub(crate) async fn finished(client: &Client, title: &str, job: &v1::Job) -> Result<v1::Agent> {
    match progress::finish(client, title, job).await?.outcome.and_then(|o| o.outcome) {
        Some(v1::outcome::Outcome::Agent(v1::AgentOutcome { agent: Some(agent) })) => Ok(agent),
        _ => Err(Problem::internal("the job came back without its agent")),
    }
}

/// Proves a certified agent's accuracy and loss on a dataset.
pub(crate) async fn evaluation(
    client: &Client,
    work: v1::EvaluationWork,
    options: Option<v1::JobOptions>,
) -> Result<v1::EvaluationOutcome> {
    let request = v1::EvaluateAgentRequest { work: Some(work), options };
    let job = client.agents().evaluate_agent(request).await.map_err(problem)?.into_inner().job.unwrap_or_default();
    evaluation_of(progress::finish(client, "evaluation", &job).await?)
}

/// The evaluation that a job made.
pub(crate) fn evaluation_of(job: v1::Job) -> Result<v1::EvaluationOutcome> {
    match job.outcome.and_then(|o| o.outcome) {
        Some(v1::outcome::Outcome::Evaluation(e)) => Ok(e),
        _ => Err(Problem::internal("the job came back without its evaluation")),
    }
}

/// The proof that a job made.
pub(crate) fn proof_of(job: v1::Job) -> Result<ProofFile> {
    match job.outcome.and_then(|o| o.outcome) {
        Some(v1::outcome::Outcome::Proof(proof)) => ProofFile::of(&proof),
        _ => Err(Problem::internal("the job came back without its proof")),
    }
}
