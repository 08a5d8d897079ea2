//! The process that executes one job. It reads its request from standard input, writes JSON lines to standard output,
//! and exits when standard input closes, so that it never outlives its worker.

use std::io::{BufRead as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tribute_custody::{Custody, KeySource};
use tribute_engine::srs::SrsStore;
use tribute_problem::{Problem, Reason, Result};
use tribute_store::artefacts::Artefacts;
use tribute_store::db::{Database, Share};
use tribute_telemetry::trace;

use crate::toolbox::{Progress, Report, Toolbox};
use crate::work::{self, Outcome, Payload};

/// Exit code of a child whose worker is gone.
pub const ORPHANED: i32 = 75;

/// The request to a child: one line on its standard input. Secrets are never passed as arguments.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    /// Job id, for logs.
    pub job: String,
    /// The work, and the SRS it was submitted for.
    pub payload: Payload,
    /// Where the data is.
    pub storage: Storage,
    /// Outcomes of the jobs that this one needed.
    #[serde(default)]
    pub needed: Vec<Outcome>,
    /// The worker's span, as `traceparent`.
    #[serde(default)]
    pub trace: Option<String>,
}

/// Where a server stores its data.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Storage {
    /// Database URL.
    pub database: String,
    /// Data folder.
    pub data: PathBuf,
    /// Source of the master key.
    pub master_key: KeySource,
    /// URL of the artefact store; `None` for a folder in the data folder.
    #[serde(default)]
    pub artefacts: Option<String>,
    /// SRS file or folder; `None` for the development SRS.
    #[serde(default)]
    pub srs: Option<PathBuf>,
}

impl Storage {
    /// The default locations inside a data folder.
    #[must_use]
    pub fn in_folder(data: &Path) -> Self {
        Storage {
            database: format!("sqlite:{}", data.join("tribute.db").display()),
            data: data.into(),
            master_key: KeySource::in_folder(data),
            artefacts: None,
            srs: None,
        }
    }
    /// Opens the artefact store.
    pub fn artefacts(&self) -> Result<Artefacts> {
        match &self.artefacts {
            Some(url) => Artefacts::at(url),
            None => Artefacts::in_folder(&self.data.join("artefacts")),
        }
    }
    /// Folder of cached parameters and keys.
    #[must_use]
    pub fn cache(&self) -> PathBuf {
        self.data.join("cache")
    }
    /// Opens the SRS.
    pub fn srs(&self) -> Result<SrsStore> {
        SrsStore::open(self.srs.as_deref(), Some(&self.cache())).map_err(|e| Problem::field("srs", e.to_string()))
    }
}

/// Output of a child: one line each on its standard output.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Message {
    /// The job has progressed.
    Progress(Progress),
    /// Where a circuit's keys came from.
    Keys(String),
    /// The job has finished.
    Done(Box<Outcome>),
    /// The job has failed.
    Failed(Problem),
}

fn say(line: &Message) {
    if let Ok(text) = serde_json::to_string(line) {
        let mut out = std::io::stdout().lock();
        // a closed pipe means the worker is gone; the thread that watches stdin ends this process
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }
}

/// Executes the request on standard input and returns the exit code. Must be called outside any async runtime.
#[must_use]
pub fn main() -> i32 {
    let mut line = String::new();
    if std::io::stdin().lock().read_line(&mut line).is_err() || line.is_empty() {
        return ORPHANED;
    }
    std::thread::spawn(|| {
        // blocks until the worker closes its end or dies
        let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
        std::process::exit(ORPHANED);
    });
    let end = serde_json::from_str::<Request>(&line)
        .map_err(|e| Problem::internal(format!("unreadable request: {e}")))
        .and_then(|request| execute(&request));
    match end {
        Ok(outcome) => say(&Message::Done(Box::new(outcome))),
        Err(problem) => say(&Message::Failed(problem)),
    }
    0
}

/// A span for each phase, as children of the process's.
struct Phases {
    process: tracing::Span,
    current: Mutex<Option<(String, tracing::Span)>>,
}

impl Phases {
    fn enter(&self, phase: &str) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_none_or(|(known, _)| known != phase) {
            // the previous phase's span ends when it is dropped
            let span = tracing::info_span!(parent: &self.process, "phase", otel.name = phase);
            *current = Some((phase.to_owned(), span));
        }
    }
}

fn execute(request: &Request) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|e| Problem::new(Reason::Internal, format!("no runtime: {e}")))?;
    let database = runtime.block_on(Database::open_for(&request.storage.database, Share::Job))?;
    let artefacts = request.storage.artefacts()?;
    let custody = runtime.block_on(Custody::open(database, artefacts.clone(), &request.storage.master_key))?;
    let cache = request.storage.cache();
    std::fs::create_dir_all(&cache)?;
    let span = tracing::info_span!("process", job = %request.job, kind = request.payload.work.kind());
    trace::follow(&span, request.trace.as_deref());
    let _entered = span.enter();
    let phases = Phases { process: span.clone(), current: Mutex::default() };
    let report = Box::new(move |report| match report {
        Report::Progress(progress) => {
            phases.enter(&progress.phase);
            say(&Message::Progress(progress));
        }
        Report::Keys(origin) => say(&Message::Keys(origin)),
    });
    let srs = request.storage.srs()?;
    let Payload { srs: wanted, work } = &request.payload;
    if let Some(wanted) = wanted {
        let has = srs.digest().map_err(|e| Problem::field("srs", e.to_string()))?;
        if has != *wanted {
            return Err(Problem::new(
                Reason::NotReady,
                format!("the worker has the SRS {has}, but the job was submitted for {wanted}: start server and workers with the same --srs"),
            )
            .with("expected", wanted)
            .with("got", has));
        }
    }
    let toolbox = Toolbox::new(artefacts, custody, srs, &cache, runtime.handle().clone(), report);
    tracing::info!(job = %request.job, kind = work.kind(), "working");
    work::run(work, &request.needed, &toolbox)
}
