//! Spans on their way to the collector: never in a request's way, and none lost in silence.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use http::Request;
use portcullis::rooms::server::ListenAddr;
use portcullis::{End, Served};
use tokio::sync::oneshot;
use tower::ServiceExt;

use crate::common::collector::Collector;
use crate::common::{Act, Conn, Policy, Setup, Stage, Upstream, refusing, soon};

/// A stage whose spans go to that collector.
async fn sending_to(collector: &Collector, more: &str) -> Stage {
    let table = collector.table(more);
    Stage::with(|policy| policy.and(&table)).await
}

fn answer(status: &str) -> Act {
    Act::answer(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"))
}

/// The first is answered with that, and the others with 200.
async fn first(status: &'static str) -> Collector {
    let asked = AtomicUsize::new(0);
    let script = move |_: &_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => answer(status),
        _ => Act::ok(""),
    };
    Collector::scripted(script).await
}

#[tokio::test]
async fn spans_go_out_while_it_serves() {
    let collector = Collector::start().await;
    let more =
        "service = \"gate\"\nheaders = { authorization = \"Bearer sesame\", x-scope = \"one\" }";
    let stage = sending_to(&collector, more).await;
    assert_eq!(stage.get("/public/x", "").await.status, 200);
    stage.gateway.shows("portcullis_spans_exported_total 2").await;
    stage.gateway.shows("portcullis_spans_dropped_total 0").await;
    stage.gateway.shows("portcullis_span_exports_failed_total 0").await;
    let requests = collector.requests();
    assert_eq!(requests[0].one("authorization"), "Bearer sesame");
    assert_eq!(requests[0].one("x-scope"), "one");
    let named = requests[0].body.windows(4).any(|bytes| bytes == b"gate");
    assert!(named, "{:?}", requests[0]);
    stage.finish().await;
    assert_eq!(collector.finish().await.len(), 2);
}

#[tokio::test]
async fn what_is_left_goes_out_at_the_end() {
    let collector = Collector::start().await;
    let stage = sending_to(&collector, "").await;
    let metrics = stage.gateway.metrics.clone();
    for _ in 0..600 {
        assert_eq!(stage.get("/nowhere", "").await.status, 404);
    }
    stage.finish().await;
    assert!(metrics.text().contains("portcullis_spans_exported_total 600\n"), "{}", metrics.text());
    assert_eq!(collector.finish().await.len(), 600);
}

#[tokio::test]
async fn a_dead_collector_costs_spans_and_nothing_else() {
    let dead = refusing();
    let table = format!("[otlp]\nendpoint = \"http://{dead}\"\nqueue = 4\n");
    let stage = Stage::with(|policy| policy.and(&table)).await;
    // The first spans are taken out of the queue, and wait for the collector to come back.
    assert_eq!(stage.get("/nowhere", "").await.status, 404);
    stage.gateway.shows("portcullis_span_exports_failed_total 1").await;
    for _ in 0..20 {
        assert_eq!(stage.get("/nowhere", "").await.status, 404);
    }
    stage.gateway.shows("portcullis_refusals_total{code=\"no_route\"} 21").await;
    let metrics = stage.gateway.metrics.clone();
    let dropped = || {
        let text = metrics.text();
        let line = text.lines().find_map(|it| it.strip_prefix("portcullis_spans_dropped_total "));
        line.unwrap().parse::<u64>().unwrap()
    };
    // Those that wait are counted when they are given up, which is at the end.
    assert!(dropped() >= 12, "{}", dropped());
    let asked = Instant::now();
    stage.finish().await;
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    assert_eq!(dropped(), 21);
    assert!(metrics.text().contains("portcullis_spans_exported_total 0\n"));
}

#[tokio::test]
async fn a_busy_collector_is_asked_once_more() {
    let statuses = ["503 Busy", "429 Slow", "502 Bad", "504 Late"];
    join_all(statuses.map(async |busy| {
        let collector = first(busy).await;
        let stage = sending_to(&collector, "").await;
        assert_eq!(stage.get("/nowhere", "").await.status, 404);
        stage.gateway.shows("portcullis_spans_exported_total 1").await;
        stage.gateway.shows("portcullis_span_exports_failed_total 1").await;
        stage.gateway.shows("portcullis_spans_dropped_total 0").await;
        stage.finish().await;
        // The same batch twice.
        assert_eq!(collector.finish().await.len(), 2, "{busy}");
    }))
    .await;
}

#[tokio::test]
async fn a_batch_that_is_not_liked_is_given_up() {
    let statuses = ["400 Bad", "401 No", "404 None", "500 Oops", "302 Elsewhere"];
    join_all(statuses.map(async |refused| {
        let collector = first(refused).await;
        let stage = sending_to(&collector, "").await;
        assert_eq!(stage.get("/nowhere", "").await.status, 404);
        stage.gateway.shows("portcullis_spans_dropped_total 1").await;
        stage.gateway.shows("portcullis_span_exports_failed_total 1").await;
        assert_eq!(stage.get("/nowhere", "").await.status, 404);
        stage.gateway.shows("portcullis_spans_exported_total 1").await;
        stage.finish().await;
        assert_eq!(collector.finish().await.len(), 2, "{refused}");
    }))
    .await;
}

