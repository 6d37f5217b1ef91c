//! Upstreams of several servers, and servers that are away: who has a request, and who is passed over.

use std::time::Duration;

use serde_json::json;

use crate::common::{Act, Conn, Policy, Stage, TestGateway, Upstream, refusing};

const GET: &str = "GET /public/x HTTP/1.1\r\nHost: a.test\r\n\r\n";
const POST: &str = "POST /public/x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello";

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
