//! Weights that an agent's owner has lent to this node for an evaluation: kept only while a job needs them.

use tribute_custody::Custody;
use tribute_problem::Result;
use tribute_steps::evaluation::{EvaluationJob, WeightsAt};
use tribute_steps::work::{Payload, Work};

use super::queue::Queue;
use super::Job;

/// How long ago a job may have ended for a first [`sweep`], or one after a failure, to look at it: what a day did not delete goes
/// when the job is forgotten.
pub(crate) const A_DAY_MS: i64 = 86_400_000;
/// The same for a sweep soon after another.
pub(crate) const RECENTLY_MS: i64 = 300_000;

/// Deletes weights that were lent for a job which has ended. If that fails, they go when the job is forgotten.
pub(crate) async fn forget(queue: &Queue, custody: &Custody, job: &Job) {
    let Some(secrets) = lent(&job.payload) else { return };
    if let Err(problem) = forget_unneeded(queue, custody, &secrets).await {
        tracing::warn!(job = %job.id, error = %problem, "lent weights are not deleted yet");
    }
}

/// What a job's payload names that was lent.
pub(super) fn lent(payload: &str) -> Option<String> {
    match serde_json::from_str(payload) {
        Ok(Payload { work: Work::Evaluation(EvaluationJob { weights: WeightsAt::Lent(secrets), .. }), .. }) => {
            Some(secrets)
        }
        _ => None,
    }
}

/// Deletes what was lent for jobs that ended without a worker, at most `age_ms` ago: at their deadline, with one that they waited
/// for, with their worker.
pub(crate) async fn sweep(queue: &Queue, custody: &Custody, age_ms: i64) -> Result<()> {
    for secret in queue.lent_for_ended(age_ms).await? {
        forget_unneeded(queue, custody, &secret).await?;
    }
    Ok(())
}

/// A secret that is lent for a job which is not queued yet. If that never happens, be it that the caller leaves, it is deleted.
pub(crate) struct Lent {
    queue: Queue,
    custody: Custody,
    secret: Option<String>,
}

impl Lent {
    pub(crate) fn new(queue: &Queue, custody: &Custody, secret: &str) -> Self {
        Lent { queue: queue.clone(), custody: custody.clone(), secret: Some(secret.to_owned()) }
    }

    /// A job that waits or runs names it: its end deletes it.
    pub(crate) fn queued(mut self) {
        self.secret = None;
    }

    /// No job needs it.
    pub(crate) async fn unneeded(mut self) -> Result<()> {
        if let Some(secret) = &self.secret {
            forget_unneeded(&self.queue, &self.custody, secret).await?;
        }
        self.secret = None;
        Ok(())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(secret) = self.secret.take() else { return };
        let (queue, custody) = (self.queue.clone(), self.custody.clone());
        tokio::spawn(async move {
            if let Err(problem) = forget_unneeded(&queue, &custody, &secret).await {
                tracing::warn!(error = %problem, "what was lent for a job that was not queued is not deleted");
            }
        });
    }
}

/// Deletes a secret, unless a job that waits or runs names it, too.
pub(crate) async fn forget_unneeded(queue: &Queue, custody: &Custody, secret: &str) -> Result<()> {
    let mut tx = queue.database().begin().await?;
    let needing = queue.needing(&mut tx, secret).await?;
    tx.commit().await?;
    if needing.is_some() {
        return Ok(());
    }
    custody.delete(secret).await
}
