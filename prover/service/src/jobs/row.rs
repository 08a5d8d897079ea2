//! Decoding rows of the table `jobs`.

use sqlx::any::AnyRow;
use sqlx::Row as _;
use tribute_problem::{Problem, Result};
use tribute_steps::toolbox::Progress;

use super::{Job, State};

/// Columns that [`job_from_row`] reads.
pub(super) const JOB_COLUMNS: &str = "id, tenant, kind, payload, state, starts, attempts, max_attempts, fence, worker,
    phase, done, total, problem, outcome, created_ms, started_ms, ended_ms, trace";

pub(super) fn job_from_row(row: &AnyRow) -> Result<Job> {
    let state: String = row.try_get("state")?;
    let problem: Option<String> = row.try_get("problem")?;
    let unsigned = |name| -> Result<u64> { Ok(row.try_get::<i64, _>(name)?.unsigned_abs()) };
    Ok(Job {
        id: row.try_get("id")?,
        tenant: row.try_get("tenant")?,
        kind: row.try_get("kind")?,
        payload: row.try_get("payload")?,
        state: State::from_text(&state).ok_or_else(|| Problem::internal(format!("job state `{state}`")))?,
        starts: row.try_get("starts")?,
        attempts: row.try_get("attempts")?,
        max_attempts: row.try_get("max_attempts")?,
        fence: row.try_get("fence")?,
        worker: row.try_get("worker")?,
        progress: Progress { phase: row.try_get("phase")?, done: unsigned("done")?, total: unsigned("total")? },
        problem: problem.as_deref().map(serde_json::from_str).transpose()?,
        outcome: row.try_get("outcome")?,
        created_ms: row.try_get("created_ms")?,
        started_ms: row.try_get("started_ms")?,
        ended_ms: row.try_get("ended_ms")?,
        trace: row.try_get("trace")?,
    })
}
