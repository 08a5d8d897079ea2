//! Evaluation at the node that has the dataset.

use tribute_client::{problem, Client};
use tribute_problem::{Problem, Result};
use tribute_proto::v1;

use super::EvaluateArgs;
use crate::progress;
use crate::request::named;

/// Lends the weights to a node and has it prove the agent's accuracy on a dataset there.
pub(super) async fn evaluate(own: &Client, url: &str, a: &EvaluateArgs) -> Result<v1::EvaluationOutcome> {
    let at_node = |status| named(url, problem(status));
    let node = a.server.connect_to(url).await.map_err(|p| named(url, p))?;
    let describe = v1::DescribeDatasetRequest { dataset_id: a.dataset.to_vec() };
    let dataset = node.trainings().describe_dataset(describe).await.map_err(at_node)?.into_inner();
    let get = v1::GetCertificateRequest { weights_digest: a.weights.to_vec() };
    let certificate = own.agents().get_certificate(get).await.map_err(problem)?.into_inner().certificate_json;
    let lend = v1::LendWeightsRequest {
        weights_digest: a.weights.to_vec(),
        dataset_id: a.dataset.to_vec(),
        account: dataset.owner,
        shards: dataset.shards.len() as u32,
    };
    let lent = own.trainings().lend_weights(lend).await.map_err(problem)?.into_inner();
    let request = v1::EvaluateAtHomeRequest {
        dataset_id: a.dataset.to_vec(),
        certificate_upload: node.upload(certificate).await.map_err(|p| named(url, p))?,
        weights_upload: node.upload(lent.weights).await.map_err(|p| named(url, p))?,
        blinding: lent.blinding,
        options: a.job.message(&node),
    };
    let job = node.trainings().evaluate_at_home(request).await.map_err(at_node)?.into_inner().job.unwrap_or_default();
    let done = progress::finish(&node, "evaluation", &job).await.map_err(|p| named(url, p))?;
    match done.outcome.and_then(|o| o.outcome) {
        Some(v1::outcome::Outcome::Evaluation(e)) => Ok(e),
        _ => Err(named(url, Problem::internal("the job came back without its evaluation"))),
    }
}
