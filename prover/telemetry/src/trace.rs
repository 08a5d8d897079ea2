//! Traces across processes, as text in the form of W3C Trace Context.

use std::collections::HashMap;

use http::HeaderMap;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

const PARENT: &str = "traceparent";

/// The `traceparent` of a span; `None` if no traces are exported.
#[must_use]
pub fn of(span: &Span) -> Option<String> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut carrier);
    carrier.remove(PARENT)
}

/// Makes `span` a child of the span that `traceparent` names. Text that names none is ignored.
pub fn follow(span: &Span, traceparent: Option<&str>) {
    if let Some(text) = traceparent {
        // fails if nobody listens to spans
        let _ = span.set_parent(TraceContextPropagator::new().extract(&Text(text)));
    }
}

/// [`follow`] for a call's headers.
pub fn follow_headers(span: &Span, headers: &HeaderMap) {
    follow(span, headers.get(PARENT).and_then(|value| value.to_str().ok()));
}

struct Text<'a>(&'a str);

impl Extractor for Text<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == PARENT).then_some(self.0)
    }
    fn keys(&self) -> Vec<&str> {
        vec![PARENT]
    }
}
