//! JSON-RPC over HTTP: requests with time limits, retries where they help, and classification of failures.

use std::borrow::Cow;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use alloy::rpc::json_rpc::ErrorPayload;
use flate2::read::{GzDecoder, ZlibDecoder};
use reqwest::header::{HeaderName, CONTENT_ENCODING, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use reqwest::Url;
use serde::de::{DeserializeOwned, Deserializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::Value;
use tokio::time::Instant;

use crate::error::{ChainError, Result};
use crate::options::Options;
use crate::refusal::{limits_only_results, limits_requests, may_limit_results, wants_key};
use crate::transport;
use crate::wording::printable;

/// First pause if a node limits requests without saying how long to wait; doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// Waits for a node that perhaps limits results instead of requests, before it is asked for less.
const DOUBTFUL_WAITS: u32 = 2;
/// Maximum number of bytes of an answer that came compressed; more is cut off.
const MAX_DECOMPRESSED: u64 = 1 << 28;
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
            let header = |name: HeaderName| response.headers().get(name).map(|v| v.to_str().unwrap_or_default());
            let told = header(RETRY_AFTER).map(pause);
            let to = header(LOCATION).filter(|to| status.is_redirection() && !to.is_empty());
            let moved = to.and_then(|to| response.url().join(to).ok());
            let encoding = header(CONTENT_ENCODING).unwrap_or_default().trim().to_ascii_lowercase();
            Ok((status, told, moved, encoding, response.bytes().await?))
        });
        let (status, retry_after, moved, encoding, body) = match answered.await {
            Ok(Ok(answered)) => answered,
            Ok(Err(error)) if reqwest::Error::is_timeout(&error) => return Err(Failure::Silent),
            Ok(Err(error)) => return Err(Failure::Connection(error.without_url())),
            Err(_) => return Err(Failure::Silent),
        };
        if let Some(to) = moved {
            return Err(Failure::Moved { to: transport::shown(&to) });
        }
        let (success, status) = (status.is_success(), status.as_u16());
        let Some(body) = decompressed(&encoding, &body) else {
            let cause =
                format!("its content encoding {}, which was not asked for, cannot be read", printable(&encoding));
            return Err(Failure::Unreadable { cause, body: String::new() });
        };
        let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&body);
        let plain = |words: &str| transport::without_secrets(&self.endpoint, words);
        let told = |words: &str| printable(&plain(words));
        let quoted = || plain(&String::from_utf8_lossy(body)).chars().take(4 * QUOTED).collect::<String>();
        let answer: Answer = match serde_json::from_slice(body) {
            Ok(answer) => answer,
            Err(_) if !success => return Err(Failure::Status { status, body: quoted(), retry_after }),
            Err(e) => return Err(Failure::Unreadable { cause: told(&e.to_string()), body: quoted() }),
        };
        if let Some(error) = answer.error.filter(|e| !e.is_null()) {
            return Err(match payload(error, success) {
                Some(mut error) => {
                    error.message = told(&error.message).into();
                    Failure::Error { status, error, retry_after }
                }
                None => Failure::Status { status, body: quoted(), retry_after },
            });
        }
        match answer.result {
            Some(result) if success => serde_json::from_str(result.get())
                .map_err(|e| Failure::Unreadable { cause: told(&format!("result: {e}")), body: quoted() }),
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
            // a page is told as one, unless it says the same
            Failure::Status { status: 503, ref body, .. } if !is_html(body) || title(body).contains("navailable") => {
                let title = Some(printable(&title(body))).filter(|title| !title.is_empty());
                ChainError::Unavailable { url, method, message: title.unwrap_or_else(|| failure.words()) }
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
            Failure::Error { status: 429, error, .. } => !limits_only_results(&error.message),
            Failure::Status { status: 429, body, .. } => is_html(body) || !limits_only_results(body),
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

/// A body that some gateways compress unasked; `None` if it cannot be read.
fn decompressed<'a>(encoding: &str, body: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    let mut plain = Vec::new();
    match encoding {
        "" | "identity" => return Some(Cow::Borrowed(body)),
        "gzip" | "x-gzip" => GzDecoder::new(body).take(MAX_DECOMPRESSED).read_to_end(&mut plain).ok()?,
        "deflate" => ZlibDecoder::new(body).take(MAX_DECOMPRESSED).read_to_end(&mut plain).ok()?,
        _ => return None,
    };
    Some(Cow::Owned(plain))
}

/// The pause in a `Retry-After`: seconds, perhaps with a fraction, or a date. Zero if it is neither, or past.
fn pause(text: &str) -> Duration {
    let text = text.trim();
    let seconds = || Duration::try_from_secs_f64(text.parse().ok()?).ok();
    let until = || httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).ok();
    text.parse().ok().map(Duration::from_secs).or_else(seconds).or_else(until).unwrap_or_default()
}

