//! Read-only queries of jobs and their events.

use std::collections::HashSet;

use futures::TryStreamExt as _;
use sqlx::Row as _;
use tribute_core::id::{DatasetId, SrsDigest, WeightsDigest};
use tribute_problem::Result;
use tribute_steps::work::{Outcome, Payload, Work};
use tribute_store::db::Tx;

use super::queue::{content_hash, Queue};
use super::row::{job_from_row, JOB_COLUMNS};
use super::{lent, EventRow, Job, NewJob, State};

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

    /// A job that waits or runs and names an artefact.
    pub async fn needing(&self, tx: &mut Tx, artefact: &str) -> Result<Option<String>> {
        let select =
            "SELECT id FROM jobs WHERE state IN ('queued', 'running') AND payload LIKE '%' || $1 || '%' LIMIT 1";
        let select = sqlx::query_scalar(self.database().sql(select)).bind(artefact);
        Ok(select.fetch_optional(&mut **tx).await?)
    }

    /// What was lent for evaluations that have ended, at most `age_ms` ago.
    pub(super) async fn lent_for_ended(&self, age_ms: i64) -> Result<Vec<String>> {
        let select = "SELECT payload FROM jobs WHERE ended_ms > 0 AND ended_ms > {now} - $1 AND kind = 'evaluation' AND payload LIKE '%\"lent\"%'";
        let select = sqlx::query_scalar(self.database().sql(select)).bind(age_ms);
        let payloads: Vec<String> = select.fetch_all(self.database().pool()).await?;
        Ok(payloads.iter().filter_map(|payload| lent::lent(payload)).collect())
    }

    /// The tables that a tenant's dataset was registered from, as artefacts.
    pub async fn tables_of(&self, tx: &mut Tx, tenant: &str, dataset: DatasetId) -> Result<Vec<String>> {
        let select = self.database().sql(
            "SELECT payload, outcome FROM jobs WHERE tenant = $1 AND kind = 'dataset' AND outcome LIKE '%' || $2 || '%'",
        );
        let rows: Vec<(String, String)> =
            sqlx::query_as(select).bind(tenant).bind(dataset.to_string()).fetch_all(&mut **tx).await?;
        let mut tables = Vec::new();
        for (payload, outcome) in rows {
            // later versions name it, too
            let made = matches!(serde_json::from_str(&outcome)?, Outcome::Dataset(made) if made.id == dataset);
            match serde_json::from_str::<Payload>(&payload)?.work {
                Work::Dataset(job) if made => tables.push(job.records),
                _ => {}
            }
        }
        Ok(tables)
    }

    /// The id of a job equal to `new` that waits, runs or has succeeded.
    pub async fn equal(&self, new: &NewJob) -> Result<Option<String>> {
        let db = self.database();
        let select =
            "SELECT id FROM jobs WHERE content = $1 AND state IN ('queued', 'running', 'succeeded') AND cancel = 0";
        Ok(sqlx::query_scalar(db.sql(select)).bind(content_hash(new)).fetch_optional(db.pool()).await?)
    }

    /// The id and the outcome of a job equal to `new` that has succeeded.
    pub async fn made(&self, new: &NewJob) -> Result<Option<(String, String)>> {
        let db = self.database();
        let select = "SELECT id, outcome FROM jobs
            WHERE content = $1 AND state = 'succeeded' AND cancel = 0 AND outcome IS NOT NULL";
        Ok(sqlx::query_as(db.sql(select)).bind(content_hash(new)).fetch_optional(db.pool()).await?)
    }

    /// The coalitions of an agent that a tenant's jobs have proven under an SRS and a certificate, on any test set: the positions
    /// of their owners.
    pub async fn proven_coalitions(
        &self,
        tenant: &str,
        srs: SrsDigest,
        agent: WeightsDigest,
        certificate: &str,
    ) -> Result<HashSet<Vec<u32>>> {
        let db = self.database();
        let select = db.sql(
            "SELECT payload FROM jobs WHERE tenant = $1 AND kind = 'coalition' AND state = 'succeeded' AND cancel = 0
                AND payload LIKE '%' || $2 || '%'",
        );
        let mut rows = sqlx::query(select).bind(tenant).bind(certificate).fetch(db.pool());
        let mut proven = HashSet::new();
        while let Some(row) = rows.try_next().await? {
            let payload: &str = row.try_get("payload")?;
            let Payload { srs: under, work } = serde_json::from_str(payload)?;
            match work {
                Work::Coalition(job)
                    if under == Some(srs) && job.agent.weights_digest == agent && job.certificate == certificate =>
                {
                    proven.insert(job.owners);
                }
                _ => {}
            }
        }
        Ok(proven)
    }

    /// Mean time of the latest successful jobs of this kind and weight, milliseconds; `None` if there were none.
    pub async fn usual_ms(&self, kind: &str, weight_mb: i64) -> Result<Option<i64>> {
        let db = self.database();
        let select = db.sql(
            "SELECT CAST(AVG(took) AS BIGINT) FROM (
                SELECT ended_ms - started_ms AS took FROM jobs
                WHERE ended_ms > 0 AND kind = $1 AND weight_mb = $2 AND state = 'succeeded'
                ORDER BY ended_ms DESC LIMIT 20) AS latest",
        );
        Ok(sqlx::query_scalar(select).bind(kind).bind(weight_mb).fetch_one(db.pool()).await?)
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
