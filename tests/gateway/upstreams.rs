//! Upstreams that are away, late, wrong or rude: the client gets one answer that is true.

use std::time::Duration;

use serde_json::json;

use crate::common::{Act, Conn, Policy, Seen, Stage, TestGateway, Upstream, refusing};

const GET: &str = "GET /public/x HTTP/1.1\r\nHost: a.test\r\n\r\n";
const POST: &str = "POST /public/x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello";

/// Answers `/public/<id>` with the bytes of that id, and everything else with `ok`.
fn by_id(cases: &'static [(&'static str, &'static [u8])]) -> impl Fn(&Seen) -> Act {
    move |seen| {
        let found = cases.iter().find(|(id, _)| seen.target() == format!("/public/{id}"));
        found.map_or_else(|| Act::ok("ok"), |(_, bytes)| Act::answer(*bytes))
    }
}

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

#[tokio::test]
async fn a_server_that_refuses_connections_is_passed_over() {
    let upstream = Upstream::start().await;
    let servers = [refusing(), upstream.addr, refusing()];
    let stage = Stage::before(upstream, |policy| policy.servers(&servers)).await;
    for request in [GET, POST, GET, POST, GET] {
        assert_eq!(stage.send(request).await.status, 200);
    }
    let chunked = "POST /public/x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n\
        5\r\nhello\r\n0\r\n\r\n";
    assert_eq!(stage.send(chunked).await.status, 200);
    let seen = stage.finish().await;
    assert_eq!(seen.len(), 6);
    assert_eq!(seen[5].body, b"hello");
}

#[tokio::test]
async fn requests_go_to_the_server_that_has_fewer() {
    let (one, two) = (Upstream::by_hand().await, Upstream::by_hand().await);
    let policy = Policy::to(&one).servers(&[one.addr, two.addr]).upstream("weights = [2, 1]");
    let gateway = TestGateway::start(&policy).await;
    let mut under_way = Vec::new();
    // Whoever is first: after three requests each server has what its weight is due.
    for _ in 0..3 {
        let mut client = gateway.connect().await;
        client.write(GET).await;
        let mut server = tokio::select! {
            server = one.accept() => server,
            server = two.accept() => server,
        };
        server.head().await;
        under_way.push((client, server));
    }
    let of = |one: &Upstream, all: &[(Conn, Conn)]| {
        all.iter().filter(|(_, server)| server.stream.local_addr().ok() == Some(one.addr)).count()
    };
    assert_eq!((of(&one, &under_way), of(&two, &under_way)), (2, 1));
    for (client, server) in &mut under_way {
        server.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        assert_eq!(client.reply().await.status, 200);
    }
    drop(under_way);
    gateway.stop().await;
}

#[tokio::test]
async fn an_upstream_may_be_a_unix_socket() {
    let folder = tempfile::tempdir().expect("no directory");
    let socket = folder.path().join("up.sock");
    let upstream = Upstream::start().await.also_at(&socket);
    let stage = Stage::before(upstream, |policy| policy.socket(&socket)).await;
    for request in [GET, POST, GET, "GET /public/x HTTP/1.0\r\n\r\n"] {
        let reply = stage.send(request).await;
        assert_eq!((reply.status, reply.text().as_str()), (200, "ok"), "{request}");
    }
    assert_eq!(stage.upstream.connections(), 1);
    let seen = stage.finish().await;
    assert_eq!(seen[1].body, b"hello");
    let hosts: Vec<_> = seen.iter().map(|seen| seen.one("host")).collect();
    assert_eq!(hosts, ["a.test", "a.test", "a.test", "localhost"]);
}

/// Nobody listens, and there is no such file: both are an upstream that is away.
#[tokio::test]
async fn a_socket_that_nobody_serves_is_502() {
    let folder = tempfile::tempdir().expect("no directory");
    let (missing, left) = (folder.path().join("missing"), folder.path().join("left"));
    drop(std::os::unix::net::UnixListener::bind(&left).expect("no socket"));
    for socket in [missing, left] {
        let stage = Stage::with(|policy| policy.socket(&socket)).await;
        let reply = stage.send(GET).await;
        assert_eq!((reply.status, &reply.json()["code"]), (502, &json!("upstream_unreachable")));
        assert!(!reply.text().contains(socket.to_str().expect("a path")), "{reply:?}");
        stage.finish_untouched().await;
    }
}

