//! Running one leased job: its process, its lease, and how it ended.
//!
//! A database that is gone ends no process and loses no result: nobody can take the job over without the database either.
//! The process goes on, heartbeats and results are sent again until the database answers, and the fencing token decides.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument as _;
use tribute_problem::{Problem, Result};
use tribute_steps::child::{Ask, Message, Opening, Request, Task, ORPHANED};
use tribute_steps::toolbox::Progress;
use tribute_steps::work::{Outcome, Payload};
use tribute_telemetry::{names, trace};

use super::queue::Heartbeat;
use super::worker::Worker;
use super::{fitness, lent};
use super::{Fenced, Lease, State};
use crate::observe;
use crate::observe::run::Run;

/// Pauses between attempts to reach the database.
const PAUSES: [u64; 5] = [100, 200, 500, 1000, 2000];
/// How long a process that has said how it ended may go on.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How long a worker that is to stop still tries to record a result.
const LAST: Duration = Duration::from_secs(5);

/// How a child process ended.
enum End {
    Done(Box<Outcome>),
    Failed(Problem),
    /// The process cannot work on this machine, or says so.
    Unfit(Problem),
    /// The process ended without a result: killed, or out of memory.
    Lost(String),
    Cancelled,
    Fenced,
    Stopping,
}

impl End {
    /// Its name in metrics.
    fn name(&self) -> &'static str {
        match self {
            End::Done(_) => "succeeded",
            End::Failed(_) => "failed",
            End::Unfit(_) => "unfit",
            End::Lost(_) => "lost",
            End::Cancelled => "cancelled",
            End::Fenced => "fenced",
            End::Stopping => "stopped",
        }
    }
}

/// Runs a job to its end and records that. False if the worker turned out not to be fit for work.
pub(super) async fn run(worker: &Worker, lease: &Lease, mut stop: watch::Receiver<bool>) -> bool {
    let id = &lease.job.id;
    tracing::info!(job = %id, kind = %lease.job.kind, fence = lease.fence, start = lease.job.starts, "job started");
    let span = tracing::info_span!("job", job = %id, kind = %lease.job.kind, start = lease.job.starts);
    trace::follow(&span, lease.job.trace.as_deref());
    let mut run = Run::start(&lease.job.kind);
    let (mut end, fit) = match run_child(worker, lease, &mut run, stop.clone()).instrument(span.clone()).await {
        Ok(end) => blame(worker, end).await,
        // it did not even start
        Err(problem) if problem.is_storage() => (End::Unfit(problem), true),
        Err(problem) => (End::Failed(problem), true),
    };
    run.end(end.name());
    let mut failures = 0;
    let mut give_up: Option<Instant> = None;
    while let Err(problem) = settle(worker, lease, &mut end).instrument(span.clone()).await {
        tracing::error!(job = %id, error = %problem, "cannot record the end of a job");
        if !problem.may_pass_later() || give_up.is_some_and(|at| at < Instant::now()) {
            // the lease will lapse, and the job is run again
            break;
        }
        worker.troubled();
        if *stop.borrow() {
            give_up.get_or_insert(Instant::now() + LAST);
        }
        tokio::select! {
            () = pause(&mut failures) => {}
            _ = stop.changed() => {}
        }
    }
    fit
}

