//! Between rows and messages.

use tribute_proto::v1;

use crate::jobs::{Event, EventRow, Job, Progress, State};
use crate::pipeline::Outcome;
use crate::problem::{Problem, Result};

pub(super) fn state(state: State) -> v1::JobState {
    match state {
        State::Queued => v1::JobState::Queued,
        State::Running => v1::JobState::Running,
        State::Succeeded => v1::JobState::Succeeded,
        State::Failed => v1::JobState::Failed,
        State::Cancelled => v1::JobState::Cancelled,
    }
}

/// A filter's state; `None` for "any".
pub(super) fn state_filter(value: i32) -> Result<Option<State>> {
    Ok(match v1::JobState::try_from(value) {
        Ok(v1::JobState::Unspecified) => None,
        Ok(v1::JobState::Queued) => Some(State::Queued),
        Ok(v1::JobState::Running) => Some(State::Running),
        Ok(v1::JobState::Succeeded) => Some(State::Succeeded),
        Ok(v1::JobState::Failed) => Some(State::Failed),
        Ok(v1::JobState::Cancelled) => Some(State::Cancelled),
        Err(_) => return Err(Problem::field("state", format!("{value} is no job state"))),
    })
}

fn progress(p: Progress) -> v1::Progress {
    v1::Progress { phase: p.phase, done: p.done, total: p.total }
}

fn error(p: Problem) -> v1::JobError {
    v1::JobError { reason: p.reason.text().into(), message: p.message, metadata: p.metadata.into_iter().collect() }
}

pub(super) fn event(row: EventRow) -> v1::JobEvent {
    use v1::job_event::Event as E;
    v1::JobEvent {
        sequence: row.sequence.unsigned_abs(),
        at_ms: row.at_ms.unsigned_abs(),
        event: Some(match row.event {
            Event::State(s) => E::State(state(s).into()),
            Event::Progress(p) => E::Progress(progress(p)),
            Event::Requeued(why) => E::Requeued(why),
        }),
    }
}

/// A job's row as a message; `outcome` as the caller made it from the row's.
pub(super) fn job(job: Job, outcome: Option<v1::Outcome>) -> v1::Job {
    v1::Job {
        id: job.id,
        kind: job.kind,
        state: state(job.state).into(),
        starts: job.starts as u32,
        attempts: job.attempts as u32,
        max_attempts: job.max_attempts as u32,
        progress: (!job.progress.phase.is_empty()).then(|| progress(job.progress)),
        created_ms: job.created_ms.unsigned_abs(),
        started_ms: job.started_ms.unsigned_abs(),
        ended_ms: job.ended_ms.unsigned_abs(),
        error: job.problem.map(error),
        outcome,
    }
}

pub(super) fn outcome(outcome: &Outcome) -> v1::Outcome {
    use v1::outcome::Outcome as O;
    v1::Outcome {
        outcome: Some(match outcome {
            Outcome::Calibrate(c) => {
                O::Calibrate(v1::CalibrateOutcome { milliseconds: c.milliseconds, k: c.k, rounds: c.rounds })
            }
        }),
    }
}

/// A page's size from a request.
pub(super) fn page_size(size: u32) -> Result<i64> {
    match size {
        0 => Ok(100),
        1..=1000 => Ok(size.into()),
        _ => Err(Problem::field("page_size", format!("{size} is more than 1,000"))),
    }
}

/// Where a page starts: creation time and id of the last item before it.
pub(super) fn page_token(token: &str) -> Result<Option<(i64, String)>> {
    if token.is_empty() {
        return Ok(None);
    }
    token
        .split_once(':')
        .and_then(|(at, id)| Some(Some((at.parse().ok()?, id.to_owned()))))
        .ok_or_else(|| Problem::field("page_token", format!("`{token}` comes from no previous page")))
}