/// A JSON-RPC error, also if its code is a text, a fraction or missing, or if it is a text alone in an answer that is
/// otherwise a success.
fn payload(error: Value, success: bool) -> Option<ErrorPayload<Box<RawValue>>> {
    if let (Some(message), true) = (error.as_str(), success) {
        return Some(ErrorPayload { code: 0, message: message.to_owned().into(), data: None });
    }
    let message = error.get("message").and_then(Value::as_str);
    let code = error.get("code").filter(|code| !code.is_null());
    if message.is_none() && code.is_none() {
        return None;
    }
    let code = code.map_or(0, |code| match code {
        Value::String(code) => code.trim().parse().unwrap_or_default(),
        code => code.as_i64().or(code.as_f64().map(|code| code as i64)).unwrap_or_default(),
    });
    let data = error.get("data").and_then(|data| serde_json::value::to_raw_value(data).ok());
    Some(ErrorPayload { code, message: message.unwrap_or_default().to_owned().into(), data })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_read_in_seconds_or_as_a_date() {
        for (text, seconds) in
            [("2", 2.0), (" 3 ", 3.0), ("1.5", 1.5), ("0", 0.0), ("soon", 0.0), ("", 0.0), ("-5", 0.0)]
        {
            assert_eq!(pause(text).as_secs_f64(), seconds, "{text}");
        }
        let date = |at: SystemTime| pause(&httpdate::fmt_http_date(at)).as_secs();
        let hour = Duration::from_secs(3_600);
        assert!((3_590..=3_600).contains(&date(SystemTime::now() + hour)));
        assert_eq!(date(SystemTime::now() - hour), 0);
    }

    #[test]
    fn a_compressed_body_is_read() {
        let (plain, level) = (vec![7; 10_000], flate2::Compression::fast());
        let (mut gzip, mut zlib) = (Vec::new(), Vec::new());
        flate2::read::GzEncoder::new(&plain[..], level).read_to_end(&mut gzip).unwrap();
        flate2::read::ZlibEncoder::new(&plain[..], level).read_to_end(&mut zlib).unwrap();
        for (encoding, body) in
            [("", &plain), ("identity", &plain), ("gzip", &gzip), ("x-gzip", &gzip), ("deflate", &zlib)]
        {
            assert_eq!(decompressed(encoding, body).as_deref(), Some(&plain[..]), "{encoding}");
        }
        for (encoding, body) in [("br", &plain), ("gzip", &plain), ("gzip, br", &gzip), ("deflate", &gzip)] {
            assert_eq!(decompressed(encoding, body), None, "{encoding}");
        }
    }

    #[test]
    fn an_error_is_read_in_whatever_form_its_code_is() {
        for (error, expected) in [
            (serde_json::json!({ "code": -32005, "message": "m" }), Some((-32005, "m"))),
            (serde_json::json!({ "code": "429", "message": "m" }), Some((429, "m"))),
            (serde_json::json!({ "code": 429.0, "message": "m" }), Some((429, "m"))),
            (serde_json::json!({ "code": 429 }), Some((429, ""))),
            (serde_json::json!({ "code": null, "message": "m" }), Some((0, "m"))),
            (serde_json::json!({ "code": [], "message": "m" }), Some((0, "m"))),
            (serde_json::json!({ "message": "m" }), Some((0, "m"))),
            (serde_json::json!("m"), Some((0, "m"))),
            (serde_json::json!({ "code": null }), None),
            (serde_json::json!({}), None),
            (serde_json::json!([]), None),
        ] {
            let read = payload(error.clone(), true).map(|error| (error.code, error.message.to_string()));
            assert_eq!(read, expected.map(|(code, message)| (code, message.to_owned())), "{error}");
        }
    }
}
