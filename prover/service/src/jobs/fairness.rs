//! Whose job is next: accounts with waiting jobs take turns, and priorities order jobs only within an account. The table
//! `turns` has a row for each account with the number of its queued and running jobs, so that neither choosing the next
//! account nor checking a quota looks at the jobs themselves.
//!
//! A transaction that changes a job locks the job's row first and the account's after it; one that changes jobs of
//! several accounts does so in the accounts' order. So no two wait for each other, but for two cases: a job that ends without
//! success stops its parts, and a submission looks at jobs that its own need after it has counted others. One of these may be
//! leased or end just then. PostgreSQL rolls one of both back: workers try again, and who submits is told to
//! ([`Reason::StorageUnavailable`]).

use sqlx::Row as _;
use tribute_problem::{Problem, Reason, Result};
use tribute_store::db::Tx;

use super::queue::{Queue, DUE};

/// Number of accounts that are looked at together: more than one only because other workers may take the first's job.
const AT_ONCE: i64 = 4;

impl Queue {
    /// The accounts with a job that can start now in `free_mb` of memory, the next first: those with the fewest running
    /// jobs, and among them those whose turn was longest ago.
    pub(super) async fn next_tenants(&self, free_mb: i64) -> Result<Vec<String>> {
        let select = self.database().sql(&format!(
            "SELECT t.tenant FROM turns t WHERE t.queued > 0 AND t.running < $1 AND EXISTS (
                SELECT 1 FROM jobs j WHERE j.tenant = t.tenant AND j.state = 'queued' AND j.waits = 0 AND j.weight_mb <= $2
                    AND {DUE})
             ORDER BY t.running, t.turn, t.tenant LIMIT $3",
        ));
        let select = sqlx::query_scalar(select).bind(self.quotas().running).bind(free_mb).bind(AT_ONCE);
        Ok(select.fetch_all(self.database().pool()).await?)
    }

    /// Counts a new job. An account that had none in the queue takes its turn after all others.
    ///
    /// # Errors
    /// [`Reason::QuotaSpent`] if the account has too many waiting.
    pub(super) async fn count_submitted(&self, tx: &mut Tx, tenant: &str) -> Result<()> {
        let row = sqlx::query(self.database().sql(
            "INSERT INTO turns (tenant, queued, running, turn)
             VALUES ($1, 1, 0, (SELECT COALESCE(MAX(turn), 0) + 1 FROM turns))
             ON CONFLICT (tenant) DO UPDATE SET queued = turns.queued + 1,
                turn = CASE WHEN turns.queued + turns.running = 0 THEN excluded.turn ELSE turns.turn END
             RETURNING queued",
        ))
        .bind(tenant)
        .fetch_one(&mut **tx)
        .await?;
        if row.try_get::<i64, _>("queued")? > self.quotas().queued {
            return Err(self.full());
        }
        Ok(())
    }

    /// How many more jobs of an account may wait.
    pub(crate) async fn room(&self, tenant: &str) -> Result<i64> {
        let select = self.database().sql("SELECT queued FROM turns WHERE tenant = $1");
        let queued: Option<i64> =
            sqlx::query_scalar(select).bind(tenant).fetch_optional(self.database().pool()).await?;
        Ok(self.quotas().queued - queued.unwrap_or(0))
    }

    /// An account would have too many waiting jobs.
    pub(crate) fn full(&self) -> Problem {
        let most = self.quotas().queued;
        let message =
            format!("an account may have {most} jobs waiting, and yours has no room for this: let some end first");
        Problem::new(Reason::QuotaSpent, message).with("most", most)
    }

    /// Counts a queued job as running and ends the account's turn. False if the account already runs as many as it may.
    pub(super) async fn count_started(&self, tx: &mut Tx, tenant: &str) -> Result<bool> {
        let changed = sqlx::query(self.database().sql(
            "UPDATE turns SET queued = queued - 1, running = running + 1,
                turn = (SELECT COALESCE(MAX(turn), 0) + 1 FROM turns)
             WHERE tenant = $1 AND running < $2",
        ))
        .bind(tenant)
        .bind(self.quotas().running)
        .execute(&mut **tx)
        .await?;
        Ok(changed.rows_affected() == 1)
    }

    /// Counts a job that was returned to the queue or has ended.
    pub(super) async fn count_moved(&self, tx: &mut Tx, job: &str, queued: i64, running: i64) -> Result<()> {
        sqlx::query(self.database().sql(
            "UPDATE turns SET queued = queued + $2, running = running + $3
             WHERE tenant = (SELECT tenant FROM jobs WHERE id = $1)",
        ))
        .bind(job)
        .bind(queued)
        .bind(running)
        .execute(&mut **tx)
        .await?;
        Ok(())
    }
}
