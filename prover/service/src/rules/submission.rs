//! Puts admitted work into the queue.

use std::collections::HashSet;

use tribute_core::hexed::AccountAddress;
use tribute_problem::{Problem, Reason, Result};
use tribute_proto::v1;
use tribute_steps::work::{Outcome, Payload, Work};
use tribute_store::db::Tx;

use super::admission::{Admission, Admitted, Grant, Right};
use super::sessions::Sessions;
use crate::jobs::{Job, NewJob, State};
use crate::registry::grants::Use;

/// Most jobs that one job may be made to wait for.
const MOST_NEEDS: usize = 64;

/// The job that one piece of work has become.
fn only(mut jobs: Vec<Job>) -> Result<Job> {
    jobs.pop().ok_or_else(|| Problem::internal("a submitted job vanished"))
}

impl Admission {
    /// Checks a request's work and queues it for `caller`.
    pub(crate) async fn submit(
        &self,
        caller: AccountAddress,
        work: v1::work::Work,
        options: Option<&v1::JobOptions>,
    ) -> Result<Job> {
        only(self.submit_all(caller, vec![work], options).await?)
    }

    /// [`Admission::submit`] for several pieces of work: queues all or none.
    pub(crate) async fn submit_all(
        &self,
        caller: AccountAddress,
        work: Vec<v1::work::Work>,
        options: Option<&v1::JobOptions>,
    ) -> Result<Vec<Job>> {
        self.check_needs(caller, options).await?;
        let mut room = self.queue.room(&caller.to_string()).await?;
        let many = work.len() > 1;
        let mut admitted = Vec::with_capacity(work.len());
        for (work, index) in work.into_iter().zip(0..) {
            // stored only when nothing stands against it
            let holding = self.holding();
            let mut one = holding.prepare(caller, work).await?;
            let known = self.take_room(caller, &one, options, key(options, many, index).as_deref(), &mut room).await?;
            if !known {
                self.check_openings(caller, &one).await?;
            }
            holding.artefacts.store_held().await?;
            one.share = None;
            admitted.push(one);
        }
        self.queue_all(caller, &admitted, options).await
    }

    /// Queues one admitted piece of work.
    pub(crate) async fn queue_one(
        &self,
        caller: AccountAddress,
        admitted: Admitted,
        options: Option<&v1::JobOptions>,
    ) -> Result<Job> {
        only(self.queue_all(caller, &[admitted], options).await?)
    }

    /// The same admission, which stores nothing: its artefacts are held in memory.
    pub(super) fn holding(&self) -> Self {
        let artefacts = self.artefacts.holding();
        let custody = self.custody.over(artefacts.clone());
        let sessions = Sessions { custody: custody.clone(), ..self.sessions.clone() };
        Admission { artefacts, custody, sessions, ..self.clone() }
    }

    /// Takes from the `room` in the queue what work needs of it. True if it needs none, because there is such a job.
    ///
    /// # Errors
    /// [`Reason::QuotaSpent`] if there is not enough.
    async fn take_room(
        &self,
        caller: AccountAddress,
        Admitted { work, parts, .. }: &Admitted,
        options: Option<&v1::JobOptions>,
        key: Option<&str>,
        room: &mut i64,
    ) -> Result<bool> {
        let new = self.new_job(caller, work, options)?;
        if self.is_known(&new, key).await? {
            return Ok(true);
        }
        for new in std::iter::once(Ok(new)).chain(parts.iter().map(|part| self.new_job(caller, &part.work, options))) {
            *room -= i64::from(!self.is_known(&new?, None).await?);
            if *room < 0 {
                return Err(self.queue.full());
            }
        }
        Ok(false)
    }

    /// Whether submitting a job finds one, and so needs no room in the queue.
    async fn is_known(&self, new: &NewJob, key: Option<&str>) -> Result<bool> {
        if let Some(key) = key {
            let mut tx = self.queue.database().begin().await?;
            let known = self.queue.keyed(&mut tx, key, new).await?;
            tx.rollback().await?;
            if known.is_some() {
                return Ok(true);
            }
        }
        Ok(self.queue.equal(new).await?.is_some())
    }

