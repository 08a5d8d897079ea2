//! Durable jobs. A job is a row; whoever holds its lease runs it, in a process of its own.
//!
//! | module | does |
//! |---|---|
//! | [`queue`] | the rows: submit, lease, heartbeat, finish, cancel, recover |
//! | [`view`] | reading jobs and their events |
//! | [`worker`] | leases jobs, admits them by memory, runs each in a child process |
//!
//! Life of a job:
//!
//! ```text
//! queued ──lease──▶ running ──complete──▶ succeeded
//!    ▲                 │ ├─────fail──────▶ failed      (a failure of its own, attempts used up)
//!    └──lost, retry────┘ └────cancel─────▶ cancelled
//! ```
//!
//! Every lease carries a fencing token, one higher than the last. Progress, completion and failure are accepted only
//! from the holder of the current token, so a worker that was thought dead can change nothing, and a job ends once.

pub mod queue;
mod row;
pub mod view;
pub mod worker;

use serde::{Deserialize, Serialize};
use tribute_problem::Problem;
use tribute_steps::toolbox::Progress;

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Waits for a worker.
    Queued,
    /// A worker holds its lease.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
    /// Stopped by its owner.
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
    /// Whether nothing will change any more.
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
    /// Higher first.
    pub priority: i64,
    /// Memory it will need.
    pub weight_mb: i64,
    /// Unix milliseconds by which it must have ended.
    pub deadline_ms: Option<i64>,
}

/// A job's row.
#[derive(Clone, Debug)]
pub struct Job {
    /// Random, 32 hex digits.
    pub id: String,
    /// Owner.
    pub tenant: String,
    /// Kind of work.
    pub kind: String,
    /// The work, as JSON.
    pub payload: String,
    /// Where it stands.
    pub state: State,
    /// Times it was leased.
    pub starts: i64,
    /// Attempts used up by failures of its own.
    pub attempts: i64,
    /// Attempts it has.
    pub max_attempts: i64,
    /// Fencing token of the latest lease.
    pub fence: i64,
    /// Who holds or held it.
    pub worker: Option<String>,
    /// How far it is.
    pub progress: Progress,
    /// Why it failed.
    pub problem: Option<Problem>,
    /// What came of it, as JSON.
    pub outcome: Option<String>,
    /// Unix milliseconds.
    pub created_ms: i64,
    /// Unix milliseconds; 0 before.
    pub started_ms: i64,
    /// Unix milliseconds; 0 before.
    pub ended_ms: i64,
}

/// What happened to a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It changed state.
    State(State),
    /// It went on.
    Progress(Progress),
    /// Its worker was lost and it waits for another.
    Requeued(String),
}

/// An event with its place in the job's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// 1, 2, 3 … within a job.
    pub sequence: i64,
    /// Unix milliseconds.
    pub at_ms: i64,
    /// What happened.
    pub event: Event,
}

/// The right to run a job, until it lapses.
#[derive(Clone, Debug)]
pub struct Lease {
    /// The job as it was when leased.
    pub job: Job,
    /// Token that every change must show.
    pub fence: i64,
}

/// A lease that no longer counts: somebody else has the job, or it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lease has lapsed: the job went to another worker or has ended")]
pub struct Fenced;
