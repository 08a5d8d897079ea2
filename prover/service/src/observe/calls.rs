//! A layer around every call: its span, its metrics and its line in the audit log.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Instant;

use http::{HeaderMap, Request, Response};
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::{Code, Status};
use tower::Layer;
use tracing::Instrument as _;
use tribute_client::signing::Content;
use tribute_core::hexed::AccountAddress;
use tribute_proto::Access;
use tribute_telemetry::{names, trace};

use super::audit::{millis, now_ms, AuditLog, Line};

/// Who made a call, as a request extension that the gate fills in, so that the layers around the gate know, too.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identified(Arc<OnceLock<(AccountAddress, Option<Content>)>>);

impl Identified {
    /// The caller has authenticated; `content` is what it signed.
    pub(crate) fn is(&self, account: AccountAddress, content: Option<Content>) {
        let _ = self.0.set((account, content));
    }
}

/// The layer.
#[derive(Clone, Debug)]
pub struct Observe {
    /// Where calls that need an account are written down.
    pub audit: Option<AuditLog>,
}

impl<S> Layer<S> for Observe {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed { audit: self.audit.clone(), inner }
    }
}

/// A service whose calls are observed.
#[derive(Clone, Debug)]
pub struct Observed<S> {
    audit: Option<AuditLog>,
    inner: S,
}

impl<S, B> Service<Request<Body>> for Observed<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    B: Send + 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let started = Instant::now();
        // paths that strangers make up are one method, or they would fill the memory of whoever collects the metrics
        let call = tribute_proto::call(request.uri().path());
        let method = call.map_or("other", |call| call.path);
        let span = tracing::info_span!("call", otel.name = method, otel.kind = "server", code = tracing::field::Empty);
        trace::follow_headers(&span, request.headers());
        let identified = Identified::default();
        request.extensions_mut().insert(identified.clone());
        let audit = self.audit.clone().filter(|_| call.is_some_and(|call| call.access != Access::Public));
        let answer = self.inner.call(request).instrument(span.clone());
        let mut observation = Observation { started, method, span, identified, audit, code: Code::Cancelled };
        Box::pin(async move {
            let answered = answer.await;
            observation.code = answered.as_ref().map_or(Code::Internal, |response| code(response.headers()));
            drop(observation);
            answered
        })
    }
}

/// What is told of a call once it has ended; a call whose caller has left may have done its work, too.
struct Observation {
    started: Instant,
    method: &'static str,
    span: tracing::Span,
    identified: Identified,
    audit: Option<AuditLog>,
    /// [`Code::Cancelled`] until it is answered.
    code: Code,
}

impl Drop for Observation {
    fn drop(&mut self) {
        let code = name(self.code);
        self.span.record("code", code);
        let took = self.started.elapsed();
        names::call(self.method, code, took);
        let Some(audit) = &self.audit else { return };
        let who = self.identified.0.get();
        let content = who.and_then(|(_, content)| content.as_ref());
        audit.write(&Line {
            at_ms: now_ms(),
            method: self.method,
            account: who.map(|(account, _)| *account),
            message_sha256: content.map(|content| hex::encode(content.sha256)),
            code,
            took_ms: millis(took),
        });
    }
}

/// The code of an answer. A call that fails later than with its first message has begun well: it counts as `Ok`.
fn code(headers: &HeaderMap) -> Code {
    Status::from_header_map(headers).map_or(Code::Ok, |status| status.code())
}

/// The code's name in the documents of gRPC.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its work may be done all the same.
    #[tokio::test]
    async fn a_call_whose_caller_leaves_has_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.jsonl");
        let never = tower::service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, Status>>());
        let mut observed = Observe { audit: Some(AuditLog::to(&file).unwrap()) }.layer(never);
        let method = "/tribute.v1.DatasetService/ForgetDataset";
        let call = observed.call(Request::builder().uri(method).body(Body::empty()).unwrap());
        assert!(tokio::time::timeout(std::time::Duration::from_millis(20), call).await.is_err());
        let line: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!((&line["method"], &line["code"]), (&method.into(), &"CANCELLED".into()));
    }
}
