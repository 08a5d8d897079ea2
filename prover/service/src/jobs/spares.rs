//! Processes that wait for a worker's next jobs with the keys of circuits that were used lately in memory. A process executes one
//! job, so that nobody's secrets outlive it; what it loads beforehand is public.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tribute_problem::{Problem, Result};
use tribute_steps::child::Opening;
use tribute_steps::parent::Running;
use tribute_steps::shape::ShapeBody;
use tribute_steps::warm::Warmup;

use super::worker::Config;

/// Most circuits that a process loads.
const CIRCUITS: usize = 4;
/// Most memory for what it loads, bytes.
const BYTES: u64 = 160 << 20;
/// What a circuit of `2^k` rows takes of that: its fixed columns, and its share of the parameters.
const BYTES_PER_ROW: u64 = 1024;

/// The waiting processes of a worker, at most one for each slot.
#[derive(Debug, Default)]
pub(super) struct Spares {
    waiting: Mutex<Vec<Running>>,
    /// Circuits that jobs needed, the last one first.
    lately: Mutex<VecDeque<ShapeBody>>,
}

impl Spares {
    /// A process for a job: one that waits, or a new one.
    pub(super) fn take(&self, config: &Config) -> Result<Running> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(mut spare) = waiting.pop() {
            if spare.is_running() {
                return Ok(spare);
            }
        }
        start(config)
    }

    /// Has a process ready for the next job, if it is known what to load.
    pub(super) async fn refill(&self, config: &Config) {
        let shapes = self.shapes();
        if shapes.is_empty() || self.waiting.lock().unwrap_or_else(PoisonError::into_inner).len() >= config.slots {
            return;
        }
        let warmup = Opening::Warm(Warmup { workplace: config.storage.workplace.clone(), shapes });
        let started = async {
            let mut spare = start(config)?;
            spare.tell(&warmup).await?;
            Ok::<_, Problem>(spare)
        };
        match started.await {
            Ok(spare) => self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(spare),
            // the next job starts its own, and says what is wrong
            Err(e) => tracing::debug!(error = %e, "no process waits for the next job"),
        }
    }

    /// Notes that a job needed a circuit.
    pub(super) fn used(&self, circuit: ShapeBody) {
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        lately.retain(|known| *known != circuit);
        lately.push_front(circuit);
        lately.truncate(CIRCUITS);
    }

    /// What a process is to load.
    fn shapes(&self) -> Vec<ShapeBody> {
        let lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left = BYTES;
        let fits = |circuit: &&ShapeBody| {
            let bytes = BYTES_PER_ROW.checked_shl(circuit.profile.k).unwrap_or(u64::MAX);
            let fits = bytes <= left;
            left -= if fits { bytes } else { 0 };
            fits
        };
        lately.iter().filter(fits).copied().collect()
    }
}

fn start(config: &Config) -> Result<Running> {
    Running::start(&config.program, &config.storage.workplace, Some(config.threads()))
}