    /// Checks the jobs that new ones are to wait for.
    async fn check_needs(&self, caller: AccountAddress, options: Option<&v1::JobOptions>) -> Result<()> {
        let others = options.map(|o| o.needs.as_slice()).unwrap_or_default();
        if others.len() > MOST_NEEDS {
            return Err(Problem::field("options.needs", format!("{} jobs: at most {MOST_NEEDS}", others.len())));
        }
        for needed in others {
            self.ownership.job(caller, needed).await?;
        }
        Ok(())
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

    /// Queues admitted work, all or none. Grants are used in the same transaction, and only by new jobs; notes are kept
    /// in it, by new jobs and by those found. If an equal job has already succeeded, its outcome is registered again,
    /// because work for another chain may have replaced it since; if its artefacts are damaged, the work is queued anew.
    pub(crate) async fn queue_all(
        &self,
        caller: AccountAddress,
        admitted: &[Admitted],
        options: Option<&v1::JobOptions>,
    ) -> Result<Vec<Job>> {
        self.queue_each(caller, admitted, options, |job| job).await
    }

    /// [`Admission::queue_all`], keeping of each job only what `told` makes of it: payloads of many jobs may be large.
    pub(crate) async fn queue_each<T>(
        &self,
        caller: AccountAddress,
        admitted: &[Admitted],
        options: Option<&v1::JobOptions>,
        told: impl Fn(Job) -> T,
    ) -> Result<Vec<T>> {
        self.check_needs(caller, options).await?;
        let others = options.map(|o| o.needs.as_slice()).unwrap_or_default();
        let damaged = self.damaged(caller, admitted, options).await?;
        let mut tx = self.queue.database().begin().await?;
        let mut jobs = Vec::with_capacity(admitted.len());
        for (Admitted { work, grants, parts, note, .. }, index) in admitted.iter().zip(0..) {
            let new = self.new_job(caller, work, options)?;
            let key = key(options, admitted.len() > 1, index);
            if let Some(key) = &key {
                if let Some(job) = self.queue.keyed(&mut tx, key, &new).await? {
                    self.keep_note(&mut tx, &job, note.as_deref()).await?;
                    jobs.push(told(job));
                    continue;
                }
            }
            let (job, fresh) = self.insert(&mut tx, &new, &damaged).await?;
            self.queue.mark_submitted(&mut tx, &job.id).await?;
            if let Some(key) = &key {
                self.queue.remember_key(&mut tx, key, &new, &job.id).await?;
            }
            if fresh {
                let mut needs = Vec::with_capacity(parts.len());
                for part in parts {
                    let new = self.new_job(caller, &part.work, options)?;
                    let (made, fresh) = self.insert(&mut tx, &new, &damaged).await?;
                    if fresh {
                        if !others.is_empty() {
                            self.queue.make_wait(&mut tx, &made.id, &[], others).await?;
                        }
                        self.take_uses(&mut tx, caller, &made.id, &part.grants).await?;
                    }
                    needs.push(made.id);
                }
                if !(needs.is_empty() && others.is_empty()) {
                    self.queue.make_wait(&mut tx, &job.id, &needs, others).await?;
                }
                self.take_uses(&mut tx, caller, &job.id, grants).await?;
            }
            self.keep_note(&mut tx, &job, note.as_deref()).await?;
            jobs.push(told(job));
        }
        tx.commit().await?;
        self.wake.notify_one();
        Ok(jobs)
    }

    /// Has a job keep the note of this name, if any.
    async fn keep_note(&self, tx: &mut Tx, job: &Job, name: Option<&str>) -> Result<()> {
        match name {
            Some(name) => self.queue.insert_note(&mut **tx, &job.id, name, "").await,
            None => Ok(()),
        }
    }

    /// Takes the uses of grants that a new job needs.
    async fn take_uses(&self, tx: &mut Tx, caller: AccountAddress, job: &str, grants: &[Grant]) -> Result<()> {
        for Grant { dataset, root, by } in grants {
            let used = match by {
                Right::Open => Use::Open,
                Right::Granted(Some(grant)) if self.registry.use_chain_grant(tx, grant, caller).await? => {
                    Use::Chain(*grant)
                }
                Right::Granted(_) => {
                    self.registry.use_grant(tx, *dataset, caller).await?;
                    Use::Server
                }
            };
            self.registry.record_use(tx, job, *dataset, caller, used, *root).await?;
            self.custody.allow_use(tx, *root, caller).await?;
        }
        Ok(())
    }

    /// Inserts a job, or finds an equal one that is not `damaged`. True if it is new.
    async fn insert(&self, tx: &mut Tx, new: &NewJob, damaged: &HashSet<String>) -> Result<(Job, bool)> {
        let (job, fresh) = self.queue.insert(tx, new).await?;
        match (&job.outcome, job.state, fresh) {
            (Some(_), State::Succeeded, false) if damaged.contains(&job.id) => {
                self.queue.set_aside(tx, &job.id).await?;
                self.queue.insert(tx, new).await
            }
            (Some(outcome), State::Succeeded, false) => {
                self.registry.record(tx, &job, &serde_json::from_str(outcome)?).await?;
                Ok((job, false))
            }
            _ => Ok((job, fresh)),
        }
    }

    /// The jobs equal to this work that have succeeded, but whose artefacts are damaged. Looked for before the transaction:
    /// reading artefacts takes time.
    ///
    /// # Errors
    /// [`Reason::QuotaSpent`] as soon as more of the work is new than there is room for in the queue.
    async fn damaged(
        &self,
        caller: AccountAddress,
        admitted: &[Admitted],
        options: Option<&v1::JobOptions>,
    ) -> Result<HashSet<String>> {
        let mut room = self.queue.room(&caller.to_string()).await?;
        let mut damaged = HashSet::new();
        for (one, index) in admitted.iter().zip(0..) {
            let key = key(options, admitted.len() > 1, index);
            let known = self.take_room(caller, one, options, key.as_deref(), &mut room).await?;
            let stays = known && !self.note_damaged(&self.new_job(caller, &one.work, options)?, &mut damaged).await?;
            for part in one.parts.iter().filter(|_| !stays) {
                self.note_damaged(&self.new_job(caller, &part.work, options)?, &mut damaged).await?;
            }
        }
        Ok(damaged)
    }

    /// Notes the job equal to `new` that has succeeded, if its artefacts are damaged. True if they are.
    async fn note_damaged(&self, new: &NewJob, damaged: &mut HashSet<String>) -> Result<bool> {
        let Some((id, outcome)) = self.queue.made(new).await? else { return Ok(false) };
        let whole = self.is_whole(&serde_json::from_str(&outcome)?).await?;
        if !whole {
            damaged.insert(id);
        }
        Ok(!whole)
    }

    /// Whether all artefacts of an outcome are undamaged.
    async fn is_whole(&self, outcome: &Outcome) -> Result<bool> {
        for artefact in outcome.artefacts() {
            if !self.artefacts.is_whole(artefact).await? {
                return Ok(false);
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

/// The idempotency key of a job: each of a batch has one of its own.
fn key(options: Option<&v1::JobOptions>, many: bool, index: usize) -> Option<String> {
    let key = options.map_or("", |o| o.idempotency_key.as_str());
    (!key.is_empty()).then(|| if many { format!("{key}/{index}") } else { key.to_owned() })
}
