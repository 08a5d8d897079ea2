//! How a worker is configured.

use std::path::PathBuf;
use std::time::Duration;

use tribute_problem::Result;
use tribute_steps::place::Storage;
use tribute_steps::work::Work;

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
