//! Read-only queries of jobs and their events.

use sqlx::Row as _;
use tribute_problem::Result;

use super::queue::Queue;
use super::row::{job_from_row, JOB_COLUMNS};
use super::{EventRow, Job, State};

impl Queue {
    /// A job by id.
    pub async fn get(&self, id: &str) -> Result<Option<Job>> {
        let db = self.database();
        let row = sqlx::query(db.sql(&format!("SELECT {JOB_COLUMNS} FROM jobs WHERE id = $1")))
            .bind(id)
            .fetch_optional(db.pool())
            .await?;
        row.as_ref().map(job_from_row).transpose()
    }

    /// A page of a tenant's jobs, newest first, starting after the job `after` (creation time and id).
    pub async fn list(
        &self,
        tenant: &str,
        state: Option<State>,
        after: Option<(i64, String)>,
        limit: i64,
    ) -> Result<Vec<Job>> {
        let db = self.database();
        let (at, id) = after.unwrap_or((i64::MAX, String::new()));
        let rows = sqlx::query(db.sql(&format!(
            "SELECT {JOB_COLUMNS} FROM jobs
             WHERE tenant = $1 AND ($2 = '' OR state = $2) AND (created_ms < $3 OR (created_ms = $3 AND id < $4))
             ORDER BY created_ms DESC, id DESC LIMIT $5"
        )))
        .bind(tenant)
        .bind(state.map_or("", State::text))
        .bind(at)
        .bind(id)
        .bind(limit)
        .fetch_all(db.pool())
        .await?;
        rows.iter().map(job_from_row).collect()
    }

    /// A job's events after `sequence`, oldest first, at most 500.
    pub async fn events(&self, id: &str, sequence: i64) -> Result<Vec<EventRow>> {
        let db = self.database();
        let rows = sqlx::query(db.sql(
            "SELECT sequence, at_ms, event FROM job_events WHERE job = $1 AND sequence > $2 ORDER BY sequence LIMIT 500",
        ))
        .bind(id)
        .bind(sequence)
        .fetch_all(db.pool())
        .await?;
        rows.iter()
            .map(|row| {
                let event: String = row.try_get("event")?;
                Ok(EventRow {
                    sequence: row.try_get("sequence")?,
                    at_ms: row.try_get("at_ms")?,
                    event: serde_json::from_str(&event)?,
                })
            })
            .collect()
    }

    /// Number of jobs in each state, for metrics.
    pub async fn counts(&self) -> Result<Vec<(String, i64)>> {
        let db = self.database();
        let rows =
            sqlx::query(db.sql("SELECT state, COUNT(*) AS n FROM jobs GROUP BY state")).fetch_all(db.pool()).await?;
        rows.iter().map(|row| Ok((row.try_get("state")?, row.try_get("n")?))).collect()
    }
}
