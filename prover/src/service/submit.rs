//! From a request for work to a queued job: checks everything that can be checked before anything is kept.

use tribute_proto::v1;

use super::{convert, Shared};
use crate::hexed::Hex20;
use crate::jobs::{Job, NewJob};
use crate::pipeline::types::CalibrateJob;
use crate::pipeline::{Outcome, Work};
use crate::problem::{Problem, Result};

impl Shared {
    /// Queues a request's work for `caller`.
    pub(super) async fn submit(
        &self,
        caller: Hex20,
        work: v1::work::Work,
        options: Option<&v1::JobOptions>,
    ) -> Result<v1::Job> {
        let mut jobs = self.submit_all(caller, vec![work], options).await?;
        jobs.pop().ok_or_else(|| Problem::internal("a submitted job vanished"))
    }

    /// Queues all or none.
    pub(super) async fn submit_all(
        &self,
        caller: Hex20,
        work: Vec<v1::work::Work>,
        options: Option<&v1::JobOptions>,
    ) -> Result<Vec<v1::Job>> {
        let mut new = Vec::with_capacity(work.len());
        for work in work {
            let work = self.prepare(caller, work).await?;
            new.push(new_job(caller, &work, options)?);
        }
        let jobs = self.queue.submit_all(&new).await?;
        self.wake.notify_waiters();
        let mut messages = Vec::with_capacity(jobs.len());
        for (job, _) in jobs {
            messages.push(self.job_message(job).await?);
        }
        Ok(messages)
    }

    /// Checks a request's work and turns it into a job's.
    async fn prepare(&self, caller: Hex20, work: v1::work::Work) -> Result<Work> {
        use v1::work::Work as W;
        let _ = caller;
        match work {
            W::Calibrate(w) => calibrate(w),
            _ => Err(Problem::field("work", "unknown kind of work")),
        }
    }

    /// A job as its owner sees it.
    pub(super) async fn job_message(&self, job: Job) -> Result<v1::Job> {
        let outcome: Option<Outcome> = job.outcome.as_deref().map(serde_json::from_str).transpose()?;
        Ok(convert::job(job, outcome.as_ref().map(convert::outcome)))
    }

    /// A job of the caller's.
    pub(super) async fn own_job(&self, caller: Hex20, id: &str) -> Result<Job> {
        match self.queue.get(id).await? {
            Some(job) if job.tenant == caller.to_string() => Ok(job),
            _ => Err(Problem::not_found("job", id)),
        }
    }
}

fn new_job(caller: Hex20, work: &Work, options: Option<&v1::JobOptions>) -> Result<NewJob> {
    let options = options.cloned().unwrap_or_default();
    if !(-100..=100).contains(&options.priority) {
        return Err(Problem::field("options.priority", format!("{} is outside -100..=100", options.priority)));
    }
    let deadline_ms = i64::try_from(options.deadline).ok().and_then(|s| s.checked_mul(1000)).ok_or_else(|| {
        Problem::field("options.deadline", format!("{} is not a time in Unix seconds", options.deadline))
    })?;
    Ok(NewJob {
        tenant: caller.to_string(),
        kind: work.kind().into(),
        payload: serde_json::to_string(work)?,
        priority: options.priority.into(),
        weight_mb: work.weight_mb(),
        deadline_ms: (deadline_ms > 0).then_some(deadline_ms),
    })
}

fn calibrate(w: v1::CalibrateWork) -> Result<Work> {
    let k = if w.k == 0 { 15 } else { w.k };
    let rounds = if w.rounds == 0 { 3 } else { w.rounds };
    if !(10..=20).contains(&k) || rounds > 10_000 {
        return Err(Problem::field("calibrate", format!("k = {k} must be 10 to 20, rounds = {rounds} at most 10,000")));
    }
    Ok(Work::Calibrate(CalibrateJob { k, rounds, tag: w.tag }))
}
