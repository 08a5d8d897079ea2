//! Metrics of a job's run on a worker.

use std::time::Instant;

use tribute_steps::circuit::ProofBody;
use tribute_steps::toolbox::Progress;
use tribute_steps::work::Outcome;
use tribute_telemetry::names;

/// A run that is being observed.
#[derive(Debug)]
pub(crate) struct Run {
    kind: String,
    started: Instant,
    phase: Option<(String, Instant)>,
    peak: Option<u64>,
}

impl Run {
    pub(crate) fn start(kind: &str) -> Self {
        Run { kind: kind.to_owned(), started: Instant::now(), phase: None, peak: None }
    }

    /// The job has progressed.
    pub(crate) fn progress(&mut self, progress: &Progress) {
        if self.phase.as_ref().is_none_or(|(phase, _)| *phase != progress.phase) {
            self.leave_phase();
            self.phase = Some((progress.phase.clone(), Instant::now()));
        }
    }

    /// Reads the largest memory so far of the job's process.
    pub(crate) fn sample(&mut self, process: Option<u32>) {
        if let Some(peak) = process.and_then(|id| memory(&format!("/proc/{id}/status"), "VmHWM:")) {
            self.peak = Some(peak);
        }
    }

    /// The run has ended.
    pub(crate) fn end(mut self, end: &'static str) {
        self.leave_phase();
        names::run(&self.kind, end, self.started.elapsed(), self.peak);
    }

    fn leave_phase(&mut self) {
        if let Some((phase, since)) = self.phase.take() {
            names::phase(&self.kind, &phase, since.elapsed());
        }
    }
}

/// The verifiers' gas of an outcome's proofs.
pub(crate) fn gas(outcome: &Outcome) {
    let proofs: Vec<&ProofBody> = match outcome {
        Outcome::Dataset(d) => d.shards.iter().map(|s| &s.proof).collect(),
        Outcome::Shard(s) => vec![&s.proof],
        Outcome::Gradient(g) => vec![&g.proof],
        Outcome::Optimum(o) => vec![&o.proof],
        Outcome::Service(s) => vec![&s.proof],
        _ => Vec::new(),
    };
    for proof in proofs {
        names::gas(proof.circuit.shape.statement.name(), proof.stats.gas_verify);
    }
}

/// A memory size in a `status` file of `/proc`, bytes.
pub(super) fn memory(file: &str, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(file).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}
