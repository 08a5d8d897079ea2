//! The queue's rows. Every change is one transaction, so a crash leaves either the state before it or the state after
//! it.

use sha2::{Digest as _, Sha256};
use sqlx::Row as _;
use tribute_problem::{Problem, Result};
use tribute_steps::toolbox::Progress;
use tribute_store::db::{Database, Tx};
use tribute_telemetry::names::{requeued, Requeue};
use tribute_telemetry::trace;

use super::news::CHANNEL;
use super::row::{job_from_row, JOB_COLUMNS};
use super::{Event, Fenced, Job, Lease, NewJob, State};
use crate::registry::grants::{give_back, is_given_back};

/// Lost workers allowed before a job fails. A lost worker uses up no attempt, but a job that loses this many is itself
/// the cause.
pub const MAX_LOST: i64 = 20;
/// Longest lease, and longest pause before a job is tried again, milliseconds. A time further ahead was written while a clock
/// was wrong, and counts as past.
pub const LONGEST_MS: i64 = 600_000;
/// Attempts allowed for a job that keeps failing.
pub const MAX_ATTEMPTS: i64 = 3;

/// SQL: whether a queued job `j` need not wait after a failure.
pub(super) const DUE: &str = "NOT j.not_before_ms BETWEEN {now} + 1 AND {now} + 600000";
const _: () = assert!(LONGEST_MS == 600_000);

/// Jobs that one account may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Waiting jobs. Equal work counts once.
    pub queued: i64,
    /// Running jobs, over all workers.
    pub running: i64,
}

impl Default for Quotas {
    fn default() -> Self {
        Quotas { queued: 1_000, running: 16 }
    }
}

/// The job queue in the database.
#[derive(Clone, Debug)]
pub struct Queue {
    db: Database,
    quotas: Quotas,
}

/// Response to a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heartbeat {
    /// Keep running.
    Continue,
    /// The owner has cancelled the job: stop.
    Cancel,
}

/// A job's success, not yet committed, so that its effects can join the same transaction.
pub struct Completion {
    /// The transaction, in which the job is already marked as succeeded.
    pub tx: Tx,
}

impl Completion {
    /// Commits the success and its effects.
    pub async fn commit(self) -> Result<()> {
        Ok(self.tx.commit().await?)
    }
}

/// Result of a change that needs a valid lease. The outer error is a database problem, the inner a lapsed lease.
pub type Guarded<T> = Result<std::result::Result<T, Fenced>>;

impl Queue {
    /// The queue in `db`, with the usual quotas.
    #[must_use]
    pub fn new(db: Database) -> Self {
        Queue { db, quotas: Quotas::default() }
    }

    /// The same queue with other quotas for those who submit and lease through it.
    #[must_use]
    pub fn with_quotas(self, quotas: Quotas) -> Self {
        Queue { quotas, ..self }
    }

    pub(crate) fn quotas(&self) -> Quotas {
        self.quotas
    }

