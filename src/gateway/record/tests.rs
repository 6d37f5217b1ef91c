use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::FutureExt;
use http::Request;
use http_body::Frame;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::log_sink::LogSink;
use crate::proxy::Rejection;
use crate::web::{BodyError, Traffic};

fn lines_of(work: impl FnOnce(Record)) -> Vec<String> {
    let sink = LogSink::default();
    tracing::subscriber::with_default(sink.subscriber(), || {
        let (parts, ()) = Request::new(()).into_parts();
        let id = HeaderValue::from_static("id-1");
        let meters = Arc::new(Meters::bare(0));
        work(Record::start(&parts, id, Ipv4Addr::LOCALHOST.into(), meters, None));
    });
    let text = sink.text();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_request_has_one_line() {
    let lines = lines_of(|record| drop(record.finish(Response::new(Body::empty()))));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("status=200") && lines[0].contains("id-1"), "{lines:?}");
}

#[test]
fn a_line_names_the_trace_where_there_is_one() {
    use crate::clock::SystemClock;
    use crate::trace::{Asked, Collector, Share, TraceSettings, Tracer};
    let collector = Collector::parse("http://localhost:4318").unwrap();
    let settings =
        TraceSettings { share: Share::new(0.0).unwrap(), ..TraceSettings::to(collector) };
    let (tracer, _exporter) = Tracer::new(settings, Arc::new(SystemClock));
    let (mut parts, ()) = Request::new(()).into_parts();
    // Also where nothing is recorded: the upstream may have it in its log.
    let trace = tracer.enter(&mut parts, false, |_| -> Asked { unreachable!() });
    let id = trace.as_ref().unwrap().id();
    let lines = lines_of(|mut record| {
        record.enter(trace);
        drop(record.finish(Response::new(Body::empty())));
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains(&format!("trace={id}")), "{lines:?}");
    let without = lines_of(|record| drop(record.finish(Response::new(Body::empty()))));
    assert!(!without[0].contains("trace="), "{without:?}");
}

/// HTTP/2 has it in the target, and there it may be beside what nobody should read.
#[test]
fn a_line_names_the_host_in_either_version() {
    for (uri, field, host) in [
        ("/x", Some("a.test:80"), "a.test:80"),
        ("http://a.test:81/x", None, "a.test:81"),
        ("http://a.test/x", Some("b.test"), "a.test"),
        ("http://name:secret@a.test/x", None, "a.test"),
        ("/x", Some("secret@a.test"), "a.test"),
        ("/x", None, ""),
    ] {
        let mut request = Request::get(uri);
        if let Some(field) = field {
            request = request.header("host", field);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        assert_eq!(super::host(&parts), host, "{uri} {field:?}");
    }
}

#[tokio::test]
async fn a_response_that_we_broke_off_says_why() {
    use http_body_util::{BodyExt, StreamBody};
    let body = |error: BodyError| {
        let frames = [Ok(Frame::data(Bytes::from_static(b"half"))), Err(error)];
        Body::stream(StreamBody::new(futures_util::stream::iter(frames)))
    };
    let lost: BodyError = Rejection::Forbidden.into();
    for (error, code) in [(lost, "code=\"forbidden\""), ("reset".into(), "complete=false")] {
        let response = Response::new(body(error));
        let mut read = None;
        let lines = lines_of(|record| {
            let body = record.finish(response).into_body();
            read = body.collect().now_or_never();
        });
        assert!(read.unwrap().is_err());
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("complete=false") && lines[0].contains(code), "{lines:?}");
        assert!(lines[0].contains("bytes=4"), "{lines:?}");
    }
}

#[test]
fn what_is_no_request_has_a_line() {
    let lines = lines_of(|record| {
        drop(record.finish(Response::new(Body::empty())));
        let (peer, id) = (Ipv4Addr::LOCALHOST.into(), HeaderValue::from_static("id-2"));
        let error = io::Error::other("bare CR or LF");
        access_log::malformed(peer, Some(&id), StatusCode::BAD_REQUEST, "malformed", &error);
    });
    assert_eq!(lines.len(), 2, "{lines:?}");
    for told in ["127.0.0.1", "id-2", "status=400", "malformed", "bare CR or LF"] {
        assert!(lines[1].contains(told), "{told}: {lines:?}");
    }
}

#[test]
fn a_connection_that_was_taken_over_has_its_line_at_its_end() {
    let lines = lines_of(|record| {
        let traffic = Arc::<Traffic>::default();
        traffic.received.store(3, Ordering::Relaxed);
        traffic.sent.store(7, Ordering::Relaxed);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.extensions_mut().insert(Takeover::new(
            std::future::pending(),
            traffic,
            CancellationToken::new(),
        ));
        let response = record.finish(response);
        tracing::info!("it goes on");
        drop(response);
    });
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("it goes on"), "{lines:?}");
    for told in ["status=101", "bytes=7", "received=3", "complete=false"] {
        assert!(lines[1].contains(told), "{told}: {lines:?}");
    }
}

#[test]
fn a_response_without_content_is_complete() {
    let lines = lines_of(|record| {
        let body = Body::stream(http_body_util::Full::<Bytes>::default());
        drop(record.finish(Response::new(body)));
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("complete=true"), "{lines:?}");
}

#[test]
fn a_client_that_went_away_has_its_line_too() {
    let lines = lines_of(drop);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("status=499"), "{lines:?}");
    assert!(lines[0].contains("client_gone"), "{lines:?}");
    let half = |record: Record| {
        let body = Body::stream(http_body_util::Full::new(Bytes::from_static(b"half")));
        drop(record.finish(Response::new(body)));
    };
    let lines = lines_of(half);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("complete=false"), "{lines:?}");
}
