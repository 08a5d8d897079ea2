//! Processes that wait for a worker's next jobs with the keys of circuits that were used lately in memory. A process executes one
//! job, so that nobody's secrets outlive it; what it loads beforehand is public.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tribute_problem::{Problem, Result};
use tribute_steps::child::Opening;
use tribute_steps::parent::Running;
use tribute_steps::shape::ShapeBody;
use tribute_steps::warm::Warmup;

use super::config::Config;

/// Most circuits that a process loads.
const CIRCUITS: usize = 4;
/// Most memory for what it loads, bytes.
const BYTES: u64 = 160 << 20;
/// What a circuit of `2^k` rows takes of that: its fixed columns, and its share of the parameters.
const BYTES_PER_ROW: u64 = 1024;

/// The waiting processes of a worker, at most one for each slot.
#[derive(Debug, Default)]
pub(super) struct Spares {
    places: Mutex<Places>,
    /// Circuits that jobs needed, the last one first.
    lately: Mutex<VecDeque<ShapeBody>>,
}

/// Places of waiting processes.
#[derive(Debug, Default)]
struct Places {
    /// The oldest first, which has loaded most.
    waiting: VecDeque<Running>,
    /// Those that are being started.
    starting: usize,
}

impl Places {
    /// Takes the place of a process that is about to start. False if all `most` are taken.
    fn reserve(&mut self, most: usize) -> bool {
        self.waiting.retain_mut(Running::is_running);
        let free = self.waiting.len() + self.starting < most;
        self.starting += usize::from(free);
        free
    }
}

impl Spares {
    /// A process that has been told what to do: one that waited, or a new one.
    ///
    /// # Errors
    /// If a new one does not start, or takes no request.
    pub(super) async fn tell(&self, config: &Config, opening: &Opening) -> Result<Running> {
        while let Some(mut spare) = self.oldest() {
            // it may have ended just now, which is no fault of the job
            if spare.tell(opening).await.is_ok() {
                return Ok(spare);
            }
        }
        let mut fresh = start(config)?;
        fresh.tell(opening).await?;
        Ok(fresh)
    }

    /// The process that has waited longest.
    fn oldest(&self) -> Option<Running> {
        let mut places = self.places();
        places.waiting.retain_mut(Running::is_running);
        places.waiting.pop_front()
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a process ready for the next job, if it is known what to load.
    pub(super) async fn refill(&self, config: &Config) {
        let shapes = self.shapes();
        if shapes.is_empty() || !self.places().reserve(config.slots) {
            return;
        }
        let warmup = Opening::Warm(Warmup { workplace: config.storage.workplace.clone(), shapes });
        let started = async {
            let mut spare = start(config)?;
            spare.tell(&warmup).await?;
            Ok::<_, Problem>(spare)
        }
        .await;
        let mut places = self.places();
        places.starting -= 1;
        match started {
            Ok(spare) => places.waiting.push_back(spare),
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

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use rustix::process::{kill_process, Pid, Signal};
    use tribute_core::layout::Task;
    use tribute_core::statement::Statement;
    use tribute_steps::place::Storage;
    use tribute_steps::shape::Profile;
    use tribute_testing::wait_until;

    use super::*;

    /// A worker of two slots, whose processes read their input to its end.
    fn config(folder: &Path) -> Config {
        Config { program: "grep".into(), ..Config::new(Storage::in_folder(folder), 2).unwrap() }
    }

    fn circuit() -> ShapeBody {
        let profile = Profile { k: 10, columns: 1, intercept_scale: 1 };
        ShapeBody { statement: Statement::Dataset, profile, features: 1, classes: 2, task: Task::Classes, link: None }
    }

    #[tokio::test]
    async fn no_more_processes_wait_than_there_are_slots() {
        let mut places = Places::default();
        assert_eq!([(); 3].map(|()| places.reserve(2)), [true, true, false], "those that start have a place");
        places.starting -= 1;
        assert!(places.reserve(2));

        let folder = tempfile::tempdir().unwrap();
        let (config, spares) = (config(folder.path()), Spares::default());
        spares.refill(&config).await;
        assert!(spares.places().waiting.is_empty(), "there is nothing to load");
        spares.used(circuit());
        let ids = || -> Vec<u32> { spares.places().waiting.iter().filter_map(Running::id).collect() };
        for _ in 0..4 {
            spares.refill(&config).await;
        }
        let before = ids();
        assert_eq!((before.len(), spares.places().starting), (2, 0));

        // one that has ended keeps no place, and the oldest is next
        kill_process(Pid::from_raw(before[0] as i32).unwrap(), Signal::KILL).unwrap();
        wait_until("the killed process's end", async || !spares.places().waiting[0].is_running()).await;
        spares.refill(&config).await;
        assert_eq!(ids()[0], before[1]);
        assert_eq!(ids().len(), 2);
        assert_eq!(spares.oldest().unwrap().id(), Some(before[1]));
    }

    #[tokio::test]
    async fn a_process_that_takes_no_request_is_no_fault_of_the_job() {
        let folder = tempfile::tempdir().unwrap();
        let (config, spares) = (config(folder.path()), Spares::default());
        let opening = Opening::Warm(Warmup { workplace: config.storage.workplace.clone(), shapes: Vec::new() });
        // it runs, but reads nothing
        let program = folder.path().join("deaf");
        std::fs::write(&program, "#!/bin/sh\nexec sleep 600 <&-\n").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut deaf = start(&Config { program, ..config.clone() }).unwrap();
        wait_until("its input to close", async || deaf.tell(&opening).await.is_err()).await;
        assert!(deaf.is_running());
        let id = deaf.id();
        spares.places().waiting.push_back(deaf);
        let mut told = spares.tell(&config, &opening).await.unwrap();
        assert!(told.is_running() && told.id() != id);
        assert!(spares.places().waiting.is_empty());
    }
}
