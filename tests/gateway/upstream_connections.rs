//! Connections to upstreams: used again while they are sound, and a request on each sent once.

use std::time::Duration;

use serde_json::json;

use crate::common::{Act, Stage, Upstream};

const GET: &str = "GET /public/x HTTP/1.1\r\nHost: a.test\r\n\r\n";
const POST: &str = "POST /public/x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello";

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let stage = Stage::start().await;
    for _ in 0..10 {
        assert_eq!(stage.send(GET).await.status, 200);
        assert_eq!(stage.send(POST).await.status, 200);
    }
    assert_eq!(stage.upstream.connections(), 1);
    assert_eq!(stage.finish().await.len(), 20);
}

#[tokio::test]
async fn a_connection_that_the_upstream_closes_is_not_used_again() {
    let upstream = Upstream::scripted(|_| {
        Act::answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
    })
    .await;
    let stage = Stage::before(upstream, |policy| policy).await;
    for _ in 0..3 {
        let reply = stage.send(POST).await;
        assert_eq!((reply.status, reply.text().as_str()), (200, "ok"));
        // That the upstream's connection ends is nothing to the client's.
        assert!(reply.all("connection").is_empty(), "{reply:?}");
    }
    assert_eq!(stage.upstream.connections(), 3);
    stage.finish().await;
}

/// UP-stale-race.
#[tokio::test]
async fn waiting_connections_that_went_away_cost_no_request() {
    // Each connection is closed as soon as its answer is out, and nobody says so beforehand.
    let upstream = Upstream::scripted(|_| {
        Act::AnswerAndClose(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec())
    })
    .await;
    let stage = Stage::before(upstream, |policy| policy).await;
    let mut connection = stage.connect().await;
    for number in 0..20 {
        let reply = connection.ask(GET).await;
        assert_eq!((reply.status, reply.text().as_str()), (200, "ok"), "{number}");
    }
    drop(connection);
    assert_eq!(stage.finish().await.len(), 20);
}

#[tokio::test]
async fn a_get_on_a_connection_that_closes_under_it_is_sent_again_and_a_post_is_not() {
    let stage = Stage::before(Upstream::by_hand().await, |policy| policy).await;
    let mut client = stage.connect().await;
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    for (request, again) in [(GET, true), (POST, false)] {
        client.write(GET).await;
        let mut first = stage.upstream.accept().await;
        first.head().await;
        first.write(ok).await;
        assert_eq!(client.reply().await.status, 200);
        client.write(request).await;
        // On the connection that was waiting; it is closed without an answer.
        first.head().await;
        drop(first);
        if again {
            let mut second = stage.upstream.accept().await;
            assert!(second.head().await.starts_with("GET /public/x"));
            // Closed before the next round, which shall begin with a new one.
            second
                .write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
                .await;
            assert_eq!(client.reply().await.status, 200);
        } else {
            assert_eq!(client.reply().await.status, 502);
        }
    }
    drop(client);
    // Nothing waits to be accepted: the POST was sent once.
    stage.gateway.stop().await;
    stage.upstream.expect_nobody();
}

#[tokio::test]
async fn without_retries_no_request_is_sent_again() {
    let upstream = Upstream::by_hand().await;
    let stage = Stage::before(upstream, |policy| policy.upstream("retries = 0")).await;
    let mut client = stage.connect().await;
    client.write(GET).await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    server.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(client.reply().await.status, 200);
    client.write(GET).await;
    server.head().await;
    drop(server);
    let reply = client.reply().await;
    assert_eq!((reply.status, &reply.json()["code"]), (502, &json!("upstream_failed")));
    drop(client);
    stage.gateway.stop().await;
    stage.upstream.expect_nobody();
}

/// UP-slow-post-once, UP-parthead, and their kin.
#[tokio::test]
async fn a_request_that_may_have_been_acted_upon_is_sent_once() {
    let upstream = Upstream::scripted(|seen| match seen.target() {
        "/public/silent" => Act::Hang,
        "/public/close" => Act::Close,
        "/public/half" => Act::AnswerAndClose(b"HTTP/1.1 200 OK\r\nContent-Le".to_vec()),
        _ => Act::AnswerAndClose(b"HTTP/1.1 200".to_vec()),
    })
    .await;
    let stage = Stage::before(upstream, |policy| policy.upstream("timeout = \"150ms\"")).await;
    let mut sent = Vec::new();
    for (target, status, code) in [
        ("/public/silent", 504, "upstream_timeout"),
        ("/public/close", 502, "upstream_failed"),
        ("/public/half", 502, "upstream_failed"),
        ("/public/line", 502, "upstream_failed"),
    ] {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let reply = stage
                .send(format!(
                    "{method} {target} HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello"
                ))
                .await;
            assert_eq!((reply.status, &reply.json()["code"]), (status, &json!(code)), "{target}");
            sent.push(format!("{method} {target} HTTP/1.1"));
        }
    }
    let seen = stage.finish().await;
    let lines: Vec<_> = seen.iter().map(|request| request.line.clone()).collect();
    assert_eq!(lines, sent);
}

