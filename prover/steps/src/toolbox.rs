//! The resources available to a step.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tribute_custody::Lent;
use tribute_engine::srs::{Srs, SrsStore};
use tribute_problem::Result;
use tribute_store::artefacts::Artefacts;

use crate::loaded::Loaded;
use crate::place::of_size;
use crate::shape::ShapeBody;
use crate::warm::Warm;

/// Progress of a running step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// For example "commit", "witness", "prove" or "verify".
    pub phase: String,
    /// Units completed in this phase.
    pub done: u64,
    /// Total units of this phase.
    pub total: u64,
}

/// What a step reports while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// How far it is.
    Progress(Progress),
    /// Which circuit's keys were needed, and where they came from.
    Keys(ShapeBody, String),
}

/// Notes that outlive a step's process. They are kept with its job.
pub trait Notes: Send + Sync {
    /// The note that a job of the same tenant has kept under a name. Blocks like [`Lent::spend_openings`].
    ///
    /// # Errors
    /// If the worker does not answer.
    fn find(&self, name: &str) -> Result<Option<String>>;

    /// Keeps a note under a name, which says all that it depends on. It is stored when this returns.
    ///
    /// # Errors
    /// If the worker does not answer.
    fn keep(&self, name: &str, note: &str) -> Result<()>;
}

/// The resources available to a step.
pub struct Toolbox {
    /// Public artefacts: proofs, models, bytecode.
    pub artefacts: Artefacts,
    /// Records and keys of the job's tenants, and their opening budgets.
    pub custody: Lent,
    /// What earlier runs have kept, and later ones find.
    pub notes: Arc<dyn Notes>,
    srs: SrsStore,
    /// Folder for keys, shared by all workers on the machine.
    pub cache: PathBuf,
    /// Most bytes of keys to leave there.
    pub cache_bytes: u64,
    runtime: tokio::runtime::Handle,
    report: Box<dyn Fn(Report) + Send + Sync>,
    warm: Mutex<Warm>,
    last: Mutex<Option<(String, Instant)>>,
}

impl Toolbox {
    /// A toolbox that reports to `report`.
    pub fn new(
        artefacts: Artefacts,
        custody: Lent,
        notes: Arc<dyn Notes>,
        srs: SrsStore,
        (cache, cache_bytes): (&Path, u64),
        runtime: tokio::runtime::Handle,
        report: Box<dyn Fn(Report) + Send + Sync>,
    ) -> Self {
        Toolbox {
            artefacts,
            custody,
            notes,
            srs,
            cache: cache.into(),
            cache_bytes,
            runtime,
            report,
            warm: Mutex::default(),
            last: Mutex::new(None),
        }
    }

    /// The SRS of size `2^k`.
    pub fn srs(&self, k: u32) -> Result<Srs> {
        let loaded = self.warm().srs(k);
        // a store that cannot tell its digest cannot give the parameters either, and says why
        match loaded.filter(|srs| self.srs.digest().is_ok_and(|digest| digest == srs.digest())) {
            Some(srs) => Ok(srs),
            None => of_size(&self.srs, k),
        }
    }

    /// Blocks on a future, such as access to storage. Steps are synchronous functions on a thread outside the runtime.
    pub fn wait<T>(&self, future: impl std::future::Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Reports where a circuit's keys came from: `warm`, `kept`, `made` or `remade`.
    pub fn keys(&self, circuit: &ShapeBody, origin: &str) {
        (self.report)(Report::Keys(*circuit, origin.into()));
    }

    /// With what its process had loaded before it knew its job.
    pub(crate) fn with_warm(self, warm: Warm) -> Self {
        Toolbox { warm: Mutex::new(warm), ..self }
    }

    /// A circuit's keys and verifier, if its process had loaded them.
    pub(crate) fn loaded(&self, circuit: &ShapeBody, srs: &Srs) -> Option<Loaded> {
        self.warm().take(circuit, srs)
    }

    fn warm(&self) -> MutexGuard<'_, Warm> {
        self.warm.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports the step's progress, at most five times a second within a phase.
    pub fn progress(&self, phase: &str, done: u64, total: u64) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, at)) = last.as_ref() {
            if known == phase && done < total && at.elapsed() < Duration::from_millis(200) {
                return;
            }
        }
        *last = Some((phase.into(), Instant::now()));
        (self.report)(Report::Progress(Progress { phase: phase.into(), done, total }));
    }
}
