//! Durable jobs. A job is a database row; the worker that holds its lease runs it in a child process.
//!
//! | module | does |
//! |---|---|
//! | [`config`] | how a worker is configured |
//! | [`fairness`] | whose job is next, and how many an account may have |
//! | [`fitness`] | whether a worker's machine can do the service's jobs |
//! | [`keys`] | idempotency keys |
//! | `leasing` | leases jobs that fit into memory, and runs them |
//! | `lent` | weights lent for a job, which end with it |
//! | `lost` | jobs that have lost their worker |
//! | [`needs`] | jobs that wait for other jobs |
//! | [`news`] | tells those who wait what has changed |
//! | [`notes`] | what jobs keep for later runs |
//! | [`presence`] | which workers there are |
//! | [`retention`] | forgets what is old |
//! | [`queue`] | the rows: submit, lease, heartbeat, finish, cancel |
//! | [`view`] | reading jobs and their events |
//! | `run` | one leased job: its process, its lease, its end |
//! | `spares` | processes that wait for jobs with keys in memory |
//! | [`worker`] | what a worker works with |
//!
//! States of a job:
//!
//! ```text
//! queued ──lease──▶ running ──complete──▶ succeeded
//!    ▲                 │ ├─────fail──────▶ failed      (the job itself failed, or no attempts are left)
//!    └──lost, retry────┘ └────cancel─────▶ cancelled
//! ```
//!
//! Every lease carries a fencing token, one higher than the last. Progress, completion and failure are accepted only
//! from the holder of the current token, so a worker that was presumed dead cannot change anything, and a job ends
//! exactly once.

pub mod config;
pub mod fairness;
pub mod fitness;
pub mod keys;
mod leasing;
pub(crate) mod lent;
mod lost;
pub mod needs;
pub mod news;
pub mod notes;
pub mod presence;
pub mod queue;
pub mod retention;
mod row;
mod run;
mod spares;
pub mod view;
pub mod worker;

use serde::{Deserialize, Serialize};
use tribute_problem::Problem;
use tribute_steps::toolbox::Progress;

/// State of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Waiting for a worker.
    Queued,
    /// A worker holds its lease.
    Running,
    /// Finished with an outcome.
    Succeeded,
    /// Ended with a problem.
    Failed,
    /// Cancelled by its owner.
    Cancelled,
}

impl State {
    /// The text in the table.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Running => "running",
            State::Succeeded => "succeeded",
            State::Failed => "failed",
            State::Cancelled => "cancelled",
        }
    }
    /// Inverse of [`State::text`].
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        [State::Queued, State::Running, State::Succeeded, State::Failed, State::Cancelled]
            .into_iter()
            .find(|s| s.text() == text)
    }
    /// Whether the state is final.
    #[must_use]
    pub fn has_ended(self) -> bool {
        matches!(self, State::Succeeded | State::Failed | State::Cancelled)
    }
}

/// A job to submit.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Account that owns it, lower-case hex with 0x.
    pub tenant: String,
    /// Kind of work.
    pub kind: String,
    /// The work, as JSON. Equal work of one tenant is one job.
    pub payload: String,
    /// Among the tenant's own jobs, higher priorities run first.
    pub priority: i64,
    /// Estimated memory use, MB.
    pub weight_mb: i64,
    /// Unix milliseconds by which it must have ended, if it has a deadline.
    pub deadline_ms: Option<i64>,
}

/// A job's row.
#[derive(Clone, Debug)]
pub struct Job {
    /// Random, 32 hex digits.
    pub id: String,
    /// Account that owns it.
    pub tenant: String,
    /// Kind of work.
    pub kind: String,
    /// The work, as JSON.
    pub payload: String,
    /// Current state.
    pub state: State,
    /// Number of times it was leased.
    pub starts: i64,
    /// Attempts used up: failures of the job itself, not lost workers.
    pub attempts: i64,
    /// Attempts allowed.
    pub max_attempts: i64,
    /// Fencing token of the latest lease.
    pub fence: i64,
    /// Worker that holds the lease, or held it last.
    pub worker: Option<String>,
    /// Progress last reported.
    pub progress: Progress,
    /// Why it failed.
    pub problem: Option<Problem>,
    /// Its outcome, as JSON.
    pub outcome: Option<String>,
    /// Unix milliseconds.
    pub created_ms: i64,
    /// Start of the latest lease, Unix milliseconds; 0 if it was never leased.
    pub started_ms: i64,
    /// Unix milliseconds; 0 until it has ended.
    pub ended_ms: i64,
    /// The trace of the call that submitted it, as `traceparent`.
    pub trace: Option<String>,
}

/// What happened to a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A new state.
    State(State),
    /// New progress.
    Progress(Progress),
    /// Back in the queue, with the reason: its worker was lost or is stopping, or the attempt failed and will be
    /// repeated.
    Requeued(String),
}

/// An event with its position in the job's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// 1, 2, 3, … within a job.
    pub sequence: i64,
    /// Unix milliseconds.
    pub at_ms: i64,
    /// What happened.
    pub event: Event,
}

/// The exclusive right to run a job until the lease lapses.
#[derive(Clone, Debug)]
pub struct Lease {
    /// The job as it was when leased.
    pub job: Job,
    /// Fencing token, required for every change.
    pub fence: i64,
}

/// The lease is no longer valid: another worker has the job, or the job has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lease has lapsed: the job went to another worker or has ended")]
pub struct Fenced;