    /// The database underneath.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.db
    }

    /// Queues a job, or returns an equal job of the same tenant that has not failed or been cancelled. True if it is
    /// new.
    pub async fn submit(&self, new: &NewJob) -> Result<(Job, bool)> {
        let mut jobs = self.submit_all(std::slice::from_ref(new)).await?;
        jobs.pop().ok_or_else(|| Problem::internal("a submitted job vanished"))
    }

    /// [`Queue::submit`] for several jobs, in one transaction.
    pub async fn submit_all(&self, new: &[NewJob]) -> Result<Vec<(Job, bool)>> {
        let mut tx = self.db.begin().await?;
        let mut jobs = Vec::with_capacity(new.len());
        for job in new {
            let (job, fresh) = self.insert(&mut tx, job).await?;
            self.mark_submitted(&mut tx, &job.id).await?;
            jobs.push((job, fresh));
        }
        tx.commit().await?;
        Ok(jobs)
    }

    /// [`Queue::submit`] within the caller's transaction, of a job that may be only a part of another:
    /// [`Queue::mark_submitted`] says that it is not.
    pub async fn insert(&self, tx: &mut Tx, new: &NewJob) -> Result<(Job, bool)> {
        let content = content_hash(new);
        let id = hex::encode(rand::random::<[u8; 16]>());
        let inserted = sqlx::query(self.db.sql(
            "INSERT INTO jobs (id, tenant, kind, content, payload, state, priority, weight_mb, starts, lost, attempts,
                max_attempts, fence, cancel, phase, done, total, events, deadline, created_ms, not_before_ms, started_ms, ended_ms, trace,
                submitted)
             VALUES ($1, $2, $3, $4, $5, 'queued', $6, $7, 0, 0, 0, $8, 0, 0, '', 0, 0, 0, $9, {now}, 0, 0, 0, $10, 0)
             ON CONFLICT DO NOTHING",
        ))
        .bind(&id)
        .bind(&new.tenant)
        .bind(&new.kind)
        .bind(&content)
        .bind(&new.payload)
        .bind(new.priority)
        .bind(new.weight_mb)
        .bind(MAX_ATTEMPTS)
        .bind(new.deadline_ms.unwrap_or(0))
        .bind(trace::of(&tracing::Span::current()))
        .execute(&mut **tx)
        .await?
        .rows_affected();
        if inserted == 1 {
            self.count_submitted(tx, &new.tenant).await?;
            self.add_event(tx, &id, &Event::State(State::Queued)).await?;
        }
        let row = sqlx::query(self.db.sql(&format!(
            "SELECT {JOB_COLUMNS} FROM jobs WHERE content = $1 AND state IN ('queued', 'running', 'succeeded') AND cancel = 0"
        )))
        .bind(&content)
        .fetch_one(&mut **tx)
        .await?;
        Ok((job_from_row(&row)?, inserted == 1))
    }

    /// Marks a job as submitted: it does not end with a job whose part it is.
    pub async fn mark_submitted(&self, tx: &mut Tx, id: &str) -> Result<()> {
        sqlx::query(self.db.sql("UPDATE jobs SET submitted = 1 WHERE id = $1 AND submitted = 0"))
            .bind(id)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }

    /// Marks a finished job whose artefacts are damaged, so that equal work is queued anew instead of finding it.
    pub async fn set_aside(&self, tx: &mut Tx, id: &str) -> Result<()> {
        sqlx::query(self.db.sql("UPDATE jobs SET cancel = 1 WHERE id = $1 AND state = 'succeeded'"))
            .bind(id)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }

    /// Leases the next job that fits into `free_mb`, if any: the job of highest priority, and of those the oldest, of the
    /// account whose turn it is.
    pub async fn lease(&self, worker: &str, lease_ms: i64, free_mb: i64) -> Result<Option<Lease>> {
        // other workers may take the jobs that were found: look again, a few times
        for _ in 0..3 {
            let tenants = self.next_tenants(free_mb).await?;
            if tenants.is_empty() {
                break;
            }
            for tenant in &tenants {
                if let Some(lease) = self.lease_of(tenant, worker, lease_ms, free_mb).await? {
                    return Ok(Some(lease));
                }
            }
        }
        Ok(None)
    }

    /// Leases the next job of one account.
    async fn lease_of(&self, tenant: &str, worker: &str, lease_ms: i64, free_mb: i64) -> Result<Option<Lease>> {
        let mut tx = self.db.begin().await?;
        let row = sqlx::query(self.db.sql(&format!(
            "UPDATE jobs SET state = 'running', starts = starts + 1, fence = fence + 1, worker = $1,
                lease_until = {{now}} + $2, started_ms = {{now}}
             WHERE id = (
                SELECT j.id FROM jobs j
                WHERE j.tenant = $4 AND j.state = 'queued' AND j.waits = 0 AND j.weight_mb <= $3 AND {DUE}
                ORDER BY j.priority DESC, j.created_ms, j.id
                LIMIT 1 {{skip_locked}})
             RETURNING {JOB_COLUMNS}"
        )))
        .bind(worker)
        .bind(lease_ms)
        .bind(free_mb)
        .bind(tenant)
        .fetch_optional(&mut *tx)
        .await?;
        let job = row.as_ref().map(job_from_row).transpose()?;
        match job {
            Some(job) if self.count_started(&mut tx, tenant).await? => {
                self.add_event(&mut tx, &job.id, &Event::State(State::Running)).await?;
                tx.commit().await?;
                Ok(Some(Lease { fence: job.fence, job }))
            }
            _ => {
                tx.rollback().await?;
                Ok(None)
            }
        }
    }

    /// Extends a lease and records new progress, if any.
    pub async fn heartbeat(&self, lease: &Lease, lease_ms: i64, progress: Option<&Progress>) -> Guarded<Heartbeat> {
        let mut tx = self.db.begin().await?;
        let row = sqlx::query(self.db.sql(
            "UPDATE jobs SET lease_until = {now} + $3 WHERE id = $1 AND fence = $2 AND state = 'running' RETURNING cancel",
        ))
        .bind(&lease.job.id)
        .bind(lease.fence)
        .bind(lease_ms)
        .fetch_optional(&mut *tx)
        .await?;
        let row = match row {
            Some(row) => Some(row),
            None => self.take_back(&mut tx, lease, lease_ms).await?,
        };
        let Some(row) = row else {
            tx.rollback().await?;
            return Ok(Err(Fenced));
        };
        if let Some(p) = progress {
            sqlx::query(self.db.sql("UPDATE jobs SET phase = $2, done = $3, total = $4 WHERE id = $1"))
                .bind(&lease.job.id)
                .bind(&p.phase)
                .bind(p.done as i64)
                .bind(p.total as i64)
                .execute(&mut *tx)
                .await?;
            self.add_event(&mut tx, &lease.job.id, &Event::Progress(p.clone())).await?;
        }
        tx.commit().await?;
        let cancel: i64 = row.try_get("cancel")?;
        Ok(Ok(if cancel == 0 { Heartbeat::Continue } else { Heartbeat::Cancel }))
    }

    /// Marks a job as succeeded, also if it is back in the queue and nobody has leased it since. The caller adds the
    /// outcome's effects to the transaction and commits it.
    pub async fn complete(&self, lease: &Lease, outcome: &str) -> Guarded<Completion> {
        let mut tx = self.db.begin().await?;
        let (id, fence) = (&lease.job.id, lease.fence);
        let changed = self.end_where(&mut tx, id, "fence = $2", fence, State::Succeeded, None, Some(outcome)).await?;
        if !changed {
            tx.rollback().await?;
            return Ok(Err(Fenced));
        }
        Ok(Ok(Completion { tx }))
    }

    /// Records that the job itself failed. It is queued again if a retry may help and attempts are left; otherwise it
    /// ends as failed.
    pub async fn fail(&self, lease: &Lease, problem: &Problem) -> Guarded<State> {
        let mut tx = self.db.begin().await?;
        let attempts = lease.job.attempts + 1;
        let again = problem.may_pass_later() && attempts < lease.job.max_attempts;
        let changed = if again {
            let changed = sqlx::query(self.db.sql(
                "UPDATE jobs SET state = 'queued', attempts = attempts + 1, worker = NULL, lease_until = NULL,
                    not_before_ms = {now} + $3
                 WHERE id = $1 AND fence = $2 AND state = 'running'",
            ))
            .bind(&lease.job.id)
            .bind(lease.fence)
            .bind(500_i64 << attempts.min(10))
            .execute(&mut *tx)
            .await?
            .rows_affected();
            if changed == 1 {
                self.count_moved(&mut tx, &lease.job.id, 1, -1).await?;
                self.add_event(&mut tx, &lease.job.id, &Event::Requeued(problem.message.clone())).await?;
            }
            changed == 1
        } else {
            sqlx::query(
                self.db
                    .sql("UPDATE jobs SET attempts = attempts + 1 WHERE id = $1 AND fence = $2 AND state = 'running'"),
            )
            .bind(&lease.job.id)
            .bind(lease.fence)
            .execute(&mut *tx)
            .await?;
            self.end(&mut tx, lease, State::Failed, Some(problem)).await?
        };
        if !changed {
            tx.rollback().await?;
            return Ok(Err(Fenced));
        }
        tx.commit().await?;
        if again {
            requeued(Requeue::Failed, 1);
        }
        Ok(Ok(if again { State::Queued } else { State::Failed }))
    }

    /// Marks a running job as cancelled, once its process has stopped.
    pub async fn stopped(&self, lease: &Lease) -> Guarded<()> {
        let mut tx = self.db.begin().await?;
        if !self.end(&mut tx, lease, State::Cancelled, None).await? {
            tx.rollback().await?;
            return Ok(Err(Fenced));
        }
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// Requests cancellation. A queued job ends at once, a running one at its worker's next heartbeat.
    pub async fn cancel(&self, id: &str) -> Result<()> {
        let mut tx = self.db.begin().await?;
        sqlx::query(self.db.sql("UPDATE jobs SET cancel = 1 WHERE id = $1 AND state IN ('queued', 'running')"))
            .bind(id)
            .execute(&mut *tx)
            .await?;
        let zero = 0;
        self.end_where(&mut tx, id, "state = 'queued' AND $2 = 0", zero, State::Cancelled, None, None).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn end(&self, tx: &mut Tx, lease: &Lease, state: State, problem: Option<&Problem>) -> Result<bool> {
        let guard = "fence = $2 AND state = 'running'";
        self.end_where(tx, &lease.job.id, guard, lease.fence, state, problem, None).await
    }

    /// Ends a job if it has not ended and the SQL condition `guard` holds, in which `$2` is `operand`. False if nothing
    /// changed.
    #[allow(clippy::too_many_arguments)]
    pub(super) async fn end_where(
        &self,
        tx: &mut Tx,
        id: &str,
        guard: &str,
        operand: i64,
        state: State,
        problem: Option<&Problem>,
        outcome: Option<&str>,
    ) -> Result<bool> {
        let reason = problem.map(|p| p.reason);
        let written = problem.map(serde_json::to_string).transpose()?;
        let before: Option<(String, i64)> = sqlx::query_as(self.db.sql(&format!(
            "SELECT state, starts FROM jobs WHERE id = $1 AND state IN ('queued', 'running') AND {guard} {{for_update}}"
        )))
        .bind(id)
        .bind(operand)
        .fetch_optional(&mut **tx)
        .await?;
        let Some((before, starts)) = before else { return Ok(false) };
        sqlx::query(self.db.sql(
            "UPDATE jobs SET state = $2, problem = $3, outcome = $4, ended_ms = {now}, lease_until = NULL WHERE id = $1",
        ))
        .bind(id)
        .bind(state.text())
        .bind(written)
        .bind(outcome)
        .execute(&mut **tx)
        .await?;
        let (queued, running) = if before == State::Queued.text() { (-1, 0) } else { (0, -1) };
        self.count_moved(tx, id, queued, running).await?;
        self.add_event(tx, id, &Event::State(state)).await?;
        self.tell_dependents(tx, id, state, problem).await?;
        if state == State::Succeeded {
            return Ok(true);
        }
        self.cancel_parts(tx, id).await?;
        if is_given_back(starts > 0, reason) {
            give_back(&self.db, tx, id).await?;
        }
        Ok(true)
    }

    pub(super) async fn add_event(&self, tx: &mut Tx, id: &str, event: &Event) -> Result<()> {
        let text = serde_json::to_string(event)?;
        if self.db.is_postgres() {
            // a success may release what waited for it
            let ready = matches!(event, Event::State(State::Queued | State::Succeeded) | Event::Requeued(_));
            sqlx::query(self.db.sql(
                "WITH numbered AS (UPDATE jobs SET events = events + 1 WHERE id = $1 RETURNING events),
                      added AS (INSERT INTO job_events (job, sequence, at_ms, event)
                                SELECT $1, events, {now}, $2 FROM numbered RETURNING job)
                 SELECT COUNT(pg_notify($3, $4)) FROM added",
            ))
            .bind(id)
            .bind(text)
            .bind(CHANNEL)
            .bind(if ready { format!("+{id}") } else { id.to_owned() })
            .execute(&mut **tx)
            .await?;
            return Ok(());
        }
        let number: i64 = sqlx::query_scalar("UPDATE jobs SET events = events + 1 WHERE id = $1 RETURNING events")
            .bind(id)
            .fetch_one(&mut **tx)
            .await?;
        sqlx::query(self.db.sql("INSERT INTO job_events (job, sequence, at_ms, event) VALUES ($1, $2, {now}, $3)"))
            .bind(id)
            .bind(number)
            .bind(text)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }
}

/// Identifies equal submissions: SHA-256 over tenant, kind and payload.
pub(super) fn content_hash(new: &NewJob) -> String {
    let mut hash = Sha256::new();
    for part in [&new.tenant, &new.kind, &new.payload] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(hash.finalize())
}
