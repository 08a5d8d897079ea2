//! Progress of a demo: a progress bar for each running step, then a line with its time.

use std::future::Future;
use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tribute_problem::Problem;

/// Which step failed, and why.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the demo stopped in the step `{step}`: {problem}")]
pub(super) struct Failure {
    pub(super) step: &'static str,
    pub(super) problem: Problem,
}

/// All steps of one run. Steps may run concurrently.
pub(super) struct Steps {
    bars: MultiProgress,
    started: Instant,
    times: Mutex<Vec<(&'static str, Duration)>>,
}

/// A running step's progress.
pub(super) struct Bar(ProgressBar);

impl Steps {
    pub(super) fn new() -> Self {
        Steps { bars: MultiProgress::new(), started: Instant::now(), times: Mutex::default() }
    }

    /// Time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Names and times of the steps that succeeded, in the order in which they ended.
    pub(super) fn times(&self) -> Vec<(&'static str, Duration)> {
        self.times.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Prints a line between the steps.
    pub(super) fn say(&self, text: &str) {
        self.bars.suspend(|| say!("{text}"));
    }

    /// Runs a step of `units` parts. `name` identifies it in failures; `about` is its description on the terminal.
    pub(super) async fn run<T, F>(
        &self,
        name: &'static str,
        about: &str,
        units: u64,
        work: impl FnOnce(Bar) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Problem>>,
    {
        let bar = self.bars.add(ProgressBar::new(units));
        if let Ok(style) = ProgressStyle::with_template("  {elapsed:>4} {prefix:<46} {bar:24} {msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(about.to_owned());
        if std::io::stderr().is_terminal() {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        let start = Instant::now();
        let ended = work(Bar(bar.clone())).await;
        bar.finish_and_clear();
        let time = start.elapsed();
        match ended {
            Ok(value) => {
                self.say(&format!("  ✓ {about:<66} {:>6.1} s", time.as_secs_f64()));
                self.times.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((name, time));
                Ok(value)
            }
            Err(problem) => {
                self.say(&format!("  ✗ {about:<66} {:>6.1} s", time.as_secs_f64()));
                Err(Failure { step: name, problem })
            }
        }
    }
}

impl Bar {
    /// Marks one more part as done.
    pub(super) fn done(&self, what: &str) {
        self.0.set_message(what.to_owned());
        self.0.inc(1);
    }
}
