//! The queue, the workers and the openings, read from the database.

use serde::Serialize;
use tribute_problem::Result;
use tribute_store::db::Database;

use crate::jobs::presence::REMEMBERED;

/// Name, slots, patience, start, last sign of life, why it is unfit, number of jobs, start of the oldest; times in ms.
type WorkerRow = (String, i64, i64, i64, i64, String, i64, i64);

/// Most tenants and commitments that are listed.
const MOST: i64 = 50;

/// State of the service at one moment.
#[derive(Clone, Debug, Default, Serialize)]
pub struct State {
    /// Unix milliseconds by the database's clock.
    pub now_ms: i64,
    /// Jobs that wait, in all.
    pub queued: i64,
    /// Jobs that run, in all.
    pub running: i64,
    /// Tenants with jobs that wait or run: those with the oldest waiting job first, at most 50.
    pub tenants: Vec<Tenant>,
    /// Workers that have been heard of within the hour, by name.
    pub workers: Vec<Worker>,
    /// Jobs that ended within the last hour, by kind and state.
    pub ended: Vec<Ended>,
    /// The commitments with the fewest openings left, at most 50.
    pub openings: Vec<Openings>,
}

/// A tenant's part of the queue.
#[derive(Clone, Debug, Serialize)]
pub struct Tenant {
    /// Its account.
    pub tenant: String,
    /// Its waiting jobs.
    pub queued: i64,
    /// Its running jobs.
    pub running: i64,
    /// Age of its oldest waiting job, milliseconds; 0 if none waits.
    pub oldest_ms: i64,
}

/// A worker.
#[derive(Clone, Debug, Serialize)]
pub struct Worker {
    /// Its name: process id and a random suffix.
    pub worker: String,
    /// Time since its last heartbeat, milliseconds.
    pub heard_ms: i64,
    /// Whether it is presumed lost: its jobs go to others.
    pub silent: bool,
    /// Jobs that it runs.
    pub jobs: i64,
    /// Jobs that it runs at most.
    pub slots: i64,
    /// How long the oldest of them has run, milliseconds; 0 if it runs none.
    pub longest_ms: i64,
    /// When it was started, Unix milliseconds.
    pub started_ms: i64,
    /// Why it runs no jobs; empty if it does.
    pub unfit: String,
}

/// Jobs that ended.
#[derive(Clone, Debug, Serialize)]
pub struct Ended {
    /// Their kind.
    pub kind: String,
    /// Their state.
    pub state: String,
    /// How many.
    pub jobs: i64,
}

/// A commitment's budget in this store.
#[derive(Clone, Debug, Serialize)]
pub struct Openings {
    /// Digest of the commitment.
    pub commitment: String,
    /// Openings left.
    pub left: i64,
}

/// Reads the state.
///
/// # Errors
/// If the database does not answer.
pub async fn read(db: &Database) -> Result<State> {
    let now_ms = db.now_ms().await?;
    let pool = db.pool();
    let (queued, running): (i64, i64) = sqlx::query_as(
        "SELECT CAST(COALESCE(SUM(queued), 0) AS BIGINT), CAST(COALESCE(SUM(running), 0) AS BIGINT) FROM turns",
    )
    .fetch_one(pool)
    .await?;
    let tenants: Vec<(String, i64, i64, i64)> = sqlx::query_as(db.sql(
        "SELECT t.tenant, t.queued, t.running, COALESCE(
            (SELECT MIN(j.created_ms) FROM jobs j WHERE j.tenant = t.tenant AND j.state = 'queued'), 0) AS oldest
         FROM turns t WHERE t.queued + t.running > 0
         ORDER BY CASE WHEN t.queued = 0 THEN 1 ELSE 0 END, oldest LIMIT $1",
    ))
    .bind(MOST)
    .fetch_all(pool)
    .await?;
    let workers: Vec<WorkerRow> = sqlx::query_as(db.sql(
        "SELECT w.worker, w.slots, w.patience_ms, w.started_ms, w.seen_ms, w.unfit, COUNT(j.id), COALESCE(MIN(j.started_ms), 0)
         FROM workers w LEFT JOIN jobs j ON j.worker = w.worker AND j.state = 'running'
         WHERE w.seen_ms > $1 GROUP BY w.worker, w.slots, w.patience_ms, w.started_ms, w.seen_ms, w.unfit ORDER BY w.worker",
    ))
    .bind(now_ms - REMEMBERED.as_millis() as i64)
    .fetch_all(pool)
    .await?;
    let ended: Vec<(String, String, i64)> = sqlx::query_as(
        db.sql("SELECT kind, state, COUNT(*) FROM jobs WHERE ended_ms > $1 GROUP BY kind, state ORDER BY kind, state"),
    )
    .bind(now_ms - 3_600_000)
    .fetch_all(pool)
    .await?;
    let openings: Vec<(String, i64)> =
        sqlx::query_as(db.sql("SELECT digest, ends - used FROM openings ORDER BY ends - used, digest LIMIT $1"))
            .bind(MOST)
            .fetch_all(pool)
            .await?;
    Ok(State {
        now_ms,
        queued,
        running,
        tenants: tenants
            .into_iter()
            .map(|(tenant, queued, running, oldest)| Tenant {
                tenant,
                queued,
                running,
                oldest_ms: if oldest == 0 { 0 } else { (now_ms - oldest).max(0) },
            })
            .collect(),
        workers: workers
            .into_iter()
            .map(|(worker, slots, patience_ms, started_ms, seen, unfit, jobs, since)| {
                let heard_ms = (now_ms - seen).max(0);
                let longest_ms = if jobs == 0 { 0 } else { (now_ms - since).max(0) };
                Worker { worker, heard_ms, silent: heard_ms > patience_ms, jobs, slots, longest_ms, started_ms, unfit }
            })
            .collect(),
        ended: ended.into_iter().map(|(kind, state, jobs)| Ended { kind, state, jobs }).collect(),
        openings: openings.into_iter().map(|(commitment, left)| Openings { commitment, left }).collect(),
    })
}
