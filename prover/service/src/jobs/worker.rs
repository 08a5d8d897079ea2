//! What a worker works with.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tribute_custody::Custody;

use super::config::Config;
use super::queue::Queue;
use super::spares::Spares;
use crate::registry::Registry;

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
    /// Processes that wait for jobs.
    pub(super) spares: Arc<Spares>,
    /// Since when the database has answered without a fault.
    steady: Arc<Mutex<Instant>>,
}

impl Worker {
    /// A worker that runs nothing yet.
    #[must_use]
    pub fn new(config: Config, queue: Queue, registry: Registry, custody: Custody) -> Self {
        let steady = Arc::new(Mutex::new(Instant::now()));
        Worker { config: Arc::new(config), queue, registry, custody, spares: Arc::default(), steady }
    }

    /// How long the database has answered without a fault.
    pub(super) fn steady(&self) -> Duration {
        self.steady.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// Notes that the database did not answer.
    pub(super) fn troubled(&self) {
        *self.steady.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}
