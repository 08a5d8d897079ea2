//! Puts admitted work into the queue.

use tribute_core::hexed::AccountAddress;
use tribute_problem::{Problem, Reason, Result};
use tribute_proto::v1;
use tribute_steps::work::{Outcome, Payload, Work};
use tribute_store::db::Tx;

use super::admission::{Admission, Admitted, Grant, Right};
use crate::jobs::{Job, NewJob, State};
use crate::registry::grants::Use;

/// Most jobs that one job may be made to wait for.
const MOST_NEEDS: usize = 64;

impl Admission {
    /// Checks a request's work and queues it for `caller`.
    pub(crate) async fn submit(
        &self,
        caller: AccountAddress,
        work: v1::work::Work,
        options: Option<&v1::JobOptions>,
    ) -> Result<Job> {
        let mut jobs = self.submit_all(caller, vec![work], options).await?;
        jobs.pop().ok_or_else(|| Problem::internal("a submitted job vanished"))
    }

    /// [`Admission::submit`] for several pieces of work: queues all or none.
    pub(crate) async fn submit_all(
        &self,
        caller: AccountAddress,
        work: Vec<v1::work::Work>,
        options: Option<&v1::JobOptions>,
    ) -> Result<Vec<Job>> {
        let mut admitted = Vec::with_capacity(work.len());
        for work in work {
            admitted.push(self.prepare(caller, work).await?);
        }
        self.queue_all(caller, &admitted, options).await
    }

    /// [`Admission::submit_all`], queueing what can be queued: the jobs, and why the rest was refused, with its index.
    pub(crate) async fn submit_some(
        &self,
        caller: AccountAddress,
        work: Vec<v1::work::Work>,
        options: Option<&v1::JobOptions>,
    ) -> (Vec<Job>, Vec<(u32, Problem)>) {
        let (mut jobs, mut refused) = (Vec::new(), Vec::new());
        for (work, index) in work.into_iter().zip(0..) {
            // the same keys as in a batch that is queued as a whole
            let keyed = options
                .filter(|o| !o.idempotency_key.is_empty())
                .map(|o| v1::JobOptions { idempotency_key: format!("{}/{index}", o.idempotency_key), ..o.clone() });
            match self.submit(caller, work, keyed.as_ref().or(options)).await {
                Ok(job) => jobs.push(job),
                Err(problem) => refused.push((index, problem)),
            }
        }
        (jobs, refused)
    }

    /// Queues admitted work, all or none. Grants are used in the same transaction, and only by new jobs. If an equal
    /// job has already succeeded, its outcome is registered again, because work for another chain may have replaced it
    /// since; if its artefacts are damaged, the work is queued anew.
    pub(crate) async fn queue_all(
        &self,
        caller: AccountAddress,
        admitted: &[Admitted],
        options: Option<&v1::JobOptions>,
    ) -> Result<Vec<Job>> {
        let others = options.map(|o| o.needs.as_slice()).unwrap_or_default();
        if others.len() > MOST_NEEDS {
            return Err(Problem::field("options.needs", format!("{} jobs: at most {MOST_NEEDS}", others.len())));
        }
        for needed in others {
            self.ownership.job(caller, needed).await?;
        }
        let mut tx = self.queue.database().begin().await?;
        let mut jobs = Vec::with_capacity(admitted.len());
        for (Admitted { work, grants, parts }, index) in admitted.iter().zip(0..) {
            let new = self.new_job(caller, work, options)?;
            // each job of a batch has a key of its own
            let key = options.map_or("", |o| o.idempotency_key.as_str());
            let key =
                (!key.is_empty()).then(|| if admitted.len() > 1 { format!("{key}/{index}") } else { key.to_owned() });
            if let Some(key) = &key {
                if let Some(job) = self.queue.keyed(&mut tx, key, &new).await? {
                    jobs.push(job);
                    continue;
                }
            }
            let (job, fresh) = self.insert(&mut tx, &new).await?;
            if let Some(key) = &key {
                self.queue.remember_key(&mut tx, key, &new, &job.id).await?;
            }
            if fresh {
                let mut needs = Vec::with_capacity(parts.len());
                for part in parts {
                    needs.push(self.insert(&mut tx, &self.new_job(caller, part, options)?).await?.0.id);
                }
                if !(needs.is_empty() && others.is_empty()) {
                    self.queue.make_wait(&mut tx, &job.id, &needs, others).await?;
                }
                for Grant { dataset, root, by } in grants {
                    let used = match by {
                        Right::Open => Use::Open,
                        Right::Granted(Some(grant))
                            if self.registry.use_chain_grant(&mut tx, grant, caller).await? =>
                        {
                            Use::Chain(*grant)
                        }
                        Right::Granted(_) => {
                            self.registry.use_grant(&mut tx, *dataset, caller).await?;
                            Use::Server
                        }
                    };
                    self.registry.record_use(&mut tx, &job.id, *dataset, caller, used, *root).await?;
                    self.custody.allow_use(&mut tx, *root, caller).await?;
                }
            }
            jobs.push(job);
        }
        tx.commit().await?;
        self.wake.notify_one();
        Ok(jobs)
    }

    /// Inserts a job, or finds an equal one whose outcome, if it has one, is whole. True if it is new.
    async fn insert(&self, tx: &mut Tx, new: &NewJob) -> Result<(Job, bool)> {
        let (job, fresh) = self.queue.insert(tx, new).await?;
        match (&job.outcome, job.state, fresh) {
            (Some(outcome), State::Succeeded, false) => {
                let outcome: Outcome = serde_json::from_str(outcome)?;
                if self.is_whole(&outcome).await? {
                    self.registry.record(tx, &job, &outcome).await?;
                    return Ok((job, false));
                }
                self.queue.set_aside(tx, &job.id).await?;
                self.queue.insert(tx, new).await
            }
            _ => Ok((job, fresh)),
        }
    }

    /// Whether all artefacts of an outcome are undamaged.
    async fn is_whole(&self, outcome: &Outcome) -> Result<bool> {
        for artefact in outcome.artefacts() {
            match self.artefacts.get(artefact).await {
                Ok(_) => {}
                Err(p) if p.reason == Reason::ArtefactDamaged => return Ok(false),
                Err(p) => return Err(p),
            }
        }
        Ok(true)
    }

    pub(super) fn new_job(
        &self,
        caller: AccountAddress,
        work: &Work,
        options: Option<&v1::JobOptions>,
    ) -> Result<NewJob> {
        let options = options.cloned().unwrap_or_default();
        if !(-100..=100).contains(&options.priority) {
            return Err(Problem::field("options.priority", format!("{} is outside -100..=100", options.priority)));
        }
        let deadline_ms = i64::try_from(options.deadline).ok().and_then(|s| s.checked_mul(1000)).ok_or_else(|| {
            Problem::field("options.deadline", format!("{} is not a time in Unix seconds", options.deadline))
        })?;
        let (needs, most) = (work.weight_mb(), self.memory_mb);
        if needs > most {
            let message = format!(
                "this work needs about {needs} MB of memory, and a job has at most {most} MB here: take a smaller k, fewer \
                 columns or fewer records, or ask the server's operator (`tribute serve --memory`)"
            );
            return Err(Problem::new(Reason::TooLarge, message).with("needs_mb", needs).with("most_mb", most));
        }
        Ok(NewJob {
            tenant: caller.to_string(),
            kind: work.kind().into(),
            payload: serde_json::to_string(&Payload { srs: Some(self.srs), work: work.clone() })?,
            priority: options.priority.into(),
            weight_mb: needs,
            deadline_ms: (deadline_ms > 0).then_some(deadline_ms),
        })
    }
}
