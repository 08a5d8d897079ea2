//! What an operator sees of a process: its logs, traces and metrics.
//!
//! | module | contents |
//! |---|---|
//! | [`logs`] | logs as text or JSON, filtered by `RUST_LOG`; traces to an OpenTelemetry collector |
//! | [`trace`] | handing a trace on to another process |
//! | [`names`] | the metrics' names and how they are recorded |
//!
//! Neither logs, traces nor metrics carry records, weights, queries, answers or keys. Accounts, identifiers and digests
//! may appear.

pub mod logs;
pub mod names;
pub mod trace;

/// Environment variables that configure logs and traces; a child process needs them, too.
pub const ENVIRONMENT: &[&str] = &[
    "RUST_LOG",
    logs::FORMAT,
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_BSP_SCHEDULE_DELAY",
];

/// The variables of [`ENVIRONMENT`] that are set, with their values.
#[must_use]
pub fn environment() -> Vec<(&'static str, std::ffi::OsString)> {
    ENVIRONMENT.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))).collect()
}
