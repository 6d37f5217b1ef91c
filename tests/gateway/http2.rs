//! HTTP/2 to clients: ordinary use, deadlines of a connection with many streams, and the drain.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::common::h2::{
    DATA, END_HEADERS, END_STREAM, GOAWAY, H2Conn, HEADERS, Outcome, PING, PREFACE, RST_STREAM,
    WINDOW_UPDATE, frame, get, head,
};
use crate::common::{Act, Conn, Stage, Upstream, soon};

fn ok(text: &str) -> Outcome {
    Outcome::Answer(200, text.as_bytes().to_vec())
}

#[tokio::test]
async fn a_client_library_speaks_http2_by_prior_knowledge() {
    let echoing = Upstream::scripted(|seen| {
        let body = String::from_utf8_lossy(&seen.body).into_owned();
        Act::ok(&format!("{}:{}", seen.target(), body.len()))
    });
    let stage = Stage::before(echoing.await, |policy| policy).await;
    let stream = TcpStream::connect(stage.gateway.addr).await.unwrap();
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut answers = Vec::new();
    for number in 0..50 {
        let body = Full::new(Bytes::from(vec![7; number * 10_000]));
        let uri = format!("http://a.test/public/{number}?q=1");
        let request = Request::post(uri).body(body).unwrap();
        answers.push(sender.send_request(request));
    }
    for (number, answer) in answers.into_iter().enumerate() {
        let answer = soon("an answer", answer).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_2));
        assert!(answer.headers().contains_key("x-request-id"));
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, format!("/public/{number}?q=1:{}", number * 10_000));
    }
    drop(sender);
    soon("the end", connection).await.unwrap().unwrap();
    stage.finish().await;
}

#[tokio::test]
async fn the_upstream_gets_one_request_of_http1_with_one_host_and_one_cookie() {
    let stage = Stage::start().await;
    let mut client = H2Conn::open(stage.gateway.addr).await;
    let bearer = format!("Bearer {}", stage.token);
    let mut fields = get("/app/x?y=%20");
    fields[2].1 = "A.test.:80";
    fields.extend([
        ("cookie", "a=1"),
        ("x-y", "z"),
        ("cookie", "b=2"),
        ("host", "a.test"),
        ("te", "trailers"),
        ("x-user-id", "9"),
        ("authorization", &bearer),
    ]);
    assert_eq!(client.ask(&fields).await, ok("ok"));
    drop(client);
    let [seen] = &stage.finish().await[..] else { panic!("one request") };
    assert_eq!(seen.line, "GET /app/x?y=%20 HTTP/1.1");
    assert_eq!((seen.one("host"), seen.one("cookie")), ("a.test", "a=1; b=2"));
    assert_eq!(seen.one("x-user-name"), "alice");
    assert_ne!(seen.one("x-user-id"), "9");
    for gone in ["te", "authorization", "transfer-encoding", "content-length", "connection"] {
        assert!(!seen.has(gone), "{gone}: {seen:?}");
    }
    assert_eq!(seen.one("x-forwarded-proto"), "http");
}

