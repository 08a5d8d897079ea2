//! The metrics. What is counted in this process is recorded here; what is read from the database is published by the
//! service when somebody looks.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram, Unit};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Calls answered, by `method` and gRPC `code`.
pub const CALLS: &str = "tribute_calls_total";
/// Seconds from a call's arrival to its answer, by `method`.
pub const CALL_SECONDS: &str = "tribute_call_seconds";
/// Runs of jobs that ended on this worker, by `kind` and `end`.
pub const RUNS: &str = "tribute_runs_total";
/// Seconds of a job's run, by `kind`.
pub const RUN_SECONDS: &str = "tribute_run_seconds";
/// Seconds in each `phase` of a job, by `kind`.
pub const PHASE_SECONDS: &str = "tribute_phase_seconds";
/// Jobs put back into the queue, by `why`.
pub const REQUEUES: &str = "tribute_requeues_total";
/// Circuit keys that jobs needed, by `origin`: `warm`, loaded before the job came, `kept` in the cache, or `made`, or `remade` because the file was damaged.
pub const KEYS: &str = "tribute_keys_total";
/// Largest memory of a job's process, bytes, by `kind`.
pub const RUN_BYTES: &str = "tribute_run_peak_bytes";
/// Execution gas of the verifier of the latest proof, by `statement`.
pub const GAS: &str = "tribute_verifier_gas";
/// Memory of this process, bytes.
pub const RESIDENT: &str = "tribute_resident_bytes";

/// Jobs, by `tenant` and `state`: queued and running.
pub const QUEUE_JOBS: &str = "tribute_queue_jobs";
/// Age of the oldest queued job, seconds, by `tenant`.
pub const QUEUE_AGE: &str = "tribute_queue_oldest_seconds";
/// Openings left to this store, by `commitment`: those that have fewest.
pub const OPENINGS_LEFT: &str = "tribute_openings_left";
/// 1 if the database answered when the queue was last read, otherwise 0.
pub const DATABASE_UP: &str = "tribute_database_up";

/// All names, with what they mean.
pub const ALL: &[(&str, &str)] = &[
    (CALLS, "Calls answered, by method and code."),
    (CALL_SECONDS, "Time from a call's arrival to its answer."),
    (RUNS, "Runs of jobs that ended on this worker, by kind and end."),
    (RUN_SECONDS, "Time of a job's run."),
    (PHASE_SECONDS, "Time in each phase of a job."),
    (REQUEUES, "Jobs put back into the queue."),
    (KEYS, "Circuit keys that jobs needed, by origin: loaded before the job came, kept in the cache, made, or remade."),
    (RUN_BYTES, "Largest memory of a job's process."),
    (GAS, "Execution gas of the verifier of the latest proof."),
    (RESIDENT, "Memory of this process."),
    (QUEUE_JOBS, "Jobs queued and running, by tenant."),
    (QUEUE_AGE, "Age of the oldest queued job, by tenant."),
    (OPENINGS_LEFT, "Openings left to this store, of the commitments that have fewest."),
    (DATABASE_UP, "Whether the database answered when the queue was last read."),
];

/// Bounds of buckets for calls, seconds.
const CALL_BUCKETS: &[f64] =
    &[0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// Bounds of buckets for jobs and their phases, seconds.
const RUN_BUCKETS: &[f64] = &[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0];
/// Bounds of buckets for memory, bytes.
const BYTES_BUCKETS: &[f64] =
    &[3.2e7, 6.4e7, 1.28e8, 2.56e8, 5.12e8, 1.024e9, 2.048e9, 4.096e9, 8.192e9, 1.6e10, 6.4e10];

/// The metrics that this process has recorded.
#[derive(Clone)]
pub struct Recorded(PrometheusHandle);

impl Recorded {
    /// In Prometheus's text format.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.run_upkeep();
        self.0.render()
    }
}

