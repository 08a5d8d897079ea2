//! Weights that an agent's owner has lent to this node for an evaluation: kept only while a job needs them.

use tribute_custody::Custody;
use tribute_problem::Result;
use tribute_steps::evaluation::WeightsAt;
use tribute_steps::work::{Payload, Work};

use super::queue::Queue;
use super::Job;

/// Deletes weights that were lent for a job which has ended. If that fails, they go when the job is forgotten.
pub(crate) async fn forget(queue: &Queue, custody: &Custody, job: &Job) {
    let Ok(Payload { work: Work::Evaluation(evaluation), .. }) = serde_json::from_str(&job.payload) else { return };
    if let WeightsAt::Lent(secrets) = &evaluation.weights {
        if let Err(problem) = forget_unneeded(queue, custody, secrets).await {
            tracing::warn!(job = %job.id, error = %problem, "lent weights are not deleted yet");
        }
    }
}

/// Deletes a secret, unless a job that waits or runs names it, too.
async fn forget_unneeded(queue: &Queue, custody: &Custody, secret: &str) -> Result<()> {
    let mut tx = queue.database().begin().await?;
    let needing = queue.needing(&mut tx, secret).await?;
    tx.commit().await?;
    if needing.is_some() {
        return Ok(());
    }
    custody.delete(secret).await
}
