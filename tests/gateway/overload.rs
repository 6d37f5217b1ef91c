//! More than the gateway takes at once.

use serde_json::json;

use crate::common::{Conn, Reply, Stage, Upstream, soon};

const GET: &str = "GET /public/x HTTP/1.1\r\nHost: a.test\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const UPGRADE: &str = "GET /ws/x HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\n\
                       Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                        Upgrade: websocket\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

#[track_caller]
fn is_sent_away(reply: &Reply) {
    assert_eq!((reply.status, reply.json()["code"].clone()), (503, json!("overloaded")));
    assert_eq!((reply.one("retry-after"), reply.one("connection")), ("1", "close"));
}

/// A request that its upstream has, and does not answer yet.
async fn held(stage: &Stage, request: &str) -> (Conn, Conn) {
    let mut client = stage.connect().await;
    client.write(request).await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    (client, server)
}

/// Waits until that many are under way.
async fn under_way(stage: &Stage, count: usize) {
    stage.gateway.shows(&format!("portcullis_requests_under_way {count}.0")).await;
}

#[tokio::test]
async fn requests_beyond_the_limit_are_sent_away_before_anything_is_done_for_them() {
    let limits = "[routes.\"/ws/*\"]\nto = \"up\"\nallow = \"anyone\"\nwebsocket = true\n\
                  [limits]\nin_flight = 3";
    let stage = Stage::before(Upstream::by_hand().await, |policy| {
        policy.upstream("keep_alive = 0").and(limits)
    })
    .await;
    stage.gateway.shows("portcullis_requests_under_way_limit 3.0").await;
    let mut running = Vec::new();
    for _ in 0..2 {
        running.push(held(&stage, GET).await);
    }
    // A WebSocket is under way until its end.
    let mut tunnel = held(&stage, UPGRADE).await;
    tunnel.1.write(SWITCHED).await;
    assert_eq!(tunnel.0.reply_head().await.status, 101);
    under_way(&stage, 3).await;
    is_sent_away(&stage.send(GET).await);
    is_sent_away(&stage.send(UPGRADE).await);
    // Endpoints have no place of their own, and a body is not waited for.
    let login = "POST /api/auth/token/ HTTP/1.1\r\nHost: a.test\r\nContent-Type: application/json\
                 \r\nContent-Length: 100\r\n\r\n";
    is_sent_away(&stage.send(login).await);
    stage.gateway.shows("portcullis_refusals_total{code=\"overloaded\"} 3").await;

    drop(tunnel);
    under_way(&stage, 2).await;
    running.push(held(&stage, GET).await);
    is_sent_away(&stage.send(GET).await);
    for (client, server) in &mut running {
        server.write(OK).await;
        assert_eq!(client.reply().await.status, 200);
    }
    under_way(&stage, 0).await;
    drop(running);
    stage.gateway.stop().await;
    stage.upstream.expect_nobody();
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_its_place() {
    let stage = Stage::before(Upstream::by_hand().await, |policy| {
        policy.upstream("keep_alive = 0").and("[limits]\nin_flight = 1")
    })
    .await;
    drop(held(&stage, GET).await);
    under_way(&stage, 0).await;
    let (mut client, mut server) = held(&stage, GET).await;
    is_sent_away(&stage.send(GET).await);
    server.write(OK).await;
    assert_eq!(client.reply().await.status, 200);
    drop((client, server));
    stage.gateway.stop().await;
    stage.upstream.expect_nobody();
}

#[tokio::test]
async fn another_limit_counts_from_the_next_request_on() {
    let policy = |limit: usize| {
        move |policy: crate::common::Policy| {
            policy.upstream("keep_alive = 0").and(&format!("[limits]\nin_flight = {limit}"))
        }
    };
    let stage = Stage::before(Upstream::by_hand().await, policy(1)).await;
    let (mut client, mut server) = held(&stage, GET).await;
    is_sent_away(&stage.send(GET).await);
    let to = policy(2)(crate::common::Policy::to(&stage.upstream));
    assert_eq!(stage.gateway.reload(&to).at_next_start, [""; 0]);
    let (mut second, mut other) = held(&stage, GET).await;
    is_sent_away(&stage.send(GET).await);
    for (client, server) in [(&mut client, &mut server), (&mut second, &mut other)] {
        server.write(OK).await;
        assert_eq!(client.reply().await.status, 200);
    }
    drop((client, server, second, other));
    stage.gateway.stop().await;
    stage.upstream.expect_nobody();
}

#[tokio::test]
async fn with_its_memory_full_a_worker_takes_a_few_requests_and_no_more() {
    // More than the limit, whatever else this process has.
    let much = std::hint::black_box(vec![1_u8; 20 << 20]);
    let stage = Stage::before(Upstream::by_hand().await, |policy| {
        policy.upstream("keep_alive = 0").and("[limits]\nmemory = \"16MiB\"")
    })
    .await;
    stage.gateway.shows("portcullis_memory_is_full 1.0").await;
    stage.gateway.shows("portcullis_memory_limit_bytes 16777216.0").await;
    let mut running = Vec::new();
    for _ in 0..16 {
        running.push(held(&stage, GET).await);
    }
    for _ in 0..3 {
        is_sent_away(&stage.send(GET).await);
    }
    for (client, server) in &mut running {
        server.write(OK).await;
        assert_eq!(client.reply().await.status, 200);
    }
    soon("a request that is taken again", async {
        let (mut client, mut server) = held(&stage, GET).await;
        server.write(OK).await;
        assert_eq!(client.reply().await.status, 200);
    })
    .await;
    drop((running, much));
    stage.gateway.stop().await;
    stage.upstream.expect_nobody();
}
