//! A collector of traces: it takes what OTLP over HTTP brings, and reads it by the messages that
//! the OpenTelemetry project generates.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use opentelemetry_proto::tonic::trace::v1 as otlp;
use prost::Message;

use super::{Act, Seen, Upstream};

/// A server that takes spans.
pub(crate) struct Collector(Upstream);

/// A span as it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty where there is none.
    pub(crate) parent: String,
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) is_server: bool,
    pub(crate) failed: bool,
    pub(crate) attributes: BTreeMap<String, String>,
    /// Trace and span of each.
    pub(crate) links: Vec<(String, String)>,
    /// In nanoseconds since 1970.
    pub(crate) times: (u64, u64),
    pub(crate) flags: u32,
}

impl Sent {
    /// The value of an attribute; nothing where it has none.
    pub(crate) fn says(&self, key: &str) -> &str {
        self.attributes.get(key).map_or("", String::as_str)
    }
}

impl Collector {
    /// Takes everything.
    pub(crate) async fn start() -> Self {
        Self::scripted(|_| Act::ok("")).await
    }

    /// Answers as the script says.
    pub(crate) async fn scripted(script: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Self {
        Self(Upstream::scripted(script).await)
    }

    /// The table of a policy that sends spans here.
    pub(crate) fn table(&self, more: &str) -> String {
        format!("[otlp]\nendpoint = \"http://{}\"\n{more}\n", self.0.addr)
    }

    /// The requests that came so far.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.0.seen()
    }

    /// All spans, once whoever sends them has ended.
    pub(crate) async fn finish(self) -> Vec<Sent> {
        spans(&self.0.finish().await)
    }
}

/// The spans in requests.
pub(crate) fn spans(requests: &[Seen]) -> Vec<Sent> {
    let mut spans = Vec::new();
    for request in requests {
        assert_eq!(request.line, "POST /v1/traces HTTP/1.1");
        assert_eq!(request.one("content-type"), "application/x-protobuf");
        let read = ExportTraceServiceRequest::decode(&*request.body).expect("no OTLP");
        let of = read.resource_spans.into_iter();
        let of = of.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans);
        spans.extend(of.map(sent));
    }
    spans
}

fn sent(span: otlp::Span) -> Sent {
    let attributes = span.attributes.into_iter().map(|it| (it.key, text(it.value)));
    let kind = otlp::span::SpanKind::try_from(span.kind).expect("a kind");
    assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
    Sent {
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        name: span.name,
        state: span.trace_state,
        is_server: kind == otlp::span::SpanKind::Server,
        failed: span.status.is_some_and(|status| status.code == 2),
        attributes: attributes.collect(),
        links: span.links.iter().map(|it| (hex(&it.trace_id), hex(&it.span_id))).collect(),
        times: (span.start_time_unix_nano, span.end_time_unix_nano),
        flags: span.flags,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => text,
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        other => panic!("{other:?}"),
    }
}