/// A dead one among live ones costs no request; after three refusals it is left alone.
#[tokio::test]
async fn a_server_that_keeps_failing_is_passed_over_until_one_probe_finds_it_back() {
    let (dying, live) = (Upstream::scripted(|_| Act::Close).await, Upstream::start().await);
    let policy = Policy::to(&live).servers(&[dying.addr, live.addr]);
    let gateway = TestGateway::start(&policy).await;
    // Each request is one of the live server's or one that the other breaks.
    let broken = |replies: &[u16]| replies.iter().filter(|status| **status == 502).count();
    let mut replies = Vec::new();
    while broken(&replies) < 3 {
        assert!(replies.len() < 200, "the choice never falls on one of two");
        replies.push(gateway.send(POST).await.status);
    }
    for _ in 0..30 {
        assert_eq!(gateway.send(POST).await.status, 200);
    }
    assert_eq!(dying.connections(), 3);
    // One probe, which fails; then twice as long until the next.
    for (wait, probes) in [(1000, 1), (1999, 0), (1, 1), (3999, 0)] {
        gateway.clock().advance(Duration::from_millis(wait));
        let mut replies = Vec::new();
        for _ in 0..10 {
            replies.push(gateway.send(POST).await.status);
        }
        assert_eq!(broken(&replies), probes, "after {wait} ms: {replies:?}");
    }
    assert_eq!(dying.connections(), 5);
    gateway.stop().await;
    dying.finish().await;
    live.finish().await;
}

#[tokio::test]
async fn a_server_that_comes_back_has_one_probe_and_then_its_share() {
    let live = Upstream::start().await;
    let away = refusing();
    let policy = Policy::to(&live).servers(&[away, live.addr]);
    let gateway = TestGateway::start(&policy).await;
    for request in [GET, POST].repeat(30) {
        assert_eq!(gateway.send(request).await.status, 200);
    }
    let back = Upstream::by_hand_at(away).await;
    gateway.clock().advance(Duration::from_secs(1));
    let mut probe = gateway.connect().await;
    probe.write(GET).await;
    let mut server = back.accept().await;
    server.head().await;
    // While it is on its way, nobody else goes there, and whoever sent it may go away.
    for _ in 0..20 {
        assert_eq!(gateway.send(GET).await.status, 200);
    }
    drop(probe);
    server.closed().await;
    let mut probe = gateway.connect().await;
    probe.write(GET).await;
    let mut server = back.accept().await;
    server.head().await;
    server.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nback").await;
    assert_eq!(probe.reply().await.text(), "back");
    drop((probe, server));
    let back = back.answering();
    for _ in 0..60 {
        assert_eq!(gateway.send(GET).await.status, 200);
    }
    gateway.stop().await;
    let (back, live) = (back.finish().await.len(), live.finish().await.len());
    assert!(back > 5 && live > 85, "{back} and {live}");
}

#[tokio::test]
async fn a_server_is_not_blamed_for_what_its_clients_do() {
    let (one, two) = (Upstream::by_hand().await, Upstream::by_hand().await);
    let policy = Policy::to(&one).servers(&[one.addr, two.addr]);
    let gateway = TestGateway::start(&policy).await;
    let head = "POST /public/x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";
    let both = async || {
        tokio::select! {
            server = one.accept() => server,
            server = two.accept() => server,
        }
    };
    // Bodies that break off, until either server would have failed three times.
    for _ in 0..8 {
        let mut client = gateway.connect().await;
        client.write(head).await;
        let mut server = both().await;
        server.head().await;
        client.write("zz\r\n").await;
        assert_eq!(client.reply().await.status, 400);
        server.closed().await;
    }
    // Two requests at once still go to two servers.
    let (mut first, mut second) = (gateway.connect().await, gateway.connect().await);
    first.write(GET).await;
    let mut of_first = both().await;
    of_first.head().await;
    second.write(GET).await;
    let mut of_second = both().await;
    of_second.head().await;
    let addr = |server: &Conn| server.stream.local_addr().expect("an address");
    assert_ne!(addr(&of_first), addr(&of_second));
    for (client, server) in [(&mut first, &mut of_first), (&mut second, &mut of_second)] {
        server.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        assert_eq!(client.reply().await.status, 200);
    }
    drop((first, second, of_first, of_second));
    gateway.stop().await;
}