#[tokio::test]
async fn spans_that_were_not_taken_are_counted() {
    use opentelemetry_proto::tonic::collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceResponse,
    };
    use prost::Message;
    let partial_success =
        Some(ExportTracePartialSuccess { rejected_spans: 1, error_message: "too old".to_owned() });
    let body = ExportTraceServiceResponse { partial_success }.encode_to_vec();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let reply = [head.as_bytes(), &body].concat();
    let collector = Collector::scripted(move |_| Act::answer(reply.clone())).await;
    let stage = sending_to(&collector, "").await;
    assert_eq!(stage.get("/public/x", "").await.status, 200);
    stage.gateway.shows("portcullis_spans_exported_total 1").await;
    stage.gateway.shows("portcullis_spans_dropped_total 1").await;
    stage.finish().await;
    assert_eq!(collector.finish().await.len(), 2);
}

#[tokio::test]
async fn a_collector_that_hangs_does_not_hold_the_end() {
    let collector = Collector::scripted(|_| Act::Hang).await;
    let stage = sending_to(&collector, "timeout = \"300ms\"").await;
    let metrics = stage.gateway.metrics.clone();
    assert_eq!(stage.get("/nowhere", "").await.status, 404);
    let asked = Instant::now();
    stage.finish().await;
    let took = asked.elapsed();
    assert!(took >= Duration::from_millis(250) && took < Duration::from_secs(4), "{took:?}");
    assert!(metrics.text().contains("portcullis_spans_dropped_total 1\n"), "{}", metrics.text());
    collector.finish().await;
}

#[tokio::test]
async fn workers_with_threads_of_their_own_leave_no_span() {
    let upstream = Upstream::start().await;
    let collector = Collector::start().await;
    let listen = "listen = [\"127.0.0.1:0\"]\nworkers = 2\n";
    let policy = Policy::to(&upstream).top(listen).and(&collector.table(""));
    let stage = Stage::of(upstream, Setup::new(&policy).binds()).await;
    for _ in 0..20 {
        assert_eq!(stage.get("/public/x", "").await.status, 200);
    }
    stage.finish().await;
    assert_eq!(collector.finish().await.len(), 40);
}

#[tokio::test]
async fn a_mounted_gateway_sends_its_spans_too() {
    let upstream = Upstream::start().await;
    let collector = Collector::start().await;
    let policy = Policy::to(&upstream).and(&collector.table(""));
    let service = Setup::new(&policy).service();
    let request = Request::get("/nowhere").header("host", "a.test").body(String::new()).unwrap();
    assert_eq!(service.clone().oneshot(request).await.unwrap().status(), 404);
    drop(service);
    let arrived = async {
        while collector.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon("a span", arrived).await;
    upstream.finish().await;
    assert_eq!(collector.finish().await.len(), 1);
}

/// Another process has its place, and a response still goes on here.
#[tokio::test]
async fn what_goes_on_after_a_hand_over_has_its_spans() {
    let upstream = Upstream::by_hand().await;
    let collector = Collector::start().await;
    let listen = "listen = [\"127.0.0.1:0\"]\nworkers = 1\n";
    let policy = Policy::to(&upstream).top(listen).and(&collector.table(""));
    let mut gateway = Setup::new(&policy).build();
    gateway.bind().expect("no listener");
    let listening = gateway.listeners().next().map(|listener| listener.addr.clone());
    let Some(ListenAddr::Tcp(addr)) = listening else { panic!("{listening:?}") };
    let (leave, told) = oneshot::channel::<()>();
    let end = async {
        told.await.ok();
        End::HandOver
    };
    let serving = tokio::spawn(gateway.run_until(end));
    let mut client = Conn::open(addr).await;
    client.write("GET /public/x HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n").await;
    assert_eq!(client.reply_head().await.status, 200);
    assert_eq!(client.chunk().await, b"hi");
    leave.send(()).expect("it ended by itself");
    let outcome = soon("the hand-over", serving).await.expect("a panic").expect("no end");
    let Served::HandedOver(lingering) = outcome else { panic!("{outcome:?}") };
    server.write("0\r\n\r\n").await;
    assert_eq!(client.chunk().await, b"");
    drop((client, server));
    let nothing_changes = async || std::future::pending().await;
    let ended = lingering.ended(std::future::ready(()), nothing_changes);
    soon("the end", ended).await.expect("it was cut");
    upstream.expect_nobody();
    assert_eq!(collector.finish().await.len(), 2);
}

#[tokio::test]
async fn another_collector_counts_from_the_next_start() {
    let collector = Collector::start().await;
    let stage = sending_to(&collector, "").await;
    let reloaded = stage.gateway.reload(&Policy::to(&stage.upstream));
    assert_eq!(reloaded.at_next_start, ["otlp"]);
    assert_eq!(stage.get("/public/x", "").await.status, 200);
    stage.finish().await;
    assert_eq!(collector.finish().await.len(), 2);
}
