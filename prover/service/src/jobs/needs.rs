//! Jobs that need other jobs: they start when all of those have succeeded, and fail with the first that does not.
//!
//! What a job needs are parts of it, or others. Parts are queued with it: its progress is how many of them have succeeded, a
//! part's failure is its own, and parts that no other job needs and nobody submitted are stopped when it ends before its start.

use std::collections::HashSet;

use sqlx::Row as _;
use tribute_problem::{Problem, Reason, Result};
use tribute_steps::toolbox::Progress;
use tribute_steps::work::Needed;
use tribute_store::db::Tx;

use super::queue::Queue;
use super::{Event, State};

/// Phase of a job that waits for its parts.
const PARTS: &str = "parts";

impl Queue {
    /// Makes a queued job wait for its `parts`, in whose order [`Queue::needed`] returns their outcomes, and for `others`.
    ///
    /// # Errors
    /// If one of them does not exist or can no longer succeed.
    pub async fn make_wait(&self, tx: &mut Tx, job: &str, parts: &[String], others: &[String]) -> Result<()> {
        let db = self.database();
        // a job may be a part and one of the others, or be named twice: its success counts once
        let mut awaited = HashSet::new();
        let others = others.iter().zip((1_i64..).map(|n| -n));
        for (needed, position) in parts.iter().zip(0_i64..).chain(others) {
            // locked, so that it does not end between this look and the end of the transaction
            let state: Option<String> =
                sqlx::query_scalar(db.sql("SELECT state FROM jobs WHERE id = $1 AND cancel = 0 {for_share}"))
                    .bind(needed)
                    .fetch_optional(&mut **tx)
                    .await?;
            match state.as_deref().and_then(State::from_text) {
                Some(State::Succeeded) => {}
                Some(State::Queued | State::Running) => {
                    awaited.insert(needed);
                }
                _ => return Err(lost(needed)),
            }
            sqlx::query(db.sql("INSERT INTO job_needs (job, position, needs) VALUES ($1, $2, $3)"))
                .bind(job)
                .bind(position)
                .bind(needed)
                .execute(&mut **tx)
                .await?;
        }
        sqlx::query(db.sql("UPDATE jobs SET waits = $2 WHERE id = $1"))
            .bind(job)
            .bind(awaited.len() as i64)
            .execute(&mut **tx)
            .await?;
        if !parts.is_empty() {
            self.tell_parts(tx, job).await?;
        }
        Ok(())
    }

    /// A job's parts, which have all succeeded.
    pub async fn needed(&self, job: &str) -> Result<Vec<Needed>> {
        let db = self.database();
        let rows = sqlx::query(db.sql(
            "SELECT j.id, j.outcome FROM job_needs n JOIN jobs j ON j.id = n.needs WHERE n.job = $1 AND n.position >= 0 ORDER BY n.position",
        ))
        .bind(job)
        .fetch_all(db.pool())
        .await?;
        rows.iter()
            .map(|row| {
                let outcome: Option<String> = row.try_get("outcome")?;
                let text =
                    outcome.ok_or_else(|| Problem::internal(format!("job {job} started before what it needs")))?;
                Ok(Needed { job: row.try_get("id")?, outcome: serde_json::from_str(&text)? })
            })
            .collect()
    }

    /// A job has ended: those that need it come closer to their start, or fail.
    pub(super) async fn tell_dependents(
        &self,
        tx: &mut Tx,
        ended: &str,
        state: State,
        problem: Option<&Problem>,
    ) -> Result<()> {
        let db = self.database();
        if state == State::Succeeded {
            sqlx::query(db.sql(
                "UPDATE jobs SET waits = waits - 1 WHERE state = 'queued' AND id IN
                    (SELECT job FROM job_needs WHERE needs = $1)",
            ))
            .bind(ended)
            .execute(&mut **tx)
            .await?;
        }
        let select = "SELECT n.job, MAX(n.position) AS position FROM job_needs n JOIN jobs j ON j.id = n.job
             WHERE n.needs = $1 AND j.state = 'queued' GROUP BY j.tenant, n.job ORDER BY j.tenant, n.job";
        let dependents: Vec<(String, i64)> = sqlx::query_as(db.sql(select)).bind(ended).fetch_all(&mut **tx).await?;
        for (dependent, position) in dependents {
            let is_part = position >= 0;
            if state == State::Succeeded {
                if is_part {
                    self.tell_parts(tx, &dependent).await?;
                }
                continue;
            }
            let problem = match problem {
                Some(problem) if is_part => problem.clone().with("part", ended),
                _ => lost(ended),
            };
            // in a box, because it tells its own dependents in turn
            Box::pin(self.end_where(tx, &dependent, "$2 = 0", 0, State::Failed, Some(&problem), None)).await?;
        }
        Ok(())
    }

    /// Sets a waiting job's progress: how many of its parts have succeeded.
    async fn tell_parts(&self, tx: &mut Tx, job: &str) -> Result<()> {
        let db = self.database();
        let count =
            "SELECT CAST(SUM(CASE WHEN j.state = 'succeeded' THEN 1 ELSE 0 END) AS BIGINT) AS done, COUNT(*) AS total
             FROM job_needs n JOIN jobs j ON j.id = n.needs WHERE n.job = $1 AND n.position >= 0";
        let (done, total): (i64, i64) = sqlx::query_as(db.sql(count)).bind(job).fetch_one(&mut **tx).await?;
        sqlx::query(db.sql("UPDATE jobs SET phase = $2, done = $3, total = $4 WHERE id = $1"))
            .bind(job)
            .bind(PARTS)
            .bind(done)
            .bind(total)
            .execute(&mut **tx)
            .await?;
        let progress = Progress { phase: PARTS.into(), done: done.unsigned_abs(), total: total.unsigned_abs() };
        self.add_event(tx, job, &Event::Progress(progress)).await
    }

    /// Stops the parts of a job that has ended without success, but for those that were submitted, too, or that another job waits
    /// for.
    pub(super) async fn cancel_parts(&self, tx: &mut Tx, job: &str) -> Result<()> {
        let db = self.database();
        let parts: Vec<String> = sqlx::query_scalar(db.sql(
            "SELECT n.needs FROM job_needs n JOIN jobs j ON j.id = n.needs
             WHERE n.job = $1 AND n.position >= 0 AND j.state IN ('queued', 'running') AND j.submitted = 0
                AND NOT EXISTS (SELECT 1 FROM job_needs o JOIN jobs w ON w.id = o.job
                    WHERE o.needs = n.needs AND o.job <> n.job AND w.state = 'queued')
             ORDER BY j.tenant, n.needs",
        ))
        .bind(job)
        .fetch_all(&mut **tx)
        .await?;
        for part in parts {
            sqlx::query(db.sql("UPDATE jobs SET cancel = 1 WHERE id = $1")).bind(&part).execute(&mut **tx).await?;
            let guard = "state = 'queued' AND $2 = 0";
            Box::pin(self.end_where(tx, &part, guard, 0, State::Cancelled, None, None)).await?;
        }
        Ok(())
    }
}

fn lost(job: &str) -> Problem {
    let message =
        format!("job {job}, which this one needs, has not succeeded: mend what it says, and submit both again");
    Problem::new(Reason::NotReady, message).with("job", job)
}
