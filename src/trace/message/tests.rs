//! What a collector is sent, byte for byte.

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Theirs;

use super::*;

fn context(text: &str) -> Context {
    Context::parse(text.as_bytes()).unwrap()
}

#[test]
fn the_schema_of_the_project_reads_every_field() {
    let instant = Instant::now();
    let epoch = Duration::new(1_700_000_000, 500);
    let own = context("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let other = context("00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-00");
    let span = Span {
        context: own,
        parent: Some(Parent { span: other.span, is_remote: true }),
        state: Some(http::HeaderValue::from_static("a=1")),
        name: "GET /x/*".into(),
        kind: Kind::Server,
        started: instant.checked_sub(Duration::from_millis(3)).unwrap(),
        ended: instant,
        attributes: vec![
            ("url.path", "/x/é".into()),
            ("http.response.status_code", 502_u16.into()),
        ],
        link: Some(other),
        failed: true,
    };
    let bytes = request(&[span], &Resource::new("gate"), Anchor { instant, epoch });
    let read = ExportTraceServiceRequest::decode(&*bytes).unwrap();
    let [of] = &read.resource_spans[..] else { panic!("{read:?}") };
    let attributes = &of.resource.as_ref().unwrap().attributes;
    let text = |value: &Option<AnyValue>| {
        let value = value.as_ref().unwrap().value.as_ref().unwrap();
        if let Theirs::IntValue(number) = value {
            return number.to_string();
        }
        let Theirs::StringValue(text) = value else { panic!("{value:?}") };
        text.clone()
    };
    assert_eq!(attributes[0].key, "service.name");
    assert_eq!(text(&attributes[0].value), "gate");
    assert_eq!(of.scope_spans[0].scope.as_ref().unwrap().name, "portcullis");
    let [span] = &of.scope_spans[0].spans[..] else { panic!("{read:?}") };
    assert_eq!(span.trace_id, own.trace.to_bytes());
    assert_eq!(span.span_id, own.span.to_bytes());
    assert_eq!(span.parent_span_id, other.span.to_bytes());
    assert_eq!((span.trace_state.as_str(), span.name.as_str()), ("a=1", "GET /x/*"));
    assert_eq!((span.kind, span.flags), (2, 0x301));
    assert_eq!(span.end_time_unix_nano, 1_700_000_000_000_000_500);
    assert_eq!(span.start_time_unix_nano, 1_699_999_999_997_000_500);
    let attributes: Vec<_> =
        span.attributes.iter().map(|it| format!("{}={}", it.key, text(&it.value))).collect();
    assert_eq!(attributes, ["url.path=/x/é", "http.response.status_code=502"]);
    assert_eq!(span.links[0].trace_id, other.trace.to_bytes());
    assert_eq!(span.links[0].span_id, other.span.to_bytes());
    assert_eq!(span.links[0].flags, 0x300);
    assert_eq!(span.status.as_ref().unwrap().code, 2);
}

#[test]
fn what_a_collector_did_not_take_is_read() {
    let partial_success =
        Some(ExportTracePartialSuccess { rejected_spans: 3, error_message: "too old".into() });
    let bytes = ExportTraceServiceResponse { partial_success }.encode_to_vec();
    let partial = answer(&bytes);
    assert_eq!((partial.rejected_spans, partial.error_message.as_str()), (3, "too old"));
    for nothing in [&b""[..], b"{}", b"\xff\xff"] {
        assert_eq!(answer(nothing), PartialSuccess::default());
    }
}

#[test]
fn the_far_past_is_1970() {
    let instant = Instant::now();
    let anchor = Anchor { instant, epoch: Duration::from_secs(1) };
    assert_eq!(anchor.nanos(instant.checked_sub(Duration::from_secs(2)).unwrap()), 0);
    assert_eq!(anchor.nanos(instant + Duration::from_secs(2)), 3_000_000_000);
}
