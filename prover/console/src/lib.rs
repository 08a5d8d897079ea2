//! The web console: its files, served by the same port as gRPC, and what a browser may do with this server.
//!
//! The layer answers every `GET` itself and lets calls through to gRPC-Web. It gives no other site anything: a call that
//! a browser makes for another page is refused, no page may frame the console, and the console's own page may load
//! scripts from, and connect to, nothing but this server and the one node of a chain that its user chose.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use tonic::body::Body;
use tonic::codegen::{Bytes, Service};
use tower::Layer;

/// One file of the bundle.
#[derive(Debug)]
struct File {
    /// With a leading slash.
    path: &'static str,
    kind: &'static str,
    etag: &'static str,
    bytes: &'static [u8],
    gzip: Option<&'static [u8]>,
}

static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// What a program says that was built without a bundle.
pub const ABSENT: &str =
    "this program was built without the web console: run scripts/console.sh, which needs Node.js, and \
    build it again";

/// Whether this program contains the console.
#[must_use]
pub fn is_embedded() -> bool {
    !FILES.is_empty()
}

/// Files below this folder are named after their content.
const NAMED_BY_CONTENT: &str = "/assets/";

/// Serves the console and refuses what browsers send on behalf of other sites.
#[derive(Clone, Debug)]
pub struct Console {
    /// `host:port` names of this server, in lower case.
    names: Arc<[String]>,
    /// Origin of the node that the page may ask without its user's choice.
    node: Option<String>,
}

impl Console {
    /// A console for a server with these `host:port` names. `node` is the JSON-RPC address that the operator suggests to
    /// browsers; anything that is not an http or https address is left out.
    #[must_use]
    pub fn new(names: &[String], node: Option<&str>) -> Self {
        Console { names: names.into(), node: node.and_then(origin) }
    }

    /// The answer to a request that gRPC must not see; `None` lets it through.
    fn answer<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let headers = request.headers();
        if is_call(headers) {
            let foreign = foreign(headers, &self.names)?;
            return Some(text(StatusCode::FORBIDDEN, &foreign));
        }
        match *request.method() {
            Method::GET | Method::HEAD => Some(self.file(request)),
            // what a browser asks before it sends another site's call: it gets no permission
            Method::OPTIONS => Some(text(StatusCode::FORBIDDEN, "this server takes no calls from other sites")),
            _ => None,
        }
    }

    fn file<B>(&self, request: &Request<B>) -> Response<Body> {
        let headers = request.headers();
        let host = request.uri().authority().map(http::uri::Authority::as_str);
        let host = host.or_else(|| headers.get(header::HOST)?.to_str().ok()).unwrap_or_default();
        if !self.is_named(host) {
            let known = self.names.join(", ");
            let said = format!(
                "this server is known as {known}, not as `{host}`, and signatures made here would be refused: open it under \
                 a name that it knows, or have its operator add this one (`tribute serve --name`)"
            );
            return text(StatusCode::MISDIRECTED_REQUEST, &said);
        }
        let path = request.uri().path();
        let index = path == "/";
        let wanted = if index { "/index.html" } else { path };
        let Some(file) = FILES.iter().find(|f| f.path == wanted) else {
            return if index {
                self.absent(request.uri().query())
            } else {
                text(StatusCode::NOT_FOUND, "there is no such page")
            };
        };
        let known = headers.get(header::IF_NONE_MATCH).is_some_and(|v| v == file.etag);
        let gzip = file.gzip.filter(|_| takes_gzip(headers));
        let body = match (known, gzip) {
            (true, _) => &[][..],
            (false, Some(packed)) => packed,
            (false, None) => file.bytes,
        };
        let head = *request.method() == Method::HEAD;
        let mut response = Response::new(Body::new(Full::new(Bytes::from_static(if head { &[] } else { body }))));
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let out = response.headers_mut();
        protect(out);
        out.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.kind));
        out.insert(header::ETAG, HeaderValue::from_static(file.etag));
        out.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if gzip.is_some() && !known {
            out.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let lasts =
            if file.path.starts_with(NAMED_BY_CONTENT) { "public, max-age=31536000, immutable" } else { "no-cache" };
        out.insert(header::CACHE_CONTROL, HeaderValue::from_static(lasts));
        if index {
            out.insert(header::CONTENT_SECURITY_POLICY, self.policy(request.uri().query()));
        }
        response
    }

    /// The page of a program without the bundle.
    fn absent(&self, query: Option<&str>) -> Response<Body> {
        let html = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Tribute</title><p>This server works, but {ABSENT}.</p></html>"
        );
        let mut response = Response::new(Body::new(Full::new(Bytes::from(html))));
        let out = response.headers_mut();
        protect(out);
        out.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        out.insert(header::CONTENT_SECURITY_POLICY, self.policy(query));
        response
    }

    fn is_named(&self, host: &str) -> bool {
        with_port(host).iter().any(|name| self.names.contains(name))
    }

    /// The page's policy. `query` may name, as `rpc=`, the node that the user chose: the page loads itself anew to change it.
    fn policy(&self, query: Option<&str>) -> HeaderValue {
        let chosen = query.and_then(|q| q.split('&').find_map(|pair| pair.strip_prefix("rpc=")));
        let chosen = chosen.and_then(decoded).and_then(|url| origin(&url));
        let mut connect = String::from("'self'");
        for origin in chosen.iter().chain(&self.node) {
            connect.push(' ');
            connect.push_str(origin);
        }
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src {connect}; \
             form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
             trusted-types 'none'"
        );
        // an origin has only characters that a header can hold
        HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
    }
}

