//! Connections of clients: kept, limited in time and number, and drained.

use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use crate::common::{Act, Conn, Policy, Setup, Stage, Upstream, soon};

const GET: &str = "GET /public/x HTTP/1.1\r\nHost: a.test\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn get(name: impl std::fmt::Display) -> String {
    format!("GET /public/{name} HTTP/1.1\r\nHost: a.test\r\n\r\n")
}

/// An upstream that answers with the request target.
async fn echoing() -> Upstream {
    Upstream::scripted(|seen| Act::ok(seen.target())).await
}

#[tokio::test]
async fn a_connection_serves_request_after_request() {
    let stage = Stage::before(echoing().await, |policy| policy).await;
    let mut client = stage.connect().await;
    let mut ids = std::collections::HashSet::new();
    for number in 0..10 {
        let reply = client.ask(get(number)).await;
        assert_eq!(reply.text(), format!("/public/{number}"));
        ids.insert(reply.one("x-request-id").to_owned());
        // A refusal is no reason to close.
        assert_eq!(client.ask(GET.replace("public", "app")).await.status, 401);
        assert_eq!(client.ask(GET.replace("public/x", "nothing")).await.status, 404);
    }
    assert_eq!(ids.len(), 10);
    client.write(GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).await;
    assert_eq!(client.reply().await.one("connection"), "close");
    client.closed().await;
    stage.finish().await;
}

#[tokio::test]
async fn every_listener_of_the_policy_is_served() {
    let upstream = echoing().await;
    let listen = "listen = [\"127.0.0.1:0\", { addr = \"127.0.0.1:0\" }]\nworkers = 2\n";
    let setup = Setup::new(&Policy::to(&upstream).top(listen)).binds();
    let stage = Stage::of(upstream, setup).await;
    assert_eq!(stage.gateway.addrs.len(), 2);
    for addr in &stage.gateway.addrs {
        let mut client = Conn::open(*addr).await;
        assert_eq!(client.ask(get("x")).await.text(), "/public/x");
    }
    stage.finish().await;
}

/// RES-pipeline-flood.
#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let stage = Stage::before(echoing().await, |policy| policy).await;
    let mut client = stage.connect().await;
    let flood: String = (0..1000).map(get).collect();
    client.write(flood).await;
    // Somebody else is served while nobody reads.
    assert_eq!(stage.send(get("other")).await.status, 200);
    for number in 0..1000 {
        assert_eq!(client.reply().await.text(), format!("/public/{number}"));
    }
    drop(client);
    assert_eq!(stage.finish().await.len(), 1001);
}

const DEADLINES: &str = "[limits]\nhead_timeout = \"150ms\"\nidle_timeout = \"400ms\"\n";

async fn impatient() -> Stage {
    Stage::before(echoing().await, |policy| policy.and(DEADLINES)).await
}

/// RES-slow-header.
#[tokio::test]
async fn a_head_that_does_not_come_ends_its_connection() {
    let stage = impatient().await;
    for half in
        ["", "G", "GET /public/x HTTP/1.1\r\n", "GET /public/x HTTP/1.1\r\nHost: a.test\r\nX: "]
    {
        let started = Instant::now();
        let mut client = stage.connect().await;
        client.write(half).await;
        let rest = client.rest().await;
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"), "{half:?}: {rest:?}");
        assert!(started.elapsed() >= Duration::from_millis(150), "{half:?}: too early");
        assert!(started.elapsed() < Duration::from_secs(2), "{half:?}: too late");
    }
    stage.finish_untouched().await;
}

