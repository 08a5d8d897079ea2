//! Logs on standard error and traces to a collector.

use std::io::IsTerminal as _;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use opentelemetry_sdk::Resource;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{fmt, EnvFilter, Layer};

/// Environment variable with the logs' format: `text`, the default, or `json` for one object a line.
pub const FORMAT: &str = "TRIBUTE_LOG_FORMAT";

/// Default of `RUST_LOG`.
const USUAL: &str = "info,sqlx=warn,hyper=warn,tower_http=warn,opentelemetry=warn";

/// Keeps traces flowing; when dropped, what is still to be exported is sent.
#[derive(Debug)]
pub struct Guard {
    traces: Option<Traces>,
}

#[derive(Debug)]
struct Traces {
    provider: SdkTracerProvider,
    /// The exporter's connection lives here; an application's runtime may not exist yet, or end earlier.
    _runtime: tokio::runtime::Runtime,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(traces) = &self.traces {
            // a collector that is gone is no reason to fail
            let _ = traces.provider.shutdown();
        }
    }
}

/// Starts logging, and tracing if `OTEL_EXPORTER_OTLP_ENDPOINT` names a collector (OTLP over gRPC). `service` is the
/// process's name in traces.
#[must_use]
pub fn start(service: &'static str) -> Guard {
    let (traces, problem) = match traces(service) {
        None => (None, None),
        Some(Ok(traces)) => (Some(traces), None),
        Some(Err(problem)) => (None, Some(problem)),
    };
    let tracer = traces.as_ref().map(|t| t.provider.tracer("tribute"));
    tracing_subscriber::registry().with(log()).with(tracer.map(spans)).init();
    if let Some(problem) = problem {
        tracing::error!(error = %problem, "no traces are exported");
    }
    Guard { traces }
}

fn log<S>() -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(USUAL));
    // below, it writes down the headers of calls, and with them the tokens of callers
    let filter = ["h2=info", "hyper=info"].iter().filter_map(|d| d.parse().ok()).fold(filter, EnvFilter::add_directive);
    let colours = std::io::stderr().is_terminal();
    // a log that cannot be written, on a full disk for example, is no reason to end a call in a panic
    let log = fmt::layer().with_writer(std::io::stderr).with_ansi(colours).log_internal_errors(false);
    if std::env::var(FORMAT).is_ok_and(|format| format == "json") {
        log.json().flatten_event(true).with_filter(filter).boxed()
    } else {
        log.with_filter(filter).boxed()
    }
}

/// Our own spans, whatever `RUST_LOG` says about the log.
fn spans<S>(tracer: SdkTracer) -> impl Layer<S>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let ours = Targets::new().with_target("tribute", tracing::Level::INFO);
    tracing_opentelemetry::layer().with_tracer(tracer).with_location(false).with_threads(false).with_filter(ours)
}

fn traces(service: &'static str) -> Option<Result<Traces, Box<dyn std::error::Error>>> {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if !set("OTEL_EXPORTER_OTLP_ENDPOINT") && !set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
        return None;
    }
    let build = || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let _entered = runtime.enter();
        let exporter = SpanExporter::builder().with_tonic().build()?;
        let resource = Resource::builder().with_service_name(service).build();
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
        drop(_entered);
        Ok(Traces { provider, _runtime: runtime })
    };
    Some(build())
}
