//! Idempotency keys: the name that a caller gives a submission, so that repeating it does nothing.

use sqlx::Row as _;
use tribute_problem::{Problem, Result};
use tribute_store::db::Tx;

use super::queue::{content_hash, Queue};
use super::row::{job_from_row, JOB_COLUMNS};
use super::{Job, NewJob};

/// Longest key, bytes.
const LONGEST: usize = 200;

impl Queue {
    /// The job that was submitted under `key` before.
    ///
    /// # Errors
    /// If the key is too long, or was used for other work.
    pub async fn keyed(&self, tx: &mut Tx, key: &str, new: &NewJob) -> Result<Option<Job>> {
        if key.len() > LONGEST {
            let message = format!("{} bytes: a key has at most {LONGEST}", key.len());
            return Err(Problem::field("options.idempotency_key", message));
        }
        let db = self.database();
        let row = sqlx::query(db.sql("SELECT content, job FROM job_keys WHERE tenant = $1 AND name = $2"))
            .bind(&new.tenant)
            .bind(key)
            .fetch_optional(&mut **tx)
            .await?;
        let Some(row) = row else { return Ok(None) };
        if row.try_get::<&str, _>("content")? != content_hash(new) {
            let message = format!("`{key}` was used for other work: take another key for this");
            return Err(Problem::field("options.idempotency_key", message));
        }
        let job = sqlx::query(db.sql(&format!("SELECT {JOB_COLUMNS} FROM jobs WHERE id = $1")))
            .bind(row.try_get::<&str, _>("job")?)
            .fetch_optional(&mut **tx)
            .await?;
        job.as_ref().map(job_from_row).transpose()
    }

    /// Remembers under which key a job was submitted.
    ///
    /// # Errors
    /// That another call has just used the key for other work; the database's.
    pub async fn remember_key(&self, tx: &mut Tx, key: &str, new: &NewJob, job: &str) -> Result<()> {
        let insert = "INSERT INTO job_keys (tenant, name, content, job) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
        let done = sqlx::query(self.database().sql(insert))
            .bind(&new.tenant)
            .bind(key)
            .bind(content_hash(new))
            .bind(job)
            .execute(&mut **tx)
            .await?;
        if done.rows_affected() == 0 {
            self.keyed(tx, key, new).await?;
        }
        Ok(())
    }
}
