//! JSON-RPC over HTTP: requests with time limits, retries where they help, and classification of failures.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use alloy::rpc::json_rpc::ErrorPayload;
use reqwest::header::{HeaderName, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use reqwest::Url;
use serde::de::{DeserializeOwned, Deserializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::Value;
use tokio::time::Instant;

use crate::error::{ChainError, Result};
use crate::options::Options;
use crate::refusal::{limits_requests, may_limit_results, wants_key};
use crate::transport;

/// First pause if a node limits requests without saying how long to wait; doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// Waits for a node that perhaps limits results instead of requests, before it is asked for less.
const DOUBTFUL_WAITS: u32 = 2;
/// Maximum number of characters of an unexpected answer that an error quotes.
const QUOTED: usize = 80;

/// A node's JSON-RPC endpoint.
pub(crate) struct Rpc {
    url: String,
    endpoint: Url,
    http: reqwest::Client,
    options: Options,
    next_id: AtomicU64,
    /// No request is sent before this time, because the node asked for a pause.
    quiet_until: Mutex<Option<Instant>>,
}

/// Why a request has no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A JSON-RPC error.
    Error { status: u16, error: ErrorPayload<Box<RawValue>>, retry_after: Option<Duration> },
    /// An HTTP error without a JSON-RPC error in it.
    Status { status: u16, body: String, retry_after: Option<Duration> },
    /// HTTP success, but not a JSON-RPC answer of the expected type.
    Unreadable { cause: String, body: String },
    /// A redirection that turns a POST into a GET.
    Moved { to: String },
    /// The connection failed or broke.
    Connection(reqwest::Error),
    /// No complete answer within the time limit.
    Silent,
}

/// A JSON-RPC answer. `result` may be null, which differs from absent.
#[derive(Deserialize)]
struct Answer {
    #[serde(default, deserialize_with = "present")]
    result: Option<Box<RawValue>>,
    error: Option<Value>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::deserialize(deserializer).map(Some)
}

#[derive(Serialize)]
struct Request {
    jsonrpc: &'static str,
    id: u64,
    method: &'static str,
    params: Value,
}

impl Rpc {
    pub(crate) fn new(url: &str, options: Options) -> Result<Rpc> {
        let (http, endpoint) =
            transport::client(url, options.request_timeout, options.roots.as_deref().map(Path::new))?;
        let url = transport::shown(&endpoint);
        Ok(Rpc { url, endpoint, http, options, next_id: AtomicU64::new(1), quiet_until: Mutex::new(None) })
    }

    /// The node's URL, without the parts that may be secret.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// A request that is safe to repeat: retried if the connection breaks or the node limits requests.
    pub(crate) async fn ask<P: Serialize, R: DeserializeOwned>(
        &self,
        method: &'static str,
        params: &P,
    ) -> Result<R, Failure> {
        self.repeat(method, params, self.options.read_retries, u32::MAX).await
    }

    /// The same, but not repeated for long if the node perhaps limits the size of results, not the number of requests.
    pub(crate) async fn ask_for_range<P: Serialize, R: DeserializeOwned>(
        &self,
        method: &'static str,
        params: &P,
    ) -> Result<R, Failure> {
        self.repeat(method, params, self.options.read_retries, DOUBTFUL_WAITS).await
    }

    /// A request that is retried only if the node limits requests, that is, did not handle it.
    pub(crate) async fn once<P: Serialize, R: DeserializeOwned>(
        &self,
        method: &'static str,
        params: &P,
    ) -> Result<R, Failure> {
        self.repeat(method, params, 0, u32::MAX).await
    }

    async fn repeat<P: Serialize, R: DeserializeOwned>(
        &self,
        method: &'static str,
        params: &P,
        retries: u32,
        mut doubtful_waits: u32,
    ) -> Result<R, Failure> {
        let patience = Instant::now() + self.options.rate_limit_patience;
        let (mut broken, mut pause) = (0, FIRST_PAUSE);
        loop {
            let quiet = *self.quiet();
            if let Some(until) = quiet {
                tokio::time::sleep_until(until).await;
            }
            let failure = match self.attempt(method, params).await {
                Ok(result) => return Ok(result),
                Err(failure) => failure,
            };
            if failure.is_limit() {
                if failure.may_limit_results() {
                    if doubtful_waits == 0 {
                        return Err(failure);
                    }
                    doubtful_waits -= 1;
                }
                let until = Instant::now().checked_add(failure.told_pause().unwrap_or(pause));
                let Some(until) = until.filter(|until| *until <= patience) else { return Err(failure) };
                tracing::debug!(method, ?failure, "the node limits requests, waiting");
                pause = (pause * 2).min(LONGEST_PAUSE);
                let mut quiet = self.quiet();
                *quiet = quiet.max(Some(until));
            } else if failure.is_broken() && broken < retries {
                broken += 1;
                tracing::debug!(method, attempt = broken, ?failure, "repeating a request");
                tokio::time::sleep(self.options.poll_interval * broken).await;
            } else {
                return Err(failure);
            }
        }
    }

    fn quiet(&self) -> MutexGuard<'_, Option<Instant>> {
        self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One request. The time limit covers the whole answer, even one that arrives in drips.
    async fn attempt<P: Serialize, R: DeserializeOwned>(&self, method: &'static str, params: &P) -> Result<R, Failure> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let unreadable = |e: serde_json::Error| Failure::Unreadable { cause: e.to_string(), body: String::new() };
        let params = match serde_json::to_value(params).map_err(unreadable)? {
            Value::Null => Value::Array(Vec::new()), // `()`: nodes want an array
            params => params,
        };
        let body = serde_json::to_vec(&Request { jsonrpc: "2.0", id, method, params }).map_err(unreadable)?;
        let request = self.http.post(self.endpoint.clone()).header(CONTENT_TYPE, "application/json").body(body);
        let answered = tokio::time::timeout(self.options.request_timeout, async {
            let response = request.send().await?;
            let status = response.status();
            let (told, moved) = {
                let header = |name: HeaderName| response.headers().get(name).and_then(|v| v.to_str().ok());
                let told = header(RETRY_AFTER).and_then(|v| v.trim().parse().ok()).map(Duration::from_secs);
                let moved = header(LOCATION).filter(|_| status.is_redirection());
                (told, moved.and_then(|to| response.url().join(to).ok()))
            };
            Ok((status, told, moved, response.bytes().await?))
        });
        let (status, retry_after, moved, body) = match answered.await {
            Ok(Ok(answered)) => answered,
            Ok(Err(error)) if reqwest::Error::is_timeout(&error) => return Err(Failure::Silent),
            Ok(Err(error)) => return Err(Failure::Connection(error.without_url())),
            Err(_) => return Err(Failure::Silent),
        };
        if let Some(to) = moved {
            return Err(Failure::Moved { to: transport::shown(&to) });
        }
        let (success, status) = (status.is_success(), status.as_u16());
        let quoted = || {
            let body = transport::without_secrets(&self.endpoint, &String::from_utf8_lossy(&body));
            body.chars().take(4 * QUOTED).collect::<String>()
        };
        let answer: Answer = match serde_json::from_slice(&body) {
            Ok(answer) => answer,
            Err(_) if !success => return Err(Failure::Status { status, body: quoted(), retry_after }),
            Err(e) => return Err(Failure::Unreadable { cause: e.to_string(), body: quoted() }),
        };
        if let Some(error) = answer.error.filter(|e| !e.is_null()) {
            return Err(match payload(error, success) {
                Some(mut error) => {
                    error.message = transport::without_secrets(&self.endpoint, &error.message).into();
                    Failure::Error { status, error, retry_after }
                }
                None => Failure::Status { status, body: quoted(), retry_after },
            });
        }
        match answer.result {
            Some(result) if success => serde_json::from_str(result.get())
                .map_err(|e| Failure::Unreadable { cause: format!("result: {e}"), body: quoted() }),
            None if success => {
                Err(Failure::Unreadable { cause: "neither result nor error".to_owned(), body: quoted() })
            }
            _ => Err(Failure::Status { status, body: quoted(), retry_after }),
        }
    }

    /// Converts the failure to an error for the caller.
    pub(crate) fn explain(&self, method: &str, failure: Failure) -> ChainError {
        let (url, method) = (self.url.clone(), method.to_owned());
        if failure.is_limit() {
            let (message, told) = (failure.words(), failure.told_pause().map(|pause| pause.as_secs()));
            let seconds = self.options.rate_limit_patience.as_secs();
            return ChainError::RateLimited { url, method, seconds, told, message };
        }
        if failure.is_unauthorised() {
            return ChainError::Unauthorised { url, method, message: failure.words() };
        }
        match failure {
            Failure::Error { error, .. } => {
                ChainError::Refused { url, method, code: error.code, message: error.message.into_owned() }
            }
            Failure::Status { body, .. } | Failure::Unreadable { body, .. } if is_html(&body) => {
                ChainError::WebPage { url, method, title: title(&body) }
            }
            Failure::Status { status, body, .. } => {
                ChainError::BadAnswer { url, method, cause: format!("HTTP status {status}{}", beginning(&body)) }
            }
            Failure::Unreadable { cause, body } => {
                ChainError::BadAnswer { url, method, cause: format!("{cause}{}", beginning(&body)) }
            }
            Failure::Moved { to } => ChainError::BadUrl { cause: format!("{url} redirects to {to}: give that URL") },
            Failure::Connection(error) if error.is_builder() => ChainError::BadUrl { cause: root_cause(&error) },
            Failure::Connection(error) => match tls_error(&error) {
                Some(tls) => ChainError::Tls { url, cause: tls.to_string(), advice: tls_advice(tls) },
                None => ChainError::Unreachable { url, cause: root_cause(&error) },
            },
            Failure::Silent => ChainError::NodeSilent { url, method, seconds: self.options.request_timeout.as_secs() },
        }
    }
}

impl Failure {
    /// Whether the node limits requests, so the same request may succeed later.
    pub(crate) fn is_limit(&self) -> bool {
        match self {
            Failure::Error { status: 429, .. } | Failure::Status { status: 429, .. } => true,
            Failure::Error { status: 503, retry_after, .. } | Failure::Status { status: 503, retry_after, .. } => {
                retry_after.is_some()
            }
            Failure::Error { error, .. } => limits_requests(error.code, &error.message),
            _ => false,
        }
    }

    /// Whether the node perhaps limits the size of results, not the number of requests.
    pub(crate) fn may_limit_results(&self) -> bool {
        match self {
            Failure::Error { status: 429, .. } => false,
            Failure::Error { error, .. } => {
                self.told_pause().is_none() && may_limit_results(error.code, &error.message)
            }
            _ => false,
        }
    }

    /// How long the node says to wait: in the header, or in the error's data (Infura). `None` if it is next to nothing.
    fn told_pause(&self) -> Option<Duration> {
        let told = match self {
            Failure::Status { retry_after, .. } => *retry_after,
            Failure::Error { retry_after: Some(pause), .. } => Some(*pause),
            Failure::Error { error, .. } => {
                let data: Value = serde_json::from_str(error.data.as_ref()?.get()).ok()?;
                data["rate"]["backoff_seconds"].as_f64().and_then(|s| Duration::try_from_secs_f64(s).ok())
            }
            _ => None,
        };
        told.filter(|told| *told >= FIRST_PAUSE)
    }

    /// Whether the connection or a gateway failed midway, which is worth a retry. Refused connections and timeouts are
    /// not.
    fn is_broken(&self) -> bool {
        match self {
            Failure::Status { status, .. } => *status >= 500,
            Failure::Error { status, .. } => matches!(status, 502..=504),
            Failure::Connection(error) => !error.is_connect(),
            _ => false,
        }
    }

    fn is_unauthorised(&self) -> bool {
        match self {
            Failure::Error { status: 401 | 403, .. } => true,
            Failure::Status { status: 401 | 403, body, .. } => !is_html(body),
            Failure::Error { error, .. } => wants_key(&error.message),
            _ => false,
        }
    }

    /// The node's message.
    pub(crate) fn words(&self) -> String {
        match self {
            Failure::Error { error, .. } => error.message.to_string(),
            Failure::Status { status, body, .. } => format!("HTTP status {status}{}", beginning(body)),
            Failure::Unreadable { cause, body } => format!("{cause}{}", beginning(body)),
            Failure::Moved { to } => format!("a redirection to {to}"),
            Failure::Connection(error) => root_cause(error),
            Failure::Silent => "no answer in time".to_owned(),
        }
    }
}

/// A JSON-RPC error, also if its code is a text, or if it is a text alone in an answer that is otherwise a success.
fn payload(mut error: Value, success: bool) -> Option<ErrorPayload<Box<RawValue>>> {
    if let (Some(message), true) = (error.as_str(), success) {
        return Some(ErrorPayload { code: 0, message: message.to_owned().into(), data: None });
    }
    if let Some(code) = error.get("code").and_then(Value::as_str) {
        error["code"] = code.parse().unwrap_or(0_i64).into();
    }
    serde_json::from_value(error).ok()
}

fn is_html(body: &str) -> bool {
    let start = body.trim_start().to_lowercase();
    start.starts_with("<!doctype html") || start.starts_with("<html")
}

fn title(body: &str) -> String {
    let lower = body.to_ascii_lowercase();
    let inside = lower.find("<title>").map(|at| at + "<title>".len()).zip(lower.find("</title>"));
    inside.and_then(|(from, to)| body.get(from..to)).unwrap_or_default().trim().to_owned()
}

fn beginning(body: &str) -> String {
    let start: String = body.trim().chars().take(QUOTED).collect();
    if start.is_empty() {
        start
    } else {
        format!("; it begins with {start:?}")
    }
}

/// The TLS error of a failed connection, if it is one.
fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // an I/O error names the source of what it wraps as its own source
        next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}

fn tls_advice(error: &rustls::Error) -> &'static str {
    use rustls::{CertificateError, Error};
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "if the node is yours, give the PEM file of its certificate authority (--rpc-ca)"
        }
        Error::InvalidCertificate(CertificateError::Other(cause)) if format!("{cause:?}").contains("CaUsedAs") => {
            "its certificate is one for an authority; make the node's own with CA:FALSE \
             (openssl req -x509 -addext basicConstraints=critical,CA:FALSE …)"
        }
        Error::InvalidCertificate(_) => "the node needs a certificate that is valid now and for this host",
        Error::InvalidMessage(_) => "if the node speaks plain HTTP at this port, give an http:// URL",
        _ => "check that the node speaks https at this port",
    }
}

/// The innermost error, such as `Connection refused`, without the layers around it.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
