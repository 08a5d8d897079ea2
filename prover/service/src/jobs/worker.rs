//! Workers lease jobs that fit into memory, run each in a child process, and keep its lease alive.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{watch, Notify};
use tokio::task::JoinSet;
use tracing::Instrument as _;
use tribute_problem::{Problem, Reason, Result};
use tribute_steps::child::{Message, Request, Storage};
use tribute_steps::toolbox::Progress;
use tribute_steps::work::{Outcome, Payload};
use tribute_telemetry::{names, trace};

use super::presence::Presence;
use super::queue::{Heartbeat, Queue};
use super::Lease;
use crate::observe;
use crate::observe::run::Run;
use crate::registry::Registry;

/// Configuration of a worker.
#[derive(Clone, Debug)]
pub struct Config {
    /// Maximum number of concurrent jobs.
    pub slots: usize,
    /// Memory for all running jobs together, MB. A single job always runs, whatever its weight.
    pub memory_mb: i64,
    /// Time after the last heartbeat at which a lease lapses. Heartbeats are at least three times as frequent.
    pub lease: Duration,
    /// Locations of database, artefacts and keys, passed on to child processes.
    pub storage: Storage,
    /// Ends the worker when it has had no job for so long; `None`: never.
    pub idle_exit: Option<Duration>,
    /// Executable whose hidden `work` command runs a job; by default the current one.
    pub program: PathBuf,
}

impl Config {
    /// Default settings: 8,192 MB of memory, leases of 15 s.
    pub fn new(storage: Storage, slots: usize) -> Result<Self> {
        Ok(Config {
            slots,
            memory_mb: 8192,
            lease: Duration::from_secs(15),
            storage,
            idle_exit: None,
            program: std::env::current_exe()?,
        })
    }
    fn lease_ms(&self) -> i64 {
        i64::try_from(self.lease.as_millis()).unwrap_or(i64::MAX)
    }
}

/// How a child process ended.
enum End {
    Done(Box<Outcome>),
    Failed(Problem),
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
            End::Lost(_) => "lost",
            End::Cancelled => "cancelled",
            End::Fenced => "fenced",
            End::Stopping => "stopped",
        }
    }
}

/// Runs jobs until `stop` becomes true, or none has come for long enough, then stops the child processes and returns their jobs to the queue.
pub async fn run(config: Config, queue: Queue, registry: Registry, wake: Arc<Notify>, mut stop: watch::Receiver<bool>) {
    let name = format!("{}-{}", std::process::id(), hex::encode(rand::random::<[u8; 4]>()));
    let config = Arc::new(config);
    let mut running: JoinSet<i64> = JoinSet::new();
    let mut free_mb = config.memory_mb;
    let mut recover = tokio::time::interval((config.lease / 3).max(Duration::from_millis(50)));
    let presence = Presence::new(queue.clone(), &name, config.slots, config.lease);
    let mut present = tokio::time::interval(presence.pause);
    tracing::info!(worker = %name, slots = config.slots, "worker started");
    let mut idle_since = Instant::now();
    while !*stop.borrow() {
        while running.len() < config.slots {
            let admitted = if running.is_empty() { i64::MAX } else { free_mb };
            match queue.lease(&name, config.lease_ms(), admitted).await {
                Ok(Some(lease)) => {
                    let weight = weight_of(&lease);
                    free_mb -= weight;
                    let (config, queue, registry, stop) =
                        (config.clone(), queue.clone(), registry.clone(), stop.clone());
                    running.spawn(async move {
                        work(&config, &queue, &registry, lease, stop).await;
                        weight
                    });
                }
                Ok(None) => break,
                Err(e) => {
                    tracing::warn!(error = %e, "cannot lease a job");
                    break;
                }
            }
        }
        tokio::select! {
            Some(done) = running.join_next() => free_mb += done.unwrap_or(0),
            () = wake.notified() => {}
            // a job that waits after a failure becomes ready without news
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            _ = recover.tick() => {
                if let Err(e) = queue.recover().await {
                    tracing::warn!(error = %e, "cannot recover lost jobs");
                }
            }
            _ = present.tick() => {
                if let Err(e) = presence.tell().await {
                    tracing::warn!(error = %e, "cannot say that this worker is there");
                }
            }
            _ = stop.changed() => {}
        }
        if running.is_empty() {
            free_mb = config.memory_mb;
            if config.idle_exit.is_some_and(|most| idle_since.elapsed() >= most) {
                break;
            }
        } else {
            idle_since = Instant::now();
        }
    }
    while running.join_next().await.is_some() {}
    if let Err(e) = presence.leave().await {
        tracing::warn!(error = %e, "cannot say that this worker has stopped");
    }
    tracing::info!(worker = %name, "worker stopped");
}

fn weight_of(lease: &Lease) -> i64 {
    serde_json::from_str::<Payload>(&lease.job.payload).map_or(0, |payload| payload.work.weight_mb())
}

async fn work(config: &Config, queue: &Queue, registry: &Registry, lease: Lease, stop: watch::Receiver<bool>) {
    let id = lease.job.id.clone();
    tracing::info!(job = %id, kind = %lease.job.kind, fence = lease.fence, start = lease.job.starts, "job started");
    let span = tracing::info_span!("job", job = %id, kind = %lease.job.kind, start = lease.job.starts);
    trace::follow(&span, lease.job.trace.as_deref());
    let mut run = Run::start(&lease.job.kind);
    let end = match run_child(config, queue, &lease, &mut run, stop).instrument(span.clone()).await {
        Ok(end) => end,
        Err(problem) => End::Failed(problem),
    };
    run.end(end.name());
    if let Err(problem) = settle(queue, registry, &lease, end).instrument(span).await {
        // the lease will lapse, and the job is run again
        tracing::error!(job = %id, error = %problem, "cannot record the end of a job");
    }
}