/// UP-down.
#[tokio::test]
async fn an_upstream_that_is_away_is_502_until_it_is_back() {
    let addr = refusing();
    let elsewhere = Upstream::start().await;
    let gateway = TestGateway::start(&Policy::to(&elsewhere).servers(&[addr])).await;
    for request in [GET, POST] {
        let reply = gateway.send(request).await;
        assert_eq!(reply.status, 502, "{reply:?}");
        assert_eq!(reply.json()["code"], "upstream_unreachable");
        assert!(!reply.text().contains(&addr.port().to_string()), "{reply:?}");
    }
    let upstream = Upstream::start_at(addr).await;
    assert_eq!(gateway.send(GET).await.status, 200);
    gateway.stop().await;
    assert_eq!(upstream.finish().await.len(), 1);
}

const MALFORMED: &[(&str, &[u8])] = &[
    ("UP-mal-garbage", b"garbage and nothing else\r\n\r\n"),
    ("UP-mal-dupcl", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc"),
    ("cl-word", b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok"),
    ("cl-minus", b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok"),
    ("cl-huge", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok"),
    ("UP-mal-nulval", b"HTTP/1.1 200 OK\r\nX-Up: a\0b\r\nContent-Length: 2\r\n\r\nok"),
    ("cr-value", b"HTTP/1.1 200 OK\r\nX-Up: a\rX-Evil: b\r\nContent-Length: 2\r\n\r\nok"),
    ("UP-mal-spacecolon", b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok"),
    ("noname", b"HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 2\r\n\r\nok"),
    ("fold", b"HTTP/1.1 200 OK\r\nX-Up: a\r\n b\r\nContent-Length: 2\r\n\r\nok"),
    ("status-0", b"HTTP/1.1 0 OK\r\nContent-Length: 2\r\n\r\nok"),
    ("status-word", b"HTTP/1.1 abc OK\r\nContent-Length: 2\r\n\r\nok"),
    ("status-long", b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok"),
    ("version", b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    (
        "unasked-101",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    ),
    ("chunk-word", b"HTTP/1.0 20 OK\r\n\r\n"),
];

#[tokio::test]
async fn an_answer_that_is_no_http_is_502() {
    let upstream = Upstream::scripted(by_id(MALFORMED)).await;
    let stage = Stage::before(upstream, |policy| policy).await;
    for (id, _) in MALFORMED {
        let request = format!("POST /public/{id} HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let reply = stage.send(request).await;
        assert_eq!(reply.status, 502, "{id}: {reply:?}");
        assert_eq!(reply.json()["code"], "upstream_failed", "{id}");
        // And its leftovers answer nobody.
        let next = stage.send(GET).await;
        assert_eq!((next.status, next.text().as_str()), (200, "ok"), "{id}: {next:?}");
    }
    assert_eq!(stage.finish().await.len(), 2 * MALFORMED.len());
}

const TRUNCATED: &[(&str, &[u8])] = &[
    ("UP-midchunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
    ("in-chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhello"),
    ("bad-chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n"),
    ("last-chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"),
    ("mid-length", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"),
];

#[tokio::test]
async fn half_an_answer_never_looks_whole() {
    let upstream = Upstream::scripted(|seen| {
        let found = TRUNCATED.iter().find(|(id, _)| seen.target() == format!("/public/{id}"));
        found.map_or_else(|| Act::ok("ok"), |(_, bytes)| Act::AnswerAndClose(bytes.to_vec()))
    })
    .await;
    let stage = Stage::before(upstream, |policy| policy).await;
    for (id, _) in TRUNCATED {
        let mut client = stage.connect().await;
        client.write(format!("GET /public/{id} HTTP/1.1\r\nHost: a.test\r\n\r\n{GET}")).await;
        let reply = client.reply().await;
        if reply.status != 502 {
            assert_eq!(reply.status, 200, "{id}: {reply:?}");
            assert!(!reply.complete, "{id}: {reply:?}");
            client.closed().await;
        }
    }
    stage.finish().await;
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

/// UP-clte.
#[tokio::test]
async fn of_two_framings_the_client_sees_one() {
    let upstream = Upstream::scripted(|_| {
        Act::AnswerAndClose(
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n\
              5\r\nhello\r\n0\r\n\r\n"
                .to_vec(),
        )
    })
    .await;
    let stage = Stage::before(upstream, |policy| policy).await;
    let reply = stage.send(GET).await;
    assert!(reply.status == 502 || (reply.text() == "hello" && reply.complete), "{reply:?}");
    stage.finish().await;
}

/// UP-h103, UP-flood1xx.
#[tokio::test]
async fn interim_answers_are_not_the_answer() {
    let upstream = Upstream::scripted(|seen| {
        let interim = match seen.target() {
            "/public/one" => "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".to_owned(),
            "/public/two" => {
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n".to_owned()
            }
            _ => "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(20_000),
        };
        Act::answer(format!("{interim}HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfinal"))
    })
    .await;
    let stage = Stage::before(upstream, |policy| policy).await;
    for target in ["one", "two"] {
        let reply = stage.get(&format!("/public/{target}"), "").await;
        assert_eq!((reply.status, reply.text().as_str()), (200, "final"), "{target}: {reply:?}");
    }
    let reply = stage.get("/public/flood", "").await;
    assert_eq!((reply.status, &reply.json()["code"]), (502, &"upstream_failed".into()));
    stage.finish().await;
}

/// UP-http10.
#[tokio::test]
async fn an_answer_in_http_1_0_comes_whole() {
    let upstream = Upstream::scripted(|_| {
        let body = "x".repeat(100_000);
        Act::AnswerAndClose(
            format!("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n{body}").into(),
        )
    })
    .await;
    let stage = Stage::before(upstream, |policy| policy).await;
    let reply = stage.send(GET).await;
    assert_eq!((reply.status, reply.body.len(), reply.complete), (200, 100_000, true));
    let old = stage.send("GET /public/x HTTP/1.0\r\nHost: a.test\r\n\r\n").await;
    assert_eq!((old.status, old.body.len()), (200, 100_000));
    stage.finish().await;
}

/// UP-401-pass. Which fields may come, the harness checks: none of those of one connection.
#[tokio::test]
async fn an_answer_passes_as_it_is_but_for_what_belongs_to_its_connection() {
    let upstream = Upstream::scripted(|seen| match seen.target() {
        "/app/401" => Act::answer(
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"theirs\"\r\n\
             Content-Length: 6\r\n\r\ntheirs",
        ),
        "/app/302" => Act::answer(
            "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\
             Content-Length: 0\r\n\r\n",
        ),
        _ => Act::answer(
            "HTTP/1.1 200 Fine\r\nConnection: keep-alive, X-Private\r\nX-Private: 1\r\n\
             Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTrailer: X-T\r\nUpgrade: h2c\r\n\
             Proxy-Authenticate: Basic\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nok\r\n0\r\nX-T: 1\r\n\r\n",
        ),
    })
    .await;
    let stage = Stage::before(upstream, |policy| policy).await;
    let unauthorized = stage.get_as("/app/401", &stage.token).await;
    assert_eq!((unauthorized.status, unauthorized.text().as_str()), (401, "theirs"));
    assert_eq!(unauthorized.one("www-authenticate"), "Basic realm=\"theirs\"");
    let found = stage.get_as("/app/302", &stage.token).await;
    assert_eq!((found.status, found.one("location")), (302, "/elsewhere"));
    assert_eq!(found.all("set-cookie"), ["a=1", "b=2"]);
    let other = stage.get_as("/app/x", &stage.token).await;
    assert_eq!((other.status, other.text().as_str(), other.complete), (200, "ok", true));
    stage.finish().await;
}

/// A HEAD has the length of what a GET would bring, and nothing of it.
#[tokio::test]
async fn a_head_keeps_its_length() {
    let upstream =
        Upstream::scripted(|_| Act::answer("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"))
            .await;
    let stage = Stage::before(upstream, |policy| policy).await;
    let mut client = stage.connect().await;
    client.write("HEAD /public/x HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n").await;
    let reply = client.reply_to_head().await;
    assert_eq!((reply.status, reply.one("content-length")), (200, "1234"));
    client.closed().await;
    stage.finish().await;
}

/// UP-upload-chunked.
#[tokio::test]
async fn large_bodies_pass_unchanged_both_ways() {
    let body: Vec<u8> = (0..4_000_000_u32).map(|at| ((at * 31) >> 7).to_le_bytes()[0]).collect();
    let download = body.clone();
    let upstream = Upstream::scripted(move |_| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", download.len());
        Act::Answer([head.as_bytes(), &download].concat())
    })
    .await;
    let stage = Stage::before(upstream, |policy| policy).await;
    let head = "POST /public/x HTTP/1.1\r\nHost: a.test\r\n";
    let sized = format!("{head}Content-Length: {}\r\n\r\n", body.len());
    let mut chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for piece in body.chunks(70_000) {
        chunked.extend(format!("{:x}\r\n", piece.len()).bytes());
        chunked.extend(piece);
        chunked.extend(b"\r\n");
    }
    chunked.extend(b"0\r\n\r\n");
    for request in [[sized.as_bytes(), &body].concat(), chunked] {
        let reply = stage.send(request).await;
        assert_eq!((reply.status, reply.complete), (200, true));
        assert!(reply.body == body);
    }
    let seen = stage.finish().await;
    assert!(seen.len() == 2 && seen.iter().all(|request| request.complete && request.body == body));
}

#[tokio::test]
async fn an_upstream_at_its_limit_is_503_and_has_room_again_afterwards() {
    let upstream = Upstream::by_hand().await;
    let stage = Stage::before(upstream, |policy| policy.upstream("in_flight = 1, queue = 0")).await;
    let mut first = stage.connect().await;
    first.write(GET).await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    let refused = stage.send(GET).await;
    assert_eq!((refused.status, refused.one("retry-after")), (503, "1"), "{refused:?}");
    assert_eq!(refused.json()["code"], "upstream_full");
    // The head alone does not end it.
    server.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n").await;
    assert_eq!(first.reply_head().await.status, 200);
    assert_eq!(stage.send(GET).await.status, 503);
    server.write("ok").await;
    assert_eq!(first.exactly(2).await, b"ok");
    let mut again = stage.connect().await;
    again.write(GET).await;
    server.head().await;
    server.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(again.reply().await.status, 200);
    // Whoever goes away leaves room, too.
    again.write(GET).await;
    server.head().await;
    drop(again);
    server.closed().await;
    first.write(GET).await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    server.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(first.reply().await.status, 200);
    drop((first, server));
    stage.gateway.stop().await;
}

#[tokio::test]
async fn whoami_shows_a_request_as_an_upstream_sees_it() {
    let tables = "[upstreams.me]\nwhoami = true\n[routes.\"/me/*\"]\nto = \"me\"\n";
    let stage = Stage::with(|policy| policy.and(tables)).await;
    let fields = format!(
        "Authorization: Bearer {}\r\nX-User-Id: evil\r\nX-Two: 1\r\nX-Two: 2\r\nConnection: X-User-Id\r\n",
        stage.token
    );
    let reply = stage.get("/me/%7Ex/../y?z=1", &fields).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let told = reply.json();
    assert_eq!((&told["method"], &told["path"]), (&json!("GET"), &json!("/me/y?z=1")));
    let headers = &told["headers"];
    assert_eq!(headers["x-user-id"], "1");
    assert_eq!(headers["x-user-name"], "alice");
    assert_eq!(headers["host"], "a.test");
    assert_eq!(headers["x-two"], json!(["1", "2"]));
    assert_eq!(headers["x-request-id"].as_str(), Some(reply.one("x-request-id")));
    assert!(headers.get("authorization").is_none() && headers.get("connection").is_none());
    assert_eq!(stage.get("/me/x", "").await.status, 401);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn an_answer_is_framed_by_us_and_in_our_version() {
    let upstream = Upstream::scripted(by_id(&[
        ("old", b"HTTP/1.0 200 OK\r\n\r\nold"),
        ("twice", b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello"),
        ("gzip", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
    ]))
    .await;
    let stage = Stage::before(upstream, |policy| policy).await;
    let mut client = stage.connect().await;
    client.write("GET /public/old HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n").await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    drop(client);
    let twice = stage.get("/public/twice", "").await;
    assert_eq!((twice.one("content-length"), twice.text().as_str()), ("5", "hello"));
    assert_eq!(stage.get("/public/gzip", "").await.status, 502, "a coding nobody could undo");
    stage.finish().await;
}

#[tokio::test]
async fn a_get_keeps_a_body_of_unknown_length() {
    let stage = Stage::start().await;
    let body = "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let reply = stage.send(format!("GET /public/x HTTP/1.1\r\nHost: a.test\r\n{body}")).await;
    assert_eq!(reply.status, 200);
    let seen = stage.finish().await;
    assert_eq!(seen[0].body, b"hello");
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
