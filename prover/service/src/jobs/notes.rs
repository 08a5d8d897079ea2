//! Notes that jobs keep while they run, such as of finished proofs: a run that goes on on another machine finds them, and so do
//! the tenant's other jobs that need the same. They go with the job that kept them.

use sqlx::{Any, Executor};
use tribute_problem::Result;

use super::queue::Queue;

impl Queue {
    /// Keeps a job's note under a name, in place of an earlier one.
    pub async fn keep_note(&self, job: &str, name: &str, note: &str) -> Result<()> {
        self.insert_note(self.database().pool(), job, name, note).await
    }

    /// [`Queue::keep_note`] by a connection of the caller's, which may be in a transaction.
    pub(crate) async fn insert_note<'c>(
        &self,
        connection: impl Executor<'c, Database = Any>,
        job: &str,
        name: &str,
        note: &str,
    ) -> Result<()> {
        sqlx::query(self.database().sql(
            "INSERT INTO job_notes (job, name, note) VALUES ($1, $2, $3)
             ON CONFLICT (job, name) DO UPDATE SET note = excluded.note",
        ))
        .bind(job)
        .bind(name)
        .bind(note)
        .execute(connection)
        .await?;
        Ok(())
    }

    /// Whether a job of a tenant that waits, runs or has succeeded keeps a note under a name.
    pub async fn is_noted(&self, tenant: &str, name: &str) -> Result<bool> {
        let db = self.database();
        let select = "SELECT COUNT(*) FROM job_notes n JOIN jobs j ON j.id = n.job WHERE n.name = $1 AND j.tenant = $2
             AND j.state IN ('queued', 'running', 'succeeded') AND j.cancel = 0";
        let jobs: i64 = sqlx::query_scalar(db.sql(select)).bind(name).bind(tenant).fetch_one(db.pool()).await?;
        Ok(jobs > 0)
    }

    /// The note that a tenant's job has kept under a name, of the latest job that has one.
    pub async fn note(&self, tenant: &str, name: &str) -> Result<Option<String>> {
        let db = self.database();
        let select = "SELECT n.note FROM job_notes n JOIN jobs j ON j.id = n.job WHERE n.name = $1 AND j.tenant = $2
             ORDER BY j.created_ms DESC, j.id LIMIT 1";
        Ok(sqlx::query_scalar(db.sql(select)).bind(name).bind(tenant).fetch_optional(db.pool()).await?)
    }
}
