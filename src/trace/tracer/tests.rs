//! What becomes of what a request says of its trace.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use http::{Method, StatusCode, Version};
use proptest::prelude::*;

use super::*;
use crate::clock::SystemClock;
use crate::trace::{Collector, Ended, Subject, Try};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

fn settings(share: f64, queue: usize) -> TraceSettings {
    let collector = Collector::parse("http://localhost:4318").unwrap();
    let (share, queue) = (Share::new(share).unwrap(), NonZeroUsize::new(queue).unwrap());
    let timeout = Duration::from_secs(1);
    TraceSettings { share, timeout, queue, ..TraceSettings::to(collector) }
}

/// A tracer whose spans nobody takes, and what has room for them.
fn tracer(share: f64, queue: usize) -> (Arc<Tracer>, Exporter) {
    Tracer::new(settings(share, queue), Arc::new(SystemClock))
}

fn asked(_parts: &Parts) -> Asked {
    Asked {
        started: Instant::now(),
        what: Subject { method: Method::GET, path: "/x".to_owned(), host: "a.test".to_owned() },
        scheme: "http",
        version: Version::HTTP_11,
        client: [192, 0, 2, 1].into(),
    }
}

fn head(lines: &[(&'static str, &str)]) -> Parts {
    let mut request = http::Request::new(());
    for (name, value) in lines {
        request.headers_mut().append(*name, HeaderValue::from_str(value).unwrap());
    }
    request.into_parts().0
}

fn enter(tracer: &Arc<Tracer>, lines: &[(&'static str, &str)], trusted: bool) -> Trace {
    let mut parts = head(lines);
    let trace = tracer.enter(&mut parts, trusted, asked).unwrap();
    assert!(parts.headers.is_empty(), "{parts:?}");
    trace
}

#[test]
fn the_context_of_a_trusted_peer_is_followed_with_its_flag() {
    // Whatever the share: the parent has decided.
    for share in [0.0, 1.0] {
        let (tracer, _exporter) = tracer(share, 8);
        for flag in ["00", "01"] {
            let parent = format!("00-{TRACE}-{SPAN}-{flag}");
            let lines =
                [("traceparent", parent.as_str()), ("tracestate", "a=1"), ("tracestate", "b=2")];
            let trace = enter(&tracer, &lines, true);
            assert_eq!(trace.id().to_string(), TRACE);
            assert_ne!(trace.context().span.to_string(), SPAN);
            assert_eq!(trace.context().sampled, flag == "01");
            assert_eq!(trace.state().unwrap(), "a=1,b=2");
        }
    }
}

#[test]
fn a_stranger_chooses_nothing() {
    let (none, _exporter) = tracer(0.0, 8);
    let parent = format!("00-{TRACE}-{SPAN}-01");
    let lines = [("traceparent", parent.as_str()), ("tracestate", "a=1")];
    let trace = enter(&none, &lines, false);
    assert_ne!(trace.id().to_string(), TRACE);
    assert!(!trace.context().sampled);
    assert_eq!(trace.state(), None);
    let (all, _exporter) = tracer(1.0, 8);
    let trace = enter(&all, &[("traceparent", &format!("00-{TRACE}-{SPAN}-00"))], false);
    assert!(trace.context().sampled);
}

#[test]
fn what_cannot_be_read_is_as_if_it_were_not_there() {
    let (tracer, _exporter) = tracer(1.0, 8);
    let sound = format!("00-{TRACE}-{SPAN}-01");
    for lines in [
        vec![("traceparent", "00-x"), ("tracestate", "a=1")],
        vec![("traceparent", sound.as_str()), ("traceparent", sound.as_str())],
        vec![("tracestate", "a=1")],
    ] {
        let trace = enter(&tracer, &lines, true);
        assert_ne!(trace.id().to_string(), TRACE, "{lines:?}");
        assert_eq!(trace.state(), None, "{lines:?}");
    }
    // A state that cannot be read goes, and its parent stays.
    let trace = enter(&tracer, &[("traceparent", &sound), ("tracestate", "A")], true);
    assert_eq!((trace.id().to_string().as_str(), trace.state()), (TRACE, None));
}

#[test]
fn what_has_no_room_is_dropped_and_counted() {
    let (tracer, exporter) = tracer(1.0, 2);
    let request_id = HeaderValue::from_static("id");
    for _ in 0..5 {
        let ended = Ended {
            status: Some(StatusCode::OK),
            code: None,
            route: None,
            request_id: &request_id,
        };
        enter(&tracer, &[], false).end(&ended);
    }
    assert_eq!((tracer.dropped(), tracer.exported(), tracer.failed()), (3, 0, 0));
    drop(exporter);
    // Nobody takes them any more.
    let attempt = enter(&tracer, &[], false).attempt(&Try {
        upstream: "up",
        scheme: Some("http"),
        host: "a.test",
        port: Some(80),
        method: &Method::GET,
        path: "/",
        version: Version::HTTP_11,
    });
    attempt.unwrap().answered(StatusCode::OK);
    assert_eq!(tracer.dropped(), 4);
}

proptest! {
    /// Whatever a stranger sends, the trace is not theirs and nothing of it is left.
    #[test]
    fn no_stranger_is_followed(
        parents in prop::collection::vec("00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]|[ -~]{0,60}", 0..3),
        states in prop::collection::vec("[a-z]=[a-z]|[ -~]{0,30}", 0..3),
        trusted: bool,
    ) {
        let (tracer, _exporter) = tracer(0.0, 1);
        let parent_lines = parents.iter().map(|text| ("traceparent", text.as_str()));
        let state_lines = states.iter().map(|text| ("tracestate", text.as_str()));
        let lines: Vec<_> = parent_lines.chain(state_lines).collect();
        let trace = enter(&tracer, &lines, trusted);
        let theirs = parents.iter().any(|text| text.contains(&trace.id().to_string()));
        prop_assert!(trusted || !(theirs || trace.context().sampled || trace.state().is_some()));
        prop_assert!(!parents.iter().any(|text| text.contains(&trace.context().span.to_string())));
    }
}