#[tokio::test]
async fn a_head_that_trickles_gains_no_time() {
    let stage = impatient().await;
    let mut client = stage.connect().await;
    // The second head of a connection, so that its clock begins with its first byte.
    assert_eq!(client.ask(GET).await.status, 200);
    let started = Instant::now();
    client.write("GET /public/x HTTP/1.1\r\n").await;
    let (reader, mut writer) = client.stream.into_split();
    let trickle = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        while writer.write_all(b"X: y\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    soon("the end of a trickling connection", trickle).await.unwrap();
    drop(reader);
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(stage.finish().await.len(), 1);
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed_after_the_idle_time() {
    let stage = impatient().await;
    let mut client = stage.connect().await;
    for _ in 0..2 {
        assert_eq!(client.ask(GET).await.status, 200);
    }
    let started = Instant::now();
    client.closed().await;
    // Not by the deadline of a head, which is shorter.
    assert!(started.elapsed() >= Duration::from_millis(300), "{:?}", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(3));
    stage.finish().await;
}

#[tokio::test]
async fn a_request_that_takes_long_is_not_an_idle_connection() {
    let stage = Stage::before(Upstream::by_hand().await, |policy| policy.and(DEADLINES)).await;
    let mut client = stage.connect().await;
    client.write(GET).await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    server.write(OK).await;
    assert_eq!(client.reply().await.text(), "ok");
    drop((client, server));
    stage.gateway.stop().await;
}

#[tokio::test]
async fn the_drain_lets_running_requests_end_and_nothing_else() {
    let stage = Stage::before(Upstream::by_hand().await, |policy| policy).await;
    let (mut idle, mut running, mut silent) =
        (stage.connect().await, stage.connect().await, stage.connect().await);
    idle.write(GET).await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    server.write(OK).await;
    assert_eq!(idle.reply().await.status, 200);
    running.write(GET).await;
    server.head().await;

    let Stage { mut gateway, upstream, .. } = stage;
    let addr = gateway.addr;
    let stopped = gateway.begin_stop();
    idle.closed().await;
    silent.closed().await;
    // Nobody new is answered.
    if let Ok(stream) = TcpStream::connect(addr).await {
        let mut late = Conn::new(stream);
        late.write(GET).await;
        late.closed().await;
    }
    assert!(!stopped.is_finished(), "it did not wait");
    server.write(OK).await;
    let reply = running.reply().await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "ok"));
    assert_eq!(reply.one("connection"), "close");
    running.closed().await;
    soon("the end", stopped).await.unwrap();
    drop(server);
    upstream.expect_nobody();
}

#[tokio::test]
async fn the_drain_does_not_wait_for_ever() {
    let limits = "[limits]\ndrain = \"200ms\"\n";
    let stage = Stage::before(Upstream::by_hand().await, |policy| policy.and(limits)).await;
    let mut client = stage.connect().await;
    client.write(GET).await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    let Stage { mut gateway, .. } = stage;
    let started = Instant::now();
    soon("the end of the drain", gateway.begin_stop()).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(190), "it did not wait");
}

#[tokio::test]
async fn a_connection_over_the_limit_waits_for_its_turn() {
    let limits = "[limits]\nconnections = 2\n";
    let stage = Stage::before(echoing().await, |policy| policy.and(limits)).await;
    let (mut one, mut two) = (stage.connect().await, stage.connect().await);
    assert_eq!(one.ask(get("one")).await.status, 200);
    assert_eq!(two.ask(get("two")).await.status, 200);
    let mut three = stage.connect().await;
    three.write(get("three")).await;
    // Time enough to serve it, if it were served.
    for _ in 0..10 {
        assert_eq!(one.ask(get("one")).await.status, 200);
    }
    let seen = stage.upstream.seen();
    assert!(seen.iter().all(|request| request.target() != "/public/three"), "{seen:?}");
    drop(two);
    assert_eq!(three.reply().await.text(), "/public/three");
    drop((one, three));
    stage.finish().await;
}

/// Sizes about what the kernel takes for a reader that is slow: of some, the last piece is still
/// ours to send when the end is asked for.
#[tokio::test]
async fn the_drain_cuts_no_response_short() {
    for size in (2_600_000..4_400_000).step_by(150_000) {
        let upstream = Upstream::scripted(move |_| Act::ok(&"x".repeat(size))).await;
        let Stage { mut gateway, upstream, .. } = Stage::before(upstream, |policy| policy).await;
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut slow = Conn::new(socket.connect(gateway.addr).await.unwrap());
        slow.write("GET /public/x HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n")
            .await;
        let head = slow.head().await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        // As far as it gets without a reader.
        for _ in 0..500 {
            tokio::task::yield_now().await;
        }
        let stopped = gateway.begin_stop();
        assert_eq!(slow.rest().await.len(), size);
        soon("the end", stopped).await.unwrap();
        upstream.finish().await;
    }
}
