//! What is said of a collector that does not take spans.

use std::num::NonZeroUsize;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::clock::SystemClock;
use crate::log_sink::LogSink;
use crate::trace::{Asked, Collector, Ended, Subject, Tracer};

fn settings(port: u16) -> TraceSettings {
    let collector = Collector::parse(&format!("http://127.0.0.1:{port}")).unwrap();
    let (timeout, queue) = (Duration::from_secs(1), NonZeroUsize::MIN);
    TraceSettings { timeout, queue, ..TraceSettings::to(collector) }
}

fn leave_a_span(tracer: &Arc<Tracer>) {
    let (mut parts, ()) = Request::new(()).into_parts();
    let trace = tracer.enter(&mut parts, false, |parts| Asked {
        started: std::time::Instant::now(),
        what: Subject { method: parts.method.clone(), path: "/".to_owned(), host: String::new() },
        scheme: "http",
        version: parts.version,
        client: [127, 0, 0, 1].into(),
    });
    let request_id = HeaderValue::from_static("id");
    let status = Some(StatusCode::OK);
    trace.unwrap().end(&Ended { status, code: None, route: None, request_id: &request_id });
}

/// Reads a request and answers it.
async fn take(listener: &TcpListener) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut bytes = [0; 16 * 1024];
    assert!(stream.read(&mut bytes).await.unwrap() > 0);
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    stream.write_all(answer).await.unwrap();
    while stream.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
}

#[tokio::test]
async fn it_is_said_once_that_a_collector_is_gone_and_once_that_it_is_back() {
    let sink = LogSink::default();
    let _guard = tracing::subscriber::set_default(sink.subscriber());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let (tracer, mut exporter) = Tracer::new(settings(addr.port()), Arc::new(SystemClock));
    leave_a_span(&tracer);
    assert!(exporter.spans.recv_many(&mut exporter.batch, 1).await == 1);
    for _ in 0..3 {
        let error = exporter.send().await.unwrap_err();
        assert_eq!(error.costs(1), None, "{error}");
        exporter.has_failed(&error);
    }
    let told = sink.text();
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(told.contains("WARN") && told.contains("not connected: Connection refused"), "{told}");
    let listener = TcpListener::bind(addr).await.unwrap();
    let stop = CancellationToken::new();
    let (taken, ()) = tokio::join!(exporter.deliver(&stop), take(&listener));
    assert!(taken && exporter.batch.is_empty());
    exporter.is_well();
    let told = sink.text();
    assert_eq!(told.lines().count(), 2, "{told}");
    assert!(told.contains("INFO") && told.contains("takes spans again"), "{told}");
    // A collector that comes and goes does not fill the log.
    exporter.has_failed(&ExportError::Late(Duration::from_secs(1)));
    exporter.is_well();
    assert_eq!(sink.text().lines().count(), 2);
    assert_eq!((tracer.exported(), tracer.dropped()), (1, 0));
}

#[tokio::test]
async fn without_a_tracer_nobody_waits_for_a_collector_that_is_gone() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let (tracer, exporter) = Tracer::new(settings(port), Arc::new(SystemClock));
    let counts = Arc::clone(&exporter.counts);
    leave_a_span(&tracer);
    drop(tracer);
    let ended = exporter.run(CancellationToken::new());
    timeout(Duration::from_secs(5), ended).await.unwrap();
    assert_eq!((counts.lost.total(), counts.failed.total()), (1, 1));
}

#[test]
fn a_collector_may_ask_for_patience_within_reason() {
    for (field, seconds) in [
        ("7", Some(7)),
        (" 0 ", Some(0)),
        ("99999999", Some(300)),
        ("-1", None),
        ("Sun, 06 Nov 1994 08:49:37 GMT", None),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_str(field).unwrap());
        assert_eq!(retry_after(&headers), seconds.map(Duration::from_secs), "{field}");
    }
}