#[tokio::test]
async fn the_preface_may_come_in_pieces_and_what_looks_like_it_is_http1() {
    let stage = Stage::start().await;
    for cut in [1, 3, 14, 23] {
        let mut stream = TcpStream::connect(stage.gateway.addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(&PREFACE[..cut]).await.unwrap();
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        let mut rest = PREFACE[cut..].to_vec();
        rest.extend(frame(4, 0, 0, &[]));
        rest.extend(frame(HEADERS, END_HEADERS | END_STREAM, 1, &head(&get("/public/x"))));
        stream.write_all(&rest).await.unwrap();
        let mut client = H2Conn::over(stream);
        let mut answered = false;
        while !answered {
            let frame = client.next().await.expect("closed without an answer");
            answered = frame.kind == DATA && frame.payload == b"ok";
        }
    }
    // The rest of an ordinary request is not lost to the look at its beginning.
    for method in ["P", "PR", "PRI"] {
        let request = format!("{method} /nothing HTTP/1.1\r\nHost: a.test\r\n\r\n");
        assert_eq!(stage.send(request).await.status, 404, "{method}");
    }
    // Nobody is led from HTTP/1.1 to HTTP/2 (RFC 9113 section 3.1).
    let upgrade = "GET /public/x HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings\r\n\
                   Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    assert_eq!(stage.send(upgrade).await.status, 200);
    assert_eq!(stage.finish().await.len(), 5);
}

#[tokio::test]
async fn a_long_body_goes_both_ways_whole() {
    let mirror = Upstream::scripted(|seen| Act::ok(&String::from_utf8_lossy(&seen.body)));
    let stage = Stage::before(mirror.await, |policy| policy).await;
    let stream = TcpStream::connect(stage.gateway.addr).await.unwrap();
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let body: String =
        (0..100_000).flat_map(|number| [number.to_string(), "-".repeat(25)]).collect();
    let request = Request::post("http://a.test/public/x").body(body.clone()).unwrap();
    let answer = soon("an answer", sender.send_request(request)).await.unwrap();
    let whole = soon("its body", answer.into_body().collect()).await.unwrap().to_bytes();
    assert!(whole == body.as_bytes(), "another body");
    drop(sender);
    soon("the end", connection).await.unwrap().unwrap();
    stage.finish().await;
}

#[tokio::test]
async fn a_refused_body_ends_its_stream_and_not_the_connection() {
    let stage = Stage::with(|policy| policy.and("[limits]\nbody = 1000\n")).await;
    let mut client = H2Conn::open(stage.gateway.addr).await;
    let mut fields = get("/public/x");
    fields[0].1 = "POST";
    let stream = client.request(&fields, 0).await;
    for _ in 0..4 {
        client.send(DATA, 0, stream, &[1; 500]).await;
    }
    assert_eq!(client.outcome(stream).await.status(), Some(413));
    let stream = client.request(&get("/app/x"), 0).await;
    assert_eq!(client.outcome(stream).await.status(), Some(401));
    assert_eq!(client.ask(&get("/public/x")).await, ok("ok"));
    drop(client);
    stage.gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_is_still_sending_gets_its_refusal_and_no_reset() {
    let stage = Stage::start().await;
    let mut client = H2Conn::open(stage.gateway.addr).await;
    let mut fields = get("/app/x");
    fields[0].1 = "POST";
    let stream = client.request(&fields, 0).await;
    assert_eq!(client.outcome(stream).await.status(), Some(401));
    for _ in 0..100 {
        client.send(DATA, 0, stream, &[1; 10_000]).await;
    }
    client.send(DATA, END_STREAM, stream, &[1; 10_000]).await;
    // Frames are read in their order: when the ping is answered, all before it was taken.
    client.send(PING, 0, 0, &[7; 8]).await;
    loop {
        let frame = client.next().await.expect("the connection goes on");
        assert_ne!(frame.kind, RST_STREAM);
        if frame.kind == PING && frame.payload == [7; 8] {
            break;
        }
    }
    drop(client);
    stage.gateway.stop().await;
}

const DEADLINES: &str = "[limits]\nhead_timeout = \"150ms\"\nidle_timeout = \"400ms\"\n";

async fn impatient(upstream: Upstream) -> Stage {
    Stage::before(upstream, |policy| policy.and(DEADLINES)).await
}

#[tokio::test]
async fn a_connection_that_asks_for_nothing_is_closed() {
    let stage = impatient(Upstream::start().await).await;
    // Half a preface, a whole one, and one with settings and half a head.
    let half = frame(HEADERS, END_HEADERS | END_STREAM, 1, &head(&get("/public/x")));
    let cut = frame(HEADERS, END_STREAM, 1, &head(&get("/public/x")));
    let settings = frame(4, 0, 0, &[]);
    for begin in [
        PREFACE[..20].to_vec(),
        PREFACE.to_vec(),
        [PREFACE, &settings].concat(),
        [PREFACE, &settings, &half[..12]].concat(),
        [PREFACE, &settings, &cut].concat(),
    ] {
        let started = Instant::now();
        let mut client = Conn::open(stage.gateway.addr).await;
        client.write(&begin).await;
        client.rest().await;
        assert!(started.elapsed() >= Duration::from_millis(150), "{begin:?}: too early");
        assert!(started.elapsed() < Duration::from_secs(2), "{begin:?}: too late");
    }
    stage.finish_untouched().await;
}

/// A peer that answers pings and asks for nothing more is told to go, and then cut.
#[tokio::test]
async fn an_idle_connection_is_told_to_go_and_closed() {
    let stage = impatient(Upstream::start().await).await;
    let mut client = H2Conn::open(stage.gateway.addr).await;
    assert_eq!(client.ask(&get("/public/x")).await, ok("ok"));
    let started = Instant::now();
    let frames = client.rest().await;
    assert!(frames.iter().any(|frame| frame.kind == GOAWAY), "{frames:?}");
    assert!(started.elapsed() >= Duration::from_millis(300), "{:?}", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(3));
    // One that answers nothing is no better off.
    let mut client = H2Conn::open(stage.gateway.addr).await;
    assert_eq!(client.ask(&get("/public/x")).await, ok("ok"));
    while client.raw().await.is_some() {}
    stage.finish().await;
}

#[tokio::test]
async fn a_stream_that_takes_long_is_not_an_idle_connection() {
    let stage = impatient(Upstream::by_hand().await).await;
    let mut client = H2Conn::open(stage.gateway.addr).await;
    let stream = client.request(&get("/public/x"), END_STREAM).await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    let waiting = async {
        // Pings are answered meanwhile.
        let outcome = client.outcome(stream).await;
        (client, outcome)
    };
    let answering = async {
        tokio::time::sleep(Duration::from_millis(1200)).await;
        server.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    };
    let ((client, outcome), ()) = tokio::join!(waiting, answering);
    assert_eq!(outcome, ok("ok"));
    drop((client, server));
    stage.gateway.stop().await;
}

/// A head that does not end gains nothing by a stream that is open.
#[tokio::test]
async fn a_head_that_does_not_end_closes_a_busy_connection_too() {
    let stage = impatient(Upstream::by_hand().await).await;
    let mut client = H2Conn::open(stage.gateway.addr).await;
    client.request(&get("/public/x"), END_STREAM).await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    let started = Instant::now();
    client.send(HEADERS, END_STREAM, 3, &head(&get("/public/y"))).await;
    client.rest().await;
    assert!(started.elapsed() < Duration::from_secs(2));
    // With the connection its requests are gone.
    server.rest().await;
    stage.gateway.stop().await;
}

/// RES-h2-zerowin.
#[tokio::test]
async fn a_stream_that_nobody_reads_is_reset_and_others_are_served() {
    let big = Upstream::scripted(|seen| {
        if seen.target() == "/public/big" { Act::ok(&"x".repeat(1_000_000)) } else { Act::ok("ok") }
    });
    let stage = impatient(big.await).await;
    // A window of nothing, and one that opens by a byte at a time.
    let stream = TcpStream::connect(stage.gateway.addr).await.unwrap();
    let mut client = H2Conn::with(stream, &[(4, 0)]).await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(client.request(&get("/public/big"), END_STREAM).await);
    }
    for stream in &streams {
        client.send(WINDOW_UPDATE, 0, *stream, &1u32.to_be_bytes()).await;
    }
    assert_eq!(stage.get("/public/x", "").await.status, 200);
    let mut open: std::collections::HashSet<u32> = streams.into_iter().collect();
    while !open.is_empty() {
        let Some(frame) = client.next().await else { break };
        if frame.kind == RST_STREAM {
            open.remove(&frame.stream);
        }
    }
    assert!(open.is_empty(), "closed without a word about {open:?}");
    drop(client);
    stage.gateway.stop().await;
}

/// Slow is not stuck: a window that opens now and then keeps its stream for longer than the idle
/// time.
#[tokio::test]
async fn a_slow_reader_gets_all_of_it() {
    let big = Upstream::scripted(|_| Act::ok(&"x".repeat(400_000)));
    let stage = impatient(big.await).await;
    let stream = TcpStream::connect(stage.gateway.addr).await.unwrap();
    let mut client = H2Conn::with(stream, &[(4, 40_000)]).await;
    let stream = client.request(&get("/public/x"), END_STREAM).await;
    client.send(WINDOW_UPDATE, 0, 0, &1_000_000u32.to_be_bytes()).await;
    let (mut got, mut since) = (0, 0);
    while got < 400_000 {
        let frame = client.next().await.expect("closed too early");
        assert_ne!(frame.kind, RST_STREAM, "reset after {got}");
        if frame.kind == DATA {
            got += frame.payload.len();
            since += frame.payload.len();
        }
        if since >= 40_000 {
            since = 0;
            tokio::time::sleep(Duration::from_millis(150)).await;
            client.send(WINDOW_UPDATE, 0, stream, &40_000u32.to_be_bytes()).await;
        }
    }
    drop(client);
    stage.finish().await;
}

/// A peer that is gone without a word does not keep what it asked for.
#[tokio::test]
async fn a_client_that_answers_no_ping_loses_its_connection() {
    let stage = impatient(Upstream::by_hand().await).await;
    let mut client = H2Conn::open(stage.gateway.addr).await;
    client.request(&get("/public/x"), END_STREAM).await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    let started = Instant::now();
    while client.raw().await.is_some() {}
    assert!(started.elapsed() < Duration::from_secs(3));
    server.rest().await;
    stage.gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_resets_a_stream_cancels_its_request() {
    let stage = Stage::before(Upstream::by_hand().await, |policy| policy).await;
    let mut client = H2Conn::open(stage.gateway.addr).await;
    let stream = client.request(&get("/public/x"), END_STREAM).await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    client.send(RST_STREAM, 0, stream, &8u32.to_be_bytes()).await;
    server.rest().await;
    // The connection goes on.
    let stream = client.request(&get("/public/x"), END_STREAM).await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    server.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(client.outcome(stream).await, ok("ok"));
    drop((client, server));
    stage.gateway.stop().await;
}

#[tokio::test]
async fn the_drain_lets_running_streams_end_and_takes_no_more() {
    let stage = Stage::before(Upstream::by_hand().await, |policy| policy).await;
    let mut client = H2Conn::open(stage.gateway.addr).await;
    let stream = client.request(&get("/public/x"), END_STREAM).await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    let Stage { mut gateway, upstream, .. } = stage;
    let stopped = gateway.begin_stop();
    while client.next().await.expect("closed too early").kind != GOAWAY {}
    assert!(!stopped.is_finished(), "it did not wait");
    server.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(client.outcome(stream).await, ok("ok"));
    client.rest().await;
    soon("the end", stopped).await.unwrap();
    drop(server);
    upstream.expect_nobody();
}

#[tokio::test]
async fn a_ping_is_answered() {
    let stage = Stage::start().await;
    let mut client = H2Conn::open(stage.gateway.addr).await;
    client.send(PING, 0, 0, b"12345678").await;
    loop {
        let frame = client.next().await.expect("closed without a pong");
        if frame.kind == PING {
            assert_eq!((frame.flags, frame.payload.as_slice()), (1, &b"12345678"[..]));
            break;
        }
    }
    drop(client);
    stage.finish_untouched().await;
}
