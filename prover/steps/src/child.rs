//! The process that executes one job. It reads its request from standard input, writes JSON lines to standard output,
//! and exits when standard input closes, so that it never outlives its worker. It may be told what to load while it waits
//! for its request. It has the keys that its job needs, but neither the database nor the master key: it asks the worker to
//! count openings, and to keep notes.

use std::io::{BufRead as _, Write as _};
use std::sync::mpsc::{channel, Receiver};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tribute_custody::{Charge, Lent, Loan};
use tribute_problem::{Problem, Reason, Result};
use tribute_telemetry::trace;

use crate::place::{Known, Workplace};
use crate::shape::ShapeBody;
use crate::toolbox::{Notes, Progress, Report, Toolbox};
use crate::warm::{Warm, Warmup};
use crate::work::{self, Needed, Outcome, Payload};

/// Exit code of a child whose worker is gone.
pub const ORPHANED: i32 = 75;

/// What a child is told first, a line each on its standard input.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Opening {
    /// What to load while it waits.
    Warm(Warmup),
    /// Its request.
    Work(Box<Request>),
}

/// The request to a child. Secrets are never passed as arguments or in the environment.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    /// What to work on; `None` only tests whether this process could work.
    pub task: Option<Task>,
    /// Where the data is.
    pub workplace: Workplace,
    /// What the service says about itself.
    pub known: Known,
    /// Most memory for its own data, MB; an allocation beyond it ends the process.
    pub memory_mb: Option<u64>,
}

/// One job.
#[derive(Debug, Serialize, Deserialize)]
pub struct Task {
    /// Job id, for logs.
    pub job: String,
    /// The work, and the SRS it was submitted for.
    pub payload: Payload,
    /// Keys of the tenants whose data it is about.
    pub loan: Loan,
    /// The job's parts.
    pub needed: Vec<Needed>,
    /// The worker's span, as `traceparent`.
    pub trace: Option<String>,
}

/// Output of a child: one line each on its standard output.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Message {
    /// The job has progressed.
    Progress(Progress),
    /// A question; the worker answers with a line on standard input, a [`Result`] in JSON, with the text that was asked for.
    Ask(Ask),
    /// Which circuit's keys were needed, and where they came from.
    Keys(ShapeBody, String),
    /// The job has finished.
    Done(Box<Outcome>),
    /// The job has failed.
    Failed(Problem),
    /// The process passed its test.
    Fit,
    /// The process cannot work here, whatever the job.
    Unfit(Problem),
}

/// What a child asks its worker, which has the database.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ask {
    /// To count openings.
    Open(Vec<Charge>),
    /// For the note that a job of the same tenant has kept.
    Find {
        /// Under which name.
        name: String,
    },
    /// To keep a note.
    Keep {
        /// Under which name.
        name: String,
        /// Its text.
        note: String,
    },
}

/// The worker, at the other end of this process's pipes.
struct Asking(Mutex<Receiver<String>>);

impl Asking {
    fn ask(&self, question: Ask) -> Result<Option<String>> {
        // the next answer is this question's
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        say(&Message::Ask(question));
        let answer = answers.recv().map_err(|_| Problem::internal("the worker is gone"))?;
        serde_json::from_str::<Result<Option<String>>>(&answer)?
    }
}

impl Notes for Asking {
    fn find(&self, name: &str) -> Result<Option<String>> {
        self.ask(Ask::Find { name: name.into() })
    }

    fn keep(&self, name: &str, note: &str) -> Result<()> {
        self.ask(Ask::Keep { name: name.into(), note: note.into() }).map(|_| ())
    }
}

fn say(line: &Message) {
    if let Ok(text) = serde_json::to_string(line) {
        let mut out = std::io::stdout().lock();
        // a closed pipe means the worker is gone; the thread that reads stdin ends this process
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }
}

