//! Responses that fall silent before their end: none waits for ever, and none that is broken off
//! looks whole.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Response;
use tokio::time::sleep;

use crate::common::h2::{END_STREAM, H2Conn, Outcome, RST_STREAM, get};
use crate::common::h2_upstream::H2Server;
use crate::common::{Act, Conn, Policy, Stage, TestGateway, Upstream, soon};

const ROUTE: &str =
    "[routes.\"/public/idle/*\"]\nto = \"up\"\nallow = \"anyone\"\nidle = \"300ms\"\n";
const IDLE: Duration = Duration::from_millis(300);
const GET: &str = "GET /public/idle/x HTTP/1.1\r\nHost: a.test\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

async fn by_hand() -> Stage {
    Stage::before(Upstream::by_hand().await, |policy| policy.and(ROUTE)).await
}

async fn end(stage: Stage, client: Conn, server: Conn) {
    drop((client, server));
    stage.gateway.stop().await;
    stage.upstream.expect_nobody();
}

/// Not before its time, and not long after it.
fn in_time(since: Instant) {
    let elapsed = since.elapsed();
    assert!(elapsed >= IDLE.saturating_sub(Duration::from_millis(10)), "{elapsed:?}");
    assert!(elapsed < IDLE + Duration::from_secs(2), "{elapsed:?}");
}

#[tokio::test]
async fn an_answer_that_falls_silent_is_broken_off() {
    let stage = by_hand().await;
    for (head, piece) in [
        (CHUNKED, ""),
        (CHUNKED, "2\r\nhi\r\n"),
        // In the middle of a chunk.
        (CHUNKED, "5\r\nhi"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "hi"),
        ("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", "hi"),
        ("HTTP/1.0 200 OK\r\n\r\n", "hi"),
    ] {
        let mut client = stage.connect().await;
        client.write(GET).await;
        let mut server = stage.upstream.accept().await;
        server.head().await;
        let since = Instant::now();
        server.write(format!("{head}{piece}")).await;
        let (reply, ()) = tokio::join!(client.reply(), server.closed());
        in_time(since);
        assert_eq!((reply.status, reply.complete), (200, false), "{head}{piece}: {reply:?}");
        assert_eq!(reply.text(), if piece.is_empty() { "" } else { "hi" });
        client.closed().await;
    }
    stage.gateway.stop().await;
    stage.upstream.expect_nobody();
}

/// It is the silence that is bounded, not the response.
#[tokio::test]
async fn an_answer_that_says_something_now_and_then_lasts() {
    let stage = by_hand().await;
    let mut client = stage.connect().await;
    client.write(GET).await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    server.write(CHUNKED).await;
    assert_eq!(client.reply_head().await.status, 200);
    let since = Instant::now();
    while since.elapsed() < 3 * IDLE {
        sleep(IDLE / 6).await;
        server.write("2\r\n:\n\r\n").await;
        assert_eq!(client.chunk().await, b":\n");
    }
    server.write("0\r\n\r\n").await;
    assert_eq!(client.chunk().await, b"");
    // The connection has its next request.
    client.write(GET).await;
    server.head().await;
    server.write("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(client.reply().await.status, 204);
    end(stage, client, server).await;
}

/// A client that takes nothing has a deadline of its own, and is not its upstream's fault.
#[tokio::test]
async fn the_time_in_which_the_client_takes_nothing_does_not_count() {
    const MUCH: usize = 32 << 20;
    let body = "x".repeat(MUCH);
    let upstream = Upstream::scripted(move |_| Act::ok(&body)).await;
    let stage = Stage::before(upstream, |policy| policy.and(ROUTE)).await;
    let mut client = stage.connect().await;
    client.write(GET).await;
    sleep(3 * IDLE).await;
    let reply = client.reply().await;
    assert!(reply.complete && reply.body.len() == MUCH, "{} bytes", reply.body.len());
    drop(client);
    stage.finish().await;
}

/// An upstream that takes the request is not silent, though it has answered.
#[tokio::test]
async fn the_rest_of_an_upload_counts_as_a_sign_of_life() {
    let stage = by_hand().await;
    let mut client = stage.connect().await;
    client
        .write("POST /public/idle/x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    server.write(CHUNKED).await;
    assert_eq!(client.reply_head().await.status, 200);
    let since = Instant::now();
    while since.elapsed() < 3 * IDLE {
        sleep(IDLE / 6).await;
        client.write("2\r\nhi\r\n").await;
        assert_eq!(server.chunk().await, b"hi");
    }
    let since = Instant::now();
    let (left, ()) = tokio::join!(client.rest(), server.closed());
    in_time(since);
    assert!(left.is_empty(), "{}", String::from_utf8_lossy(&left));
    end(stage, client, server).await;
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_reset_and_others_go_on() {
    let stage = by_hand().await;
    let mut client = H2Conn::open(stage.gateway.addr).await;
    let stream = client.request(&get("/public/idle/x"), END_STREAM).await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    server.write(format!("{CHUNKED}2\r\nhi\r\n")).await;
    assert_eq!(client.status(stream).await, 200);
    assert_eq!(client.data(stream, 2).await, b"hi");
    let ended = client.next_of(stream).await.expect("closed, and not the stream alone");
    assert_eq!(ended.kind, RST_STREAM, "{ended:?}");
    server.closed().await;
    assert!(matches!(client.ask(&get("/nowhere")).await, Outcome::Answer(404, _)));
    drop((client, server));
    stage.gateway.stop().await;
}

#[tokio::test]
async fn a_server_in_http2_loses_the_stream_alone() {
    let mut server = H2Server::start().await;
    let policy = Policy::at(&format!("http://{}", server.addr)).upstream("h2 = true").and(ROUTE);
    let gateway = TestGateway::start(&policy).await;
    let mut client = gateway.connect().await;
    client.write(GET).await;
    let mut out = server.next().await.answer(Response::new(()));
    let since = Instant::now();
    out.send_data(Bytes::from_static(b"hi"), false).unwrap();
    let reply = client.reply().await;
    in_time(since);
    assert_eq!((reply.text().as_str(), reply.complete), ("hi", false), "{reply:?}");
    let reset = soon("a reset", std::future::poll_fn(|cx| out.poll_reset(cx))).await.unwrap();
    assert_eq!(reset, h2::Reason::CANCEL);
    let mut client = gateway.connect().await;
    client.write(GET).await;
    server.next().await.ok("ok");
    assert_eq!(client.reply().await.text(), "ok");
    assert_eq!(server.connections(), 1);
    drop(client);
    gateway.stop().await;
}