/// Starts recording metrics, which otherwise costs next to nothing. `None` if this process already records them.
#[must_use]
pub fn record() -> Option<Recorded> {
    use metrics_exporter_prometheus::Matcher;
    let builder = PrometheusBuilder::new();
    let full = |name: &str| Matcher::Full(name.to_owned());
    let handle = builder
        .set_buckets_for_metric(full(CALL_SECONDS), CALL_BUCKETS)
        .and_then(|b| b.set_buckets_for_metric(full(RUN_SECONDS), RUN_BUCKETS))
        .and_then(|b| b.set_buckets_for_metric(full(PHASE_SECONDS), RUN_BUCKETS))
        .and_then(|b| b.set_buckets_for_metric(full(RUN_BYTES), BYTES_BUCKETS))
        .and_then(PrometheusBuilder::install_recorder)
        .ok()?;
    for (name, help) in ALL {
        if name.ends_with("_total") {
            describe_counter!(*name, *help);
        } else if [CALL_SECONDS, RUN_SECONDS, PHASE_SECONDS].contains(name) {
            describe_histogram!(*name, Unit::Seconds, *help);
        } else if *name == RUN_BYTES {
            describe_histogram!(*name, Unit::Bytes, *help);
        } else {
            describe_gauge!(*name, *help);
        }
    }
    // what has not happened yet is 0, so that its rate is known from the first time on
    for why in [Requeue::Lost, Requeue::Stopped, Requeue::Failed] {
        counter!(REQUEUES, "why" => why.text()).absolute(0);
    }
    for origin in ["warm", "kept", "made", "remade"] {
        counter!(KEYS, "origin" => origin).absolute(0);
    }
    Some(Recorded(handle))
}

/// Why a job was put back into the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requeue {
    /// Its process or its worker was lost.
    Lost,
    /// Its worker was stopped.
    Stopped,
    /// It failed and will be tried again.
    Failed,
}

impl Requeue {
    fn text(self) -> &'static str {
        match self {
            Requeue::Lost => "lost",
            Requeue::Stopped => "stopped",
            Requeue::Failed => "failed",
        }
    }
}

/// A call was answered.
pub fn call(method: &'static str, code: &'static str, took: Duration) {
    counter!(CALLS, "method" => method, "code" => code).increment(1);
    histogram!(CALL_SECONDS, "method" => method).record(took.as_secs_f64());
}

/// A job's run ended on this worker: `succeeded`, `failed`, `lost`, `cancelled`, `fenced` or `stopped`. `peak` is the
/// largest memory of its process in bytes, if known.
pub fn run(kind: &str, end: &'static str, took: Duration, peak: Option<u64>) {
    counter!(RUNS, "kind" => kind.to_owned(), "end" => end).increment(1);
    histogram!(RUN_SECONDS, "kind" => kind.to_owned()).record(took.as_secs_f64());
    if let Some(bytes) = peak {
        histogram!(RUN_BYTES, "kind" => kind.to_owned()).record(bytes as f64);
    }
}

/// A job left a phase.
pub fn phase(kind: &str, phase: &str, took: Duration) {
    histogram!(PHASE_SECONDS, "kind" => kind.to_owned(), "phase" => phase.to_owned()).record(took.as_secs_f64());
}

/// Jobs went back into the queue.
pub fn requeued(why: Requeue, jobs: u64) {
    counter!(REQUEUES, "why" => why.text()).increment(jobs);
}

/// A job needed a circuit's keys.
pub fn keys(origin: &str) {
    counter!(KEYS, "origin" => origin.to_owned()).increment(1);
}

/// A proof's verifier takes so much gas.
pub fn gas(statement: &str, gas: u64) {
    gauge!(GAS, "statement" => statement.to_owned()).set(gas as f64);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The board shows every metric and no other.
    #[test]
    fn the_board_shows_what_there_is() {
        let board = include_str!("../../../deploy/grafana.json");
        let letter = |c: char| c.is_ascii_lowercase() || c == '_';
        let shown: std::collections::BTreeSet<&str> = board
            .match_indices("tribute_")
            .map(|(at, _)| board[at..].split(|c| !letter(c)).next().unwrap_or_default())
            .map(|name| {
                let parts = ["_bucket", "_sum", "_count"];
                parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name)
            })
            .collect();
        let known: std::collections::BTreeSet<&str> = ALL.iter().map(|(name, _)| *name).collect();
        assert_eq!(shown, known);
    }

    #[test]
    fn what_is_recorded_is_rendered() {
        let recorded = record().unwrap();
        assert!(record().is_none(), "a process records its metrics once");
        call("/tribute.v1.SessionService/Query", "OK", Duration::from_millis(4));
        run("gradient", "succeeded", Duration::from_secs(2), Some(1 << 30));
        let text = recorded.text();
        for expected in [
            "tribute_calls_total{method=\"/tribute.v1.SessionService/Query\",code=\"OK\"} 1",
            "tribute_call_seconds_bucket{method=\"/tribute.v1.SessionService/Query\",le=\"0.005\"} 1",
            "tribute_call_seconds_bucket{method=\"/tribute.v1.SessionService/Query\",le=\"0.003\"} 0",
            "tribute_run_peak_bytes_count{kind=\"gradient\"} 1",
            "tribute_requeues_total{why=\"lost\"} 0",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
    }
}
