//! Jobs that need other jobs: they start when all of those have succeeded, and fail with the first that does not.

use sqlx::Row as _;
use tribute_problem::{Problem, Reason, Result};
use tribute_steps::work::Outcome;
use tribute_store::db::Tx;

use super::queue::Queue;
use super::State;

impl Queue {
    /// Makes a queued job wait for its `parts`, in whose order [`Queue::needed`] returns their outcomes, and for `others`.
    ///
    /// # Errors
    /// If one of them does not exist or can no longer succeed.
    pub async fn make_wait(&self, tx: &mut Tx, job: &str, parts: &[String], others: &[String]) -> Result<()> {
        let db = self.database();
        let mut waits = 0_i64;
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
                Some(State::Queued | State::Running) => waits += 1,
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
            .bind(waits)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }

    /// Outcomes of a job's parts, which have all succeeded.
    pub async fn needed(&self, job: &str) -> Result<Vec<Outcome>> {
        let db = self.database();
        let rows = sqlx::query(db.sql(
            "SELECT j.outcome FROM job_needs n JOIN jobs j ON j.id = n.needs WHERE n.job = $1 AND n.position >= 0 ORDER BY n.position",
        ))
        .bind(job)
        .fetch_all(db.pool())
        .await?;
        rows.iter()
            .map(|row| {
                let outcome: Option<String> = row.try_get("outcome")?;
                let text =
                    outcome.ok_or_else(|| Problem::internal(format!("job {job} started before what it needs")))?;
                Ok(serde_json::from_str(&text)?)
            })
            .collect()
    }

    /// A job has ended: those that need it come closer to their start, or fail.
    pub(super) async fn tell_dependents(&self, tx: &mut Tx, ended: &str, state: State) -> Result<()> {
        let db = self.database();
        if state == State::Succeeded {
            sqlx::query(db.sql(
                "UPDATE jobs SET waits = waits - 1 WHERE state = 'queued' AND id IN
                    (SELECT job FROM job_needs WHERE needs = $1)",
            ))
            .bind(ended)
            .execute(&mut **tx)
            .await?;
            return Ok(());
        }
        let dependents: Vec<String> = sqlx::query_scalar(db.sql(
            "SELECT n.job FROM job_needs n JOIN jobs j ON j.id = n.job
             WHERE n.needs = $1 AND j.state = 'queued' ORDER BY j.tenant, n.job",
        ))
        .bind(ended)
        .fetch_all(&mut **tx)
        .await?;
        for dependent in dependents {
            let problem = lost(ended);
            // in a box, because it tells its own dependents in turn
            Box::pin(self.end_where(tx, &dependent, "$2 = 0", 0, State::Failed, Some(&problem), None)).await?;
        }
        Ok(())
    }

    /// Cancels the parts of a job that is being cancelled.
    pub(super) async fn cancel_parts(&self, tx: &mut Tx, job: &str) -> Result<()> {
        let db = self.database();
        let parts: Vec<String> = sqlx::query_scalar(db.sql(
            "SELECT n.needs FROM job_needs n JOIN jobs j ON j.id = n.needs
             WHERE n.job = $1 AND n.position >= 0 AND j.state IN ('queued', 'running') ORDER BY j.tenant, n.needs",
        ))
        .bind(job)
        .fetch_all(&mut **tx)
        .await?;
        for part in parts {
            sqlx::query(db.sql("UPDATE jobs SET cancel = 1 WHERE id = $1")).bind(&part).execute(&mut **tx).await?;
            let guard = "state = 'queued' AND $2 = 0";
            self.end_where(tx, &part, guard, 0, State::Cancelled, None, None).await?;
        }
        Ok(())
    }
}

fn lost(job: &str) -> Problem {
    let message =
        format!("job {job}, which this one needs, has not succeeded: mend what it says, and submit both again");
    Problem::new(Reason::NotReady, message).with("job", job)
}