/// Whether this is a gRPC or gRPC-Web call. No page can send one to another site without asking first: its content type is
/// not one of a form.
fn is_call(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// Why a call comes from a page of another site; `None` if it does not.
fn foreign(headers: &HeaderMap, names: &[String]) -> Option<String> {
    if let Some(origin) = headers.get(header::ORIGIN) {
        let text = String::from_utf8_lossy(origin.as_bytes()).to_ascii_lowercase();
        let own = text.split_once("://").is_some_and(|(scheme, host)| {
            let port = if scheme == "https" { 443 } else { 80 };
            names.contains(&if has_port(host) { host.to_owned() } else { format!("{host}:{port}") })
        });
        if !own {
            return Some(format!("this server takes no calls from pages of `{text}`"));
        }
    }
    let site = headers.get(HeaderName::from_static("sec-fetch-site"))?;
    (site != "same-origin").then(|| "this server takes calls only from its own pages".to_owned())
}

fn has_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

/// `host` with its port, or with those that a browser leaves out.
fn with_port(host: &str) -> Vec<String> {
    let host = host.to_ascii_lowercase();
    if has_port(&host) {
        vec![host]
    } else {
        vec![format!("{host}:443"), format!("{host}:80")]
    }
}

/// The origin of an http or https address, if it has only characters that belong in one.
fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let host = rest.split(['/', '?', '#']).next()?.to_ascii_lowercase();
    let host = host.rsplit_once('@').map_or(host.as_str(), |(_, host)| host);
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']');
    let fits = matches!(scheme.as_str(), "http" | "https") && !host.is_empty() && host.bytes().all(plain);
    fits.then(|| format!("{scheme}://{host}"))
}

/// Percent-decodes a query's value.
fn decoded(value: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok());
    accepted.flat_map(|v| v.split(',')).any(|one| {
        let mut parts = one.split(';').map(str::trim);
        parts.next() == Some("gzip") && !parts.any(|p| p == "q=0")
    })
}

/// What every answer to a browser says.
fn protect(headers: &mut HeaderMap) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin-allow-popups"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
}

fn text(status: StatusCode, said: &str) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::new(Bytes::from(format!("{said}\n")))));
    *response.status_mut() = status;
    protect(response.headers_mut());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, nothing);
    response
}

impl<S> Layer<S> for Console {
    type Service = Fronted<S>;

    fn layer(&self, inner: S) -> Fronted<S> {
        Fronted { console: self.clone(), inner }
    }
}

/// A service behind the console.
#[derive(Clone, Debug)]
pub struct Fronted<S> {
    console: Console,
    inner: S,
}

impl<S, B> Service<Request<B>> for Fronted<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.console.answer(&request) {
            Some(response) => Box::pin(async move { Ok(response) }),
            None => Box::pin(self.inner.call(request)),
        }
    }
}

#[cfg(test)]
mod tests;