async fn pause(failures: &mut usize) {
    let ms = PAUSES[(*failures).min(PAUSES.len() - 1)];
    *failures += 1;
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// Decides whether the job or the machine failed, by testing the machine. True if the machine is fit.
async fn blame(worker: &Worker, end: End) -> (End, bool) {
    use tribute_problem::Reason as R;
    let problem = match end {
        End::Unfit(problem) => problem,
        End::Failed(problem)
            if matches!(problem.reason, R::ToolMissing | R::StorageFailed | R::ArtefactDamaged | R::NotReady) =>
        {
            problem
        }
        other => return (other, true),
    };
    match fitness::test(&worker.config, worker.queue.database()).await {
        Ok(()) => (End::Failed(problem), true),
        // without the database nothing can be said, and the job's end must wait for it anyway
        Err(p) if p.reason == R::StorageUnavailable => (End::Unfit(problem), true),
        Err(machine) => (End::Unfit(machine), false),
    }
}

/// Records how a run ended. Has no effect if the lease has lapsed in the meantime.
async fn settle(worker: &Worker, lease: &Lease, end: &mut End) -> Result<()> {
    let (id, queue) = (&lease.job.id, &worker.queue);
    // whether the job has ended, unless the lease has lapsed
    let ended = match end {
        End::Done(outcome) => match queue.complete(lease, &serde_json::to_string(&outcome)?).await? {
            Ok(mut completion) => match worker.registry.record(&mut completion.tx, &lease.job, outcome).await {
                Ok(()) => {
                    completion.commit().await?;
                    observe::run::gas(outcome);
                    tracing::info!(job = %id, "job succeeded");
                    Ok(true)
                }
                Err(problem) if problem.is_storage() => return Err(problem),
                Err(problem) => {
                    drop(completion);
                    queue.fail(lease, &problem).await?.map(|state| state == State::Failed)
                }
            },
            Err(fenced) => Err(fenced),
        },
        End::Failed(problem) => {
            tracing::warn!(job = %id, reason = problem.reason.text(), message = %problem.message, "job failed");
            queue.fail(lease, problem).await?.map(|state| state == State::Failed)
        }
        End::Unfit(problem) => {
            tracing::error!(job = %id, reason = problem.reason.text(), message = %problem.message, "this worker is not fit");
            queue.release(lease, "its worker is not fit for work", false).await?.map(|_| false)
        }
        End::Lost(why) => {
            tracing::warn!(job = %id, why = %why, "job's process lost");
            queue.release(lease, why, true).await?.map(|_| false)
        }
        End::Cancelled => queue.stopped(lease).await?.map(|_| true),
        End::Stopping => queue.release(lease, "the worker stopped", false).await?.map(|_| false),
        End::Fenced => Err(Fenced),
    };
    match ended {
        Err(Fenced) => tracing::warn!(job = %id, fence = lease.fence, "lease lapsed: this run counts for nothing"),
        Ok(true) => lent::forget(&worker.queue, &worker.custody, &lease.job).await,
        Ok(false) => {}
    }
    Ok(())
}

/// Starts the child process, keeps the lease alive and returns how the child ended. The child never outlives this call.
async fn run_child(worker: &Worker, lease: &Lease, run: &mut Run, mut stop: watch::Receiver<bool>) -> Result<End> {
    let config = &worker.config;
    let payload: Payload = serde_json::from_str(&lease.job.payload)?;
    let tenants = payload.work.tenants();
    let loan = worker.custody.lend(tenants.iter().map(String::as_str)).await?;
    let needed = worker.queue.needed(&lease.job.id).await?;
    let trace = trace::of(&tracing::Span::current());
    let known = match fitness::known(worker.queue.database()).await {
        Ok(known) => known,
        Err(problem) => return Ok(End::Unfit(problem)),
    };
    let memory_mb = Some(config.limit_mb(&payload.work));
    let task = Task { job: lease.job.id.clone(), payload, loan, needed, trace };
    let request = Request { task: Some(task), workplace: config.storage.workplace.clone(), known, memory_mb };
    let mut child = match worker.spares.tell(config, &Opening::Work(Box::new(request))).await {
        Ok(child) => child,
        Err(problem) => return Ok(End::Unfit(problem)),
    };
    worker.spares.refill(config).await;
    // also bounds how long a cancelled job keeps running
    let mut beat = tokio::time::interval((config.lease / 3).clamp(Duration::from_millis(20), Duration::from_secs(1)));
    let mut news: Option<Progress> = None;
    // a task, so that it goes on while this one waits for a heartbeat: on SQLite that waits for its transaction
    let mut asked = JoinSet::new();
    let end = loop {
        tokio::select! {
            message = child.next() => match message {
                Some(Message::Keys(circuit, origin)) => {
                    names::keys(&origin);
                    worker.spares.used(circuit);
                }
                Some(Message::Progress(progress)) => {
                    run.progress(&progress);
                    news = Some(progress);
                    beat.reset_immediately();
                }
                Some(Message::Ask(ask)) => {
                    let (job, tenant) = (lease.job.id.clone(), lease.job.tenant.clone());
                    asked.spawn(answer(worker.clone(), job, tenant, ask));
                }
                Some(Message::Done(outcome)) => break End::Done(outcome),
                Some(Message::Failed(problem)) => break End::Failed(problem),
                Some(Message::Unfit(problem)) => break End::Unfit(problem),
                Some(Message::Fit) => {}
                None => break ended_early(child.ended().await),
            },
            Some(answered) = asked.join_next() => {
                child.answer(&answered.unwrap_or_else(|e| Err(Problem::internal(e)))).await?;
            }
            _ = beat.tick() => {
                run.sample(child.id());
                match worker.queue.heartbeat(lease, config.lease_ms(), news.as_ref()).await {
                    Ok(Ok(Heartbeat::Continue)) => news = None,
                    Ok(Ok(Heartbeat::Cancel)) => break End::Cancelled,
                    Ok(Err(_)) => break End::Fenced,
                    Err(e) => {
                        tracing::warn!(job = %lease.job.id, error = %e, "heartbeat failed: the job goes on");
                        worker.troubled();
                    }
                }
            }
            _ = stop.changed() => if *stop.borrow() { break End::Stopping },
        }
    };
    run.sample(child.id());
    if matches!(end, End::Done(_) | End::Failed(_)) {
        // it sends the rest of its trace, and would end at once if its input closed
        let _ = tokio::time::timeout(LAST_WORDS, child.ended()).await;
    }
    child.kill().await;
    worker.spares.refill(config).await;
    Ok(end)
}

/// Does what a job's process asks, whenever the database answers. If an answer was lost, openings are counted twice, which only
/// costs openings.
async fn answer(worker: Worker, job: String, tenant: String, ask: Ask) -> Result<Option<String>> {
    let mut failures = 0;
    loop {
        let answered = match &ask {
            Ask::Open(charges) => worker.custody.count_openings(charges).await.map(|()| None),
            Ask::Find { name } => worker.queue.note(&tenant, name).await,
            Ask::Keep { name, note } => worker.queue.keep_note(&job, name, note).await.map(|()| None),
        };
        match answered {
            Err(problem) if problem.is_storage() => {
                tracing::warn!(error = %problem, "cannot answer a job's process yet");
                pause(&mut failures).await;
            }
            answered => return answered,
        }
    }
}

/// Classifies a child that ended without a result: killed from outside (lost), or failed by itself.
fn ended_early(status: std::io::Result<std::process::ExitStatus>) -> End {
    #[cfg(unix)]
    let aborted = |status: &std::process::ExitStatus| {
        const SIGABRT: i32 = 6;
        std::os::unix::process::ExitStatusExt::signal(status) == Some(SIGABRT)
    };
    match status {
        Ok(status) if aborted(&status) => End::Failed(Problem::internal(
            "the working process aborted, for instance because the job needs more memory than was estimated; its log says why",
        )),
        Ok(status) => match status.code() {
            Some(code) if code != ORPHANED => End::Failed(Problem::internal(format!(
                "the working process ended with exit code {code}; its log says why"
            ))),
            _ => End::Lost(format!("its process ended early ({status})")),
        },
        Err(e) => End::Lost(format!("its process cannot be waited for: {e}")),
    }
}