/// Records how a run ended. Has no effect if the lease has lapsed in the meantime.
async fn settle(queue: &Queue, registry: &Registry, lease: &Lease, end: End) -> Result<()> {
    let id = &lease.job.id;
    let fenced = match end {
        End::Done(outcome) => match queue.complete(lease, &serde_json::to_string(&outcome)?).await? {
            Ok(mut completion) => match registry.record(&mut completion.tx, &lease.job, &outcome).await {
                Ok(()) => {
                    completion.commit().await?;
                    observe::run::gas(&outcome);
                    tracing::info!(job = %id, "job succeeded");
                    false
                }
                Err(problem) => {
                    drop(completion);
                    queue.fail(lease, &problem).await?.is_err()
                }
            },
            Err(_) => true,
        },
        End::Failed(problem) => {
            tracing::warn!(job = %id, reason = problem.reason.text(), message = %problem.message, "job failed");
            queue.fail(lease, &problem).await?.is_err()
        }
        End::Lost(why) => {
            tracing::warn!(job = %id, why = %why, "job's process lost");
            queue.release(lease, &why, true).await?.is_err()
        }
        End::Cancelled => queue.stopped(lease).await?.is_err(),
        End::Stopping => queue.release(lease, "the worker stopped", false).await?.is_err(),
        End::Fenced => true,
    };
    if fenced {
        tracing::warn!(job = %id, fence = lease.fence, "lease lapsed: this run counts for nothing");
    }
    Ok(())
}

/// How long a process that has said how it ended may go on.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Starts the child process, keeps the lease alive and returns how the child ended. The child never outlives this call.
async fn run_child(
    config: &Config,
    queue: &Queue,
    lease: &Lease,
    run: &mut Run,
    mut stop: watch::Receiver<bool>,
) -> Result<End> {
    let payload: Payload = serde_json::from_str(&lease.job.payload)?;
    let needed = queue.needed(&lease.job.id).await?;
    let trace = trace::of(&tracing::Span::current());
    let request = Request { job: lease.job.id.clone(), payload, storage: config.storage.clone(), needed, trace };
    let mut child = start(config, &request).await?;
    // kept open: the child exits when its standard input closes
    let input = child.stdin.take();
    let output = child.stdout.take().ok_or_else(|| Problem::internal("child without standard output"))?;
    let mut lines = BufReader::new(output).lines();
    // also bounds how long a cancelled job keeps running
    let mut beat = tokio::time::interval((config.lease / 3).clamp(Duration::from_millis(20), Duration::from_secs(1)));
    let mut news: Option<Progress> = None;
    let mut last_beat = tokio::time::Instant::now();
    let end = loop {
        tokio::select! {
            line = lines.next_line() => match line {
                Ok(Some(line)) => match serde_json::from_str(&line) {
                    Ok(Message::Keys(origin)) => names::keys(&origin),
                    Ok(Message::Progress(progress)) => {
                        run.progress(&progress);
                        news = Some(progress);
                        beat.reset_immediately();
                    }
                    Ok(Message::Done(outcome)) => break End::Done(outcome),
                    Ok(Message::Failed(problem)) => break End::Failed(problem),
                    Err(_) => tracing::debug!(job = %request.job, line = %line, "child said"),
                },
                _ => break ended_early(child.wait().await),
            },
            _ = beat.tick() => {
                run.sample(child.id());
                match queue.heartbeat(lease, config.lease_ms(), news.take().as_ref()).await {
                Ok(Ok(Heartbeat::Continue)) => last_beat = tokio::time::Instant::now(),
                Ok(Ok(Heartbeat::Cancel)) => break End::Cancelled,
                Ok(Err(_)) => break End::Fenced,
                Err(e) => {
                    tracing::warn!(job = %request.job, error = %e, "heartbeat failed");
                    if last_beat.elapsed() > config.lease {
                        break End::Fenced;
                    }
                }
                }
            },
            _ = stop.changed() => if *stop.borrow() { break End::Stopping },
        }
    };
    run.sample(child.id());
    if matches!(end, End::Done(_) | End::Failed(_)) {
        // it sends the rest of its trace, and would end at once if its input closed
        let _ = tokio::time::timeout(LAST_WORDS, child.wait()).await;
    }
    drop(input);
    let _ = child.start_kill();
    let _ = child.wait().await;
    Ok(end)
}

/// Classifies a child that ended without a result: killed from outside (lost), or failed with an exit code of its own.
fn ended_early(status: std::io::Result<std::process::ExitStatus>) -> End {
    match status {
        Ok(status) => match status.code() {
            Some(code) if code != tribute_steps::child::ORPHANED => End::Failed(Problem::internal(format!(
                "the working process ended with exit code {code}; its log says why"
            ))),
            _ => End::Lost(format!("its process ended early ({status})")),
        },
        Err(e) => End::Lost(format!("its process cannot be waited for: {e}")),
    }
}

async fn start(config: &Config, request: &Request) -> Result<Child> {
    let tool = |e: std::io::Error| {
        Problem::new(Reason::ToolMissing, format!("cannot start {}: {e}", config.program.display()))
    };
    let mut command = Command::new(&config.program);
    command.arg("work").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
    if std::env::var_os("RAYON_NUM_THREADS").is_none() {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        command.env("RAYON_NUM_THREADS", cores.div_ceil(config.slots.max(1)).to_string());
    }
    #[cfg(unix)]
    command.process_group(0); // Ctrl-C reaches the worker, which then stops its children
    let mut child = command.spawn().map_err(tool)?;
    if let Some(input) = child.stdin.as_mut() {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        input.write_all(&line).await.map_err(tool)?;
        input.flush().await.map_err(tool)?;
    }
    Ok(child)
}