const POISON: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-Up: evil\r\n\r\npoison";

/// UP-desync-b204 and its kin: what comes unasked answers nobody.
#[tokio::test]
async fn leftover_bytes_never_answer_another_request() {
    let upstream = Upstream::scripted(|seen| {
        let first = match seen.target() {
            "/public/204" => "HTTP/1.1 204 No Content\r\n\r\n",
            "/public/204-length" => "HTTP/1.1 204 No Content\r\nContent-Length: 70\r\n\r\n",
            "/public/304" => {
                "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 70\r\n\r\n"
            }
            "/public/length" => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            "/public/chunked" => {
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
            }
            "/public/head" => "HTTP/1.1 200 OK\r\nContent-Length: 70\r\n\r\n",
            "/public/none" => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            _ => return Act::ok("right"),
        };
        Act::answer(format!("{first}{POISON}"))
    })
    .await;
    let stage = Stage::before(upstream, |policy| policy).await;
    let mut client = stage.connect().await;
    let next = "GET /public/next HTTP/1.1\r\nHost: a.test\r\n\r\n";
    for (method, name, status) in [
        ("GET", "204", 204),
        ("GET", "204-length", 204),
        ("GET", "304", 304),
        ("GET", "length", 200),
        ("GET", "chunked", 200),
        ("HEAD", "head", 200),
        ("HEAD", "204", 204),
        ("GET", "none", 200),
        ("POST", "204", 204),
    ] {
        let fields = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
        client
            .write(format!("{method} /public/{name} HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n"))
            .await;
        let reply =
            if method == "HEAD" { client.reply_to_head().await } else { client.reply().await };
        assert_eq!(reply.status, status, "{method} {name}: {reply:?}");
        for _ in 0..3 {
            let reply = client.ask(next).await;
            let got = (reply.status, reply.text());
            assert_eq!(got, (200, "right".to_owned()), "after {method} {name}");
        }
    }
    drop(client);
    stage.finish().await;
}

#[tokio::test]
async fn an_upload_keeps_its_place_though_it_was_answered_early() {
    let upstream = Upstream::by_hand().await;
    let stage = Stage::before(upstream, |policy| policy.upstream("in_flight = 1, queue = 0")).await;
    let mut client = stage.connect().await;
    client
        .write("POST /public/x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhalf.")
        .await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    server.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(client.reply().await.status, 200);
    assert_eq!(stage.send(GET).await.status, 503, "the upload is still under way");
    drop(client);
    server.rest().await;
    let upstream_side = async {
        let mut fresh = stage.upstream.accept().await;
        fresh.head().await;
        fresh.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        fresh
    };
    let asked = async {
        loop {
            let reply = stage.send(GET).await;
            if reply.status != 503 {
                break reply.status;
            }
        }
    };
    let (fresh, status) = tokio::join!(upstream_side, asked);
    assert_eq!(status, 200);
    drop((fresh, server));
    let Stage { gateway, upstream, .. } = stage;
    gateway.stop().await;
    upstream.expect_nobody();
}

/// A server whose line of connections is full, and has room again before `connect` is over: the
/// request waits for its connection, and goes out once.
#[tokio::test]
async fn a_server_without_room_for_a_connection_is_asked_again() {
    let (upstream, filling) = Upstream::with_a_full_line();
    let Stage { gateway, upstream, .. } = Stage::before(upstream, |policy| policy).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = gateway.connect().await;
        client.write(POST).await;
        clients.push(client);
    }
    // After the kernel's second try, and before its third at 3 s.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    drop(filling);
    let upstream = upstream.answering();
    for client in &mut clients {
        assert_eq!(client.reply().await.status, 200);
    }
    drop(clients);
    gateway.stop().await;
    let seen = upstream.finish().await;
    assert_eq!(seen.len(), 5, "{seen:#?}");
}
