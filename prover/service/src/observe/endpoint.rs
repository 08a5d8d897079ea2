//! Metrics for Prometheus over HTTP, at `/metrics` of an address of their own. They name accounts: the address is for the
//! operator's network, not for clients.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::routing::get;
use axum::Router;
use http::header::CONTENT_TYPE;
use tokio::net::TcpListener;
use tokio::sync::{watch, Mutex};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::service::Routes;
use tonic::transport::Server;
use tribute_problem::{Problem, Result};
use tribute_store::db::Database;
use tribute_telemetry::names::{self, Recorded};

use super::run::memory;
use super::state;

/// How long what was read from the database is shown again.
const FRESH: Duration = Duration::from_secs(5);
/// Longest wait for the database.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a request for metrics needs.
#[derive(Clone)]
struct Source {
    recorded: Recorded,
    db: Option<Database>,
    /// The queue's metrics as text, and when they were read.
    queue: Arc<Mutex<Option<(Instant, String)>>>,
}

/// Serves this process's metrics until `stop` becomes true; with `db`, also those of the queue.
///
/// # Errors
/// If the address cannot be listened on.
pub async fn serve(
    address: SocketAddr,
    db: Option<Database>,
    mut stop: watch::Receiver<bool>,
) -> Result<(SocketAddr, JoinHandle<()>)> {
    let recorded = names::record().ok_or_else(|| Problem::internal("this process records its metrics already"))?;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|e| Problem::field("metrics", format!("cannot listen on {address}: {e}")))?;
    let address = listener.local_addr()?;
    let router =
        Router::new().route("/metrics", get(metrics)).with_state(Source { recorded, db, queue: Arc::default() });
    let task = tokio::spawn(async move {
        let stopped = async move {
            let _ = stop.wait_for(|stop| *stop).await;
        };
        let server = Server::builder().accept_http1(true).add_routes(Routes::from(router));
        if let Err(e) = server.serve_with_incoming_shutdown(TcpListenerStream::new(listener), stopped).await {
            tracing::error!(error = %e, "metrics are no longer served");
        }
    });
    tracing::info!(%address, "metrics are served");
    Ok((address, task))
}

async fn metrics(State(source): State<Source>) -> impl axum::response::IntoResponse {
    let mut text = source.recorded.text();
    if let Some(bytes) = memory("/proc/self/status", "VmRSS:") {
        gauge(&mut text, names::RESIDENT, [(String::new(), bytes as f64)]);
    }
    if let Some(db) = &source.db {
        // one reader at a time; the others get what it read
        let mut known = source.queue.lock().await;
        if known.as_ref().is_none_or(|(at, _)| at.elapsed() > FRESH) {
            *known = Some((Instant::now(), queue(db).await));
        }
        text.push_str(known.as_ref().map_or("", |(_, text)| text));
    }
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}

/// Metrics of the queue and of the openings.
async fn queue(db: &Database) -> String {
    let mut text = String::new();
    let state = match tokio::time::timeout(PATIENCE, state::read(db)).await {
        Ok(Ok(state)) => state,
        Ok(Err(e)) => {
            tracing::warn!(error = %e, "the queue cannot be read for metrics");
            gauge(&mut text, names::DATABASE_UP, [(String::new(), 0.0)]);
            return text;
        }
        Err(_) => {
            tracing::warn!("the database does not answer in time for metrics");
            gauge(&mut text, names::DATABASE_UP, [(String::new(), 0.0)]);
            return text;
        }
    };
    gauge(&mut text, names::DATABASE_UP, [(String::new(), 1.0)]);
    let jobs = |tenant: &str, state: &str, n: i64| (format!("tenant=\"{tenant}\",state=\"{state}\""), n as f64);
    let listed = |pick: fn(&state::Tenant) -> i64| state.tenants.iter().map(pick).sum::<i64>();
    let each = state
        .tenants
        .iter()
        .flat_map(|t| [jobs(&t.tenant, "queued", t.queued), jobs(&t.tenant, "running", t.running)])
        .chain([
            jobs("others", "queued", state.queued - listed(|t| t.queued)),
            jobs("others", "running", state.running - listed(|t| t.running)),
        ]);
    gauge(&mut text, names::QUEUE_JOBS, each);
    let ages = state.tenants.iter().map(|t| (format!("tenant=\"{}\"", t.tenant), t.oldest_ms as f64 / 1e3));
    gauge(&mut text, names::QUEUE_AGE, ages);
    let left = state.openings.iter().map(|o| (format!("commitment=\"{}\"", o.commitment), o.left as f64));
    gauge(&mut text, names::OPENINGS_LEFT, left);
    text
}

/// Writes a gauge with its help; every value has its labels, already in Prometheus's form.
fn gauge(text: &mut String, name: &str, values: impl IntoIterator<Item = (String, f64)>) {
    let help = names::ALL.iter().find(|(known, _)| *known == name).map_or("", |(_, help)| help);
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
    for (labels, value) in values {
        let _ = match labels.as_str() {
            "" => writeln!(text, "{name} {value}"),
            labels => writeln!(text, "{name}{{{labels}}} {value}"),
        };
    }
}