/// Executes the request on standard input and returns the exit code. Must be called outside any async runtime.
#[must_use]
pub fn main() -> i32 {
    // the kernel, if it must, is to end this process and not the server
    let _ = std::fs::write("/proc/self/oom_score_adj", "500");
    let (line, lines) = channel();
    std::thread::spawn(move || {
        // ends when the worker closes its end or dies
        for text in std::io::stdin().lock().lines().map_while(std::io::Result::ok) {
            let _ = line.send(text);
        }
        std::process::exit(ORPHANED);
    });
    let mut warm = Warm::default();
    let mut early = None;
    loop {
        let Some(text) = early.take().or_else(|| lines.recv().ok()) else { return ORPHANED };
        match serde_json::from_str::<Opening>(&text) {
            Ok(Opening::Warm(warmup)) => {
                warm = Warm::load(&warmup, || {
                    early = lines.try_recv().ok();
                    early.is_some()
                });
            }
            Ok(Opening::Work(request)) => {
                say(&serve(*request, warm, lines));
                return 0;
            }
            Err(e) => {
                say(&Message::Unfit(Problem::internal(format!("unreadable request: {e}"))));
                return 0;
            }
        }
    }
}

/// Limits the memory of this process's own data.
#[cfg(unix)]
fn limit(mb: u64) -> Result<()> {
    use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
    // a limit that this process has already can only be lowered
    let before = getrlimit(Resource::Data).maximum.unwrap_or(u64::MAX);
    let bytes = Some(before.min(mb << 20));
    setrlimit(Resource::Data, Rlimit { current: bytes, maximum: bytes })
        .map_err(|e| Problem::internal(format!("cannot limit this process to {mb} MB: {e}")))
}

#[cfg(not(unix))]
fn limit(_: u64) -> Result<()> {
    Ok(())
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

fn serve(request: Request, warm: Warm, answers: Receiver<String>) -> Message {
    if let Some(Err(problem)) = request.memory_mb.map(limit) {
        return Message::Unfit(problem);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return Message::Unfit(Problem::new(Reason::Internal, format!("no runtime: {e}"))),
    };
    let Request { task, workplace, known, .. } = request;
    let Some(Task { job, payload, loan, needed, trace }) = task else {
        return match runtime.block_on(workplace.test(&known)) {
            Ok(()) => Message::Fit,
            Err(problem) => Message::Unfit(problem),
        };
    };
    // as `ps` and `top` show it, beside those that wait
    let _ = std::fs::write("/proc/self/comm", "tribute-job");
    let known = Known { srs: payload.srs, ..known };
    let (artefacts, srs) = match runtime.block_on(workplace.open(&known)) {
        Ok(stores) => stores,
        Err(problem) => return Message::Unfit(problem),
    };
    let asking = Arc::new(Asking(Mutex::new(answers)));
    let counting = asking.clone();
    let count = move |charges| counting.ask(Ask::Open(charges)).map(|_| ());
    let custody = Lent::new(artefacts.clone(), loan, Arc::new(count));
    let span = tracing::info_span!("process", job = %job, kind = payload.work.kind());
    trace::follow(&span, trace.as_deref());
    let _entered = span.enter();
    let phases = Phases { process: span.clone(), current: Mutex::default() };
    let report = Box::new(move |report| match report {
        Report::Progress(progress) => {
            phases.enter(&progress.phase);
            say(&Message::Progress(progress));
        }
        Report::Keys(circuit, origin) => say(&Message::Keys(circuit, origin)),
    });
    let (cache, most) = (workplace.cache(), workplace.cache_mb << 20);
    let toolbox =
        Toolbox::new(artefacts, custody, asking, srs, (&cache, most), runtime.handle().clone(), report).with_warm(warm);
    tracing::debug!(job = %job, kind = payload.work.kind(), "working");
    match work::run(&payload.work, &needed, &toolbox) {
        Ok(outcome) => Message::Done(Box::new(outcome)),
        Err(problem) => Message::Failed(problem),
    }
}
