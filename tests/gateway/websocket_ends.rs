//! When a `WebSocket` ends, and what its ends are told then.

use std::time::{Duration, Instant};

use portcullis::store::UserChange;
use serde_json::json;

use super::websocket::{PROOF, bearer, end, handshake, open, open_at, stage, switching, talk};
use crate::common::{Conn, Stage, soon};

/// A masked close frame.
const CLOSE: &[u8] = b"\x88\x82\0\0\0\0\x03\xf0";

/// Both ends are told why it is over and closed, and that within the time that an end of the
/// caller's right may take.
async fn closed_soon(mut client: Conn, mut server: Conn, since: Instant) {
    told(&mut client, &mut server, 1008).await;
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    client.write(CLOSE).await;
    server.write(b"\x88\x02\x03\xf0").await;
    client.closed().await;
    server.closed().await;
}

/// Each end has a close frame with that code, as its side of the protocol wants it.
async fn told(client: &mut Conn, server: &mut Conn, code: u16) {
    let [high, low] = code.to_be_bytes();
    assert_eq!(client.exactly(4).await, [0x88, 2, high, low]);
    let frame = server.exactly(8).await;
    assert_eq!(frame[..2], [0x88, 0x82]);
    let unmasked = [frame[6] ^ frame[2], frame[7] ^ frame[3]];
    assert_eq!(u16::from_be_bytes(unmasked), code);
}

/// By the route's limit, and by none of those that are about requests.
#[tokio::test]
async fn a_silent_websocket_is_closed_after_its_idle_time() {
    let short = "[limits]\nidle_timeout = \"100ms\"\nhead_timeout = \"100ms\"\n";
    let stage = stage("idle = \"1s\"", short).await;
    let (mut client, mut server) = open(&stage, &stage.token).await;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        talk(&mut client, &mut server).await;
    }
    let since = Instant::now();
    told(&mut client, &mut server, 1001).await;
    client.closed().await;
    server.closed().await;
    assert!(since.elapsed() >= Duration::from_millis(900), "{:?}", since.elapsed());
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
    end(stage).await;
}

#[tokio::test]
async fn the_drain_closes_websockets_at_its_end() {
    let stage = stage("", "[limits]\ndrain = \"1s\"\n").await;
    let (mut client, mut server) = open(&stage, &stage.token).await;
    let Stage { mut gateway, upstream, .. } = stage;
    let since = Instant::now();
    let stopped = gateway.begin_stop();
    talk(&mut client, &mut server).await;
    told(&mut client, &mut server, 1001).await;
    client.closed().await;
    server.closed().await;
    assert!(since.elapsed() >= Duration::from_millis(900), "{:?}", since.elapsed());
    soon("the end", stopped).await.unwrap();
    upstream.expect_nobody();
}

#[tokio::test]
async fn a_handshake_under_way_is_answered_though_the_drain_began() {
    let stage = stage("", "").await;
    let (mut client, mut silent) = (stage.connect().await, stage.connect().await);
    client.write(handshake("/ws/x", &bearer(&stage.token))).await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    let Stage { mut gateway, upstream, .. } = stage;
    let stopped = gateway.begin_stop();
    // It has begun.
    silent.closed().await;
    server.write(switching(PROOF)).await;
    let reply = client.reply_head().await;
    assert_eq!((reply.status, reply.one("upgrade")), (101, "websocket"));
    assert!(reply.one("connection").to_ascii_lowercase().starts_with("upgrade"), "{reply:?}");
    talk(&mut client, &mut server).await;
    drop((client, server));
    soon("the end", stopped).await.unwrap();
    upstream.expect_nobody();
}

#[tokio::test]
async fn a_websocket_ends_with_its_session() {
    let stage = stage("", "").await;
    let (token, refresh) = stage.log_in("alice").await;
    let (other, _) = stage.log_in("alice").await;
    let (client, server) = open(&stage, &token).await;
    let (mut kept, mut kept_server) = open(&stage, &other).await;
    let reply = stage.post("/api/auth/token/blacklist/", &json!({ "refresh": refresh })).await;
    let since = Instant::now();
    assert_eq!(reply.status, 200);
    closed_soon(client, server, since).await;
    talk(&mut kept, &mut kept_server).await;
    drop((kept, kept_server));
    end(stage).await;
}

#[tokio::test]
async fn a_websocket_ends_with_its_users_right() {
    let admins =
        "[routes.\"/admin-ws/*\"]\nto = \"up\"\nwebsocket = true\nallow = \"role:admin\"\n";
    let stage = stage("", admins).await;
    let change = async |change| {
        stage.gateway.accounts.change(stage.alice.id, change).await.unwrap();
    };
    change(UserChange::AddRole("admin".to_owned())).await;
    let (client, server) = open_at(&stage, "/admin-ws/x", &stage.token).await;
    let (mut user, mut user_server) = open(&stage, &stage.token).await;
    let since = Instant::now();
    change(UserChange::RemoveRole("admin".to_owned())).await;
    closed_soon(client, server, since).await;
    // The other needs no such role, but a user who is not shut out.
    talk(&mut user, &mut user_server).await;
    let since = Instant::now();
    change(UserChange::Active(false)).await;
    closed_soon(user, user_server, since).await;
    end(stage).await;
}

#[tokio::test]
async fn a_websocket_ends_with_its_token() {
    let stage = stage("", "").await;
    let (client, server) = open(&stage, &stage.token).await;
    let since = Instant::now();
    stage.gateway.clock().advance(Duration::from_secs(601));
    closed_soon(client, server, since).await;
    end(stage).await;
}
