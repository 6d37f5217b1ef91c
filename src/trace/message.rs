//! Spans as OTLP has them: the messages of its protobuf schema, as far as they are used here.
//!
//! Numbers and types are those of `opentelemetry/proto` (trace, common and resource, version 1);
//! the tests read what is written here by the messages that the project itself generates.

use std::time::{Duration, Instant};

use prost::Message;

use super::span::{Attribute, Kind, Parent, Span, Value};
use super::{Context, SpanId};

/// When something was, by two clocks: what spans are measured by, and what they are told by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor {
    pub(super) instant: Instant,
    /// Since 1970.
    pub(super) epoch: Duration,
}

/// What sends the spans.
#[derive(Debug)]
pub(super) struct Resource(Vec<KeyValue>);

#[derive(Clone, PartialEq, Message)]
struct ExportRequest {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<ResourceMessage>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceMessage {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    spans: Vec<SpanMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    version: String,
}

#[derive(Clone, PartialEq, Message)]
struct SpanMessage {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(string, tag = "3")]
    trace_state: String,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(message, repeated, tag = "13")]
    links: Vec<LinkMessage>,
    #[prost(message, optional, tag = "15")]
    status: Option<StatusMessage>,
    #[prost(fixed32, tag = "16")]
    flags: u32,
}

#[derive(Clone, PartialEq, Message)]
struct LinkMessage {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(fixed32, tag = "6")]
    flags: u32,
}

#[derive(Clone, PartialEq, Message)]
struct StatusMessage {
    #[prost(int32, tag = "3")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "AnyKind", tags = "1, 3")]
    value: Option<AnyKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum AnyKind {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(int64, tag = "3")]
    Number(i64),
}

#[derive(Clone, PartialEq, Message)]
struct ExportAnswer {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

/// What a collector did not take of a batch that it took.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PartialSuccess {
    #[prost(int64, tag = "1")]
    pub(super) rejected_spans: i64,
    #[prost(string, tag = "2")]
    pub(super) error_message: String,
}

impl Resource {
    /// The gateway, by the name that the operator gave it.
    pub(super) fn new(service: &str) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        Self(vec![
            attribute(&("service.name", service.to_owned().into())),
            attribute(&("service.version", version.into())),
        ])
    }
}

/// The bytes of a request to a collector.
pub(super) fn request(spans: &[Span], resource: &Resource, now: Anchor) -> Vec<u8> {
    let scope =
        Scope { name: "portcullis".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    let spans = spans.iter().map(|span| span_message(span, now)).collect();
    let resource = ResourceMessage { attributes: resource.0.clone() };
    let resource_spans = ResourceSpans {
        resource: Some(resource),
        scope_spans: vec![ScopeSpans { scope: Some(scope), spans }],
    };
    ExportRequest { resource_spans: vec![resource_spans] }.encode_to_vec()
}

/// What a collector says of a batch that it took. What cannot be read says nothing.
pub(super) fn answer(bytes: &[u8]) -> PartialSuccess {
    let answer = ExportAnswer::decode(bytes).unwrap_or_default();
    answer.partial_success.unwrap_or_default()
}

fn span_message(span: &Span, now: Anchor) -> SpanMessage {
    let state = span.state.as_ref().and_then(|state| state.to_str().ok());
    SpanMessage {
        trace_id: span.context.trace.to_bytes().to_vec(),
        span_id: span.context.span.to_bytes().to_vec(),
        trace_state: state.unwrap_or_default().to_owned(),
        parent_span_id: span.parent.map(|Parent { span, .. }| id(span)).unwrap_or_default(),
        name: span.name.clone().into_owned(),
        kind: match span.kind {
            Kind::Server => 2,
            Kind::Client => 3,
        },
        start_time_unix_nano: now.nanos(span.started),
        end_time_unix_nano: now.nanos(span.ended),
        attributes: span.attributes.iter().map(attribute).collect(),
        links: span.link.iter().map(link).collect(),
        // Unset but for failures: whether a 404 is a failure is for the reader to say.
        status: span.failed.then_some(StatusMessage { code: 2 }),
        flags: flags(span.context.sampled, span.parent.is_some_and(|parent| parent.is_remote)),
    }
}

fn link(to: &Context) -> LinkMessage {
    let (trace_id, span_id) = (to.trace.to_bytes().to_vec(), id(to.span));
    LinkMessage { trace_id, span_id, flags: flags(to.sampled, true) }
}

fn id(span: SpanId) -> Vec<u8> {
    span.to_bytes().to_vec()
}

/// The flags of W3C, and whether it is known where the parent, or what is linked to, is: elsewhere.
fn flags(sampled: bool, is_remote: bool) -> u32 {
    const KNOWN: u32 = 0x100;
    const REMOTE: u32 = 0x200;
    u32::from(sampled) | KNOWN | if is_remote { REMOTE } else { 0 }
}

fn attribute((key, value): &Attribute) -> KeyValue {
    let value = match value {
        Value::Text(text) => AnyKind::Text(text.clone().into_owned()),
        Value::Number(number) => AnyKind::Number(*number),
    };
    let value = Some(AnyValue { value: Some(value) });
    KeyValue { key: (*key).to_owned(), value }
}

impl Anchor {
    /// A moment near it, in nanoseconds since 1970.
    fn nanos(self, at: Instant) -> u64 {
        let moment = match self.instant.checked_duration_since(at) {
            Some(ago) => self.epoch.saturating_sub(ago),
            None => self.epoch.saturating_add(at.saturating_duration_since(self.instant)),
        };
        u64::try_from(moment.as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests;
