//! Workers lease jobs that fit into memory and run each in a child process.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{watch, Notify};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tribute_custody::Custody;
use tribute_problem::{Reason, Result};
use tribute_steps::place::Storage;
use tribute_steps::work::{Payload, Work};

use super::queue::Queue;
use super::{fitness, run, Lease};
use crate::registry::Registry;

/// First and longest pause before a worker that is not fit tests itself again.
const RETEST: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

/// Configuration of a worker.
#[derive(Clone, Debug)]
pub struct Config {
    /// Maximum number of concurrent jobs.
    pub slots: usize,
    /// Memory for all running jobs together, MB. Jobs that need more are left to other workers.
    pub memory_mb: i64,
    /// Time after the last heartbeat at which a lease lapses. Heartbeats are at least three times as frequent.
    pub lease: Duration,
    /// Locations of database, artefacts and keys.
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
    pub(super) fn lease_ms(&self) -> i64 {
        i64::try_from(self.lease.as_millis()).unwrap_or(i64::MAX)
    }
    /// Threads of each job, so that all slots together use every core.
    pub(super) fn threads(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        cores.div_ceil(self.slots.max(1))
    }
    /// Hard limit of a job's own memory, MB: well above the estimate, which is for planning.
    pub(super) fn limit_mb(&self, work: &Work) -> u64 {
        2 * work.weight_mb().unsigned_abs() + 512
    }
}

/// What a worker works with.
#[derive(Clone)]
pub struct Worker {
    /// Its configuration.
    pub config: Arc<Config>,
    /// The jobs.
    pub queue: Queue,
    /// What jobs produce.
    pub registry: Registry,
    /// The tenants' keys, and the openings.
    pub custody: Custody,
    /// Since when the database has answered without a fault.
    steady: Arc<Mutex<Instant>>,
}

impl Worker {
    /// A worker that runs nothing yet.
    #[must_use]
    pub fn new(config: Config, queue: Queue, registry: Registry, custody: Custody) -> Self {
        let steady = Arc::new(Mutex::new(Instant::now()));
        Worker { config: Arc::new(config), queue, registry, custody, steady }
    }

    /// Notes that the database did not answer.
    pub(super) fn troubled(&self) {
        *self.steady.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Requeues lost jobs. While the database is gone no worker can keep its lease alive, so what has lapsed says nothing
    /// until every worker has had the time for a heartbeat again.
    async fn recover(&self) {
        let steady = *self.steady.lock().unwrap_or_else(PoisonError::into_inner);
        let done = if steady.elapsed() < self.config.lease {
            self.queue.database().now_ms().await.map(|_| ())
        } else {
            self.queue.recover().await.map(|_| ())
        };
        if let Err(e) = done {
            tracing::warn!(error = %e, "cannot recover lost jobs");
            self.troubled();
        }
    }

    /// Tests whether this machine is fit for the service's jobs.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub async fn test(&self) -> Result<()> {
        fitness::test(&self.config, self.queue.database()).await
    }

    /// Runs jobs until `stop` becomes true, or none has come for long enough, then stops the child processes and returns
    /// their jobs to the queue.
    pub async fn run(self, wake: Arc<Notify>, mut stop: watch::Receiver<bool>) {
        let name = format!("{}-{}", std::process::id(), hex::encode(rand::random::<[u8; 4]>()));
        let config = &self.config;
        let mut running: JoinSet<(i64, bool)> = JoinSet::new();
        let mut free_mb = config.memory_mb;
        let mut recover = tokio::time::interval((config.lease / 3).max(Duration::from_millis(50)));
        let (mut test_at, mut pause) = (Some(Instant::now()), RETEST[0]);
        let mut idle_since = Instant::now();
        tracing::info!(worker = %name, slots = config.slots, "worker started");
        while !*stop.borrow() {
            if test_at.is_some_and(|at| at <= Instant::now()) {
                test_at = match self.test().await {
                    Ok(()) => None,
                    Err(e) => {
                        tracing::error!(worker = %name, reason = e.reason.text(), error = %e, "not fit for work: no jobs are run here");
                        let wait = if e.reason == Reason::StorageUnavailable { RETEST[0] } else { pause };
                        pause = (pause * 2).min(RETEST[1]);
                        Some(Instant::now() + wait)
                    }
                };
            }
            while test_at.is_none() && running.len() < config.slots {
                match self.queue.lease(&name, config.lease_ms(), free_mb).await {
                    Ok(Some(lease)) => {
                        pause = RETEST[0];
                        let weight = weight_of(&lease);
                        free_mb -= weight;
                        let (worker, stop) = (self.clone(), stop.clone());
                        running.spawn(async move { (weight, run::run(&worker, &lease, stop).await) });
                    }
                    Ok(None) => break,
                    Err(e) => {
                        tracing::warn!(error = %e, "cannot lease a job");
                        self.troubled();
                        break;
                    }
                }
            }
            tokio::select! {
                Some(done) = running.join_next() => {
                    let (weight, fit) = done.unwrap_or((0, true));
                    free_mb += weight;
                    if !fit {
                        test_at = Some(Instant::now() + pause);
                    }
                }
                () = wake.notified() => {}
                // a job that waits after a failure becomes ready without news
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
                _ = recover.tick() => self.recover().await,
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
        tracing::info!(worker = %name, "worker stopped");
    }
}

fn weight_of(lease: &Lease) -> i64 {
    serde_json::from_str::<Payload>(&lease.job.payload).map_or(0, |payload| payload.work.weight_mb())
}
