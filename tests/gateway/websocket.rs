//! `WebSockets`: who opens one, and what passes. The frames are made by hand; to the
//! gateway they are bytes.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::{Conn, Stage, Upstream, claims, mint, soon};

/// The example of RFC 6455 section 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(super) const PROOF: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// A masked text frame.
const HELLO: &[u8] = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
/// An unmasked binary frame.
const BINARY: &[u8] = b"\x82\x04\x00\xff\r\n";

/// A gateway before an upstream by hand, with a route for every user's `WebSockets`.
pub(super) async fn stage(keys: &str, more: &str) -> Stage {
    let route = format!("[routes.\"/ws/*\"]\nto = \"up\"\nwebsocket = true\n{keys}\n{more}");
    Stage::before(Upstream::by_hand().await, |policy| policy.and(&route)).await
}

/// A handshake with these fields beside `Host` and those of a good one.
pub(super) fn handshake(path: &str, fields: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\
         {fields}\r\n"
    )
}

pub(super) fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

pub(super) fn switching(proof: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\
         Sec-WebSocket-Accept: {proof}\r\n\r\n"
    )
}

/// An open WebSocket: its client, and its server.
pub(super) async fn open(stage: &Stage, token: &str) -> (Conn, Conn) {
    open_at(stage, "/ws/x", token).await
}

pub(super) async fn open_at(stage: &Stage, path: &str, token: &str) -> (Conn, Conn) {
    let mut client = stage.connect().await;
    client.write(handshake(path, &bearer(token))).await;
    let mut server = stage.upstream.accept().await;
    let head = server.head().await;
    for field in ["connection: upgrade", "upgrade: websocket", "x-user-name: alice", KEY] {
        let (head, field) = (head.to_ascii_lowercase(), field.to_ascii_lowercase());
        assert!(head.contains(&field), "{field} in {head}");
    }
    assert!(!head.to_ascii_lowercase().contains("authorization"), "{head}");
    server.write(switching(PROOF)).await;
    let reply = client.reply_head().await;
    assert_eq!((reply.status, reply.one("sec-websocket-accept")), (101, PROOF));
    assert_eq!(reply.one("upgrade"), "websocket");
    assert_eq!(reply.one("connection").to_ascii_lowercase(), "upgrade");
    (client, server)
}

/// Both ends hear one another.
pub(super) async fn talk(client: &mut Conn, server: &mut Conn) {
    for frame in [HELLO, BINARY] {
        client.write(frame).await;
        assert_eq!(server.exactly(frame.len()).await, frame);
        server.write(frame).await;
        assert_eq!(client.exactly(frame.len()).await, frame);
    }
}

pub(super) async fn end(stage: Stage) {
    stage.gateway.stop().await;
    stage.upstream.expect_nobody();
}

/// WS-noauth, WS-expired.
#[tokio::test]
async fn a_handshake_without_a_good_credential_reaches_nobody() {
    let stage = stage("", "").await;
    let expired = mint(&{
        let mut claims = claims(&stage.alice.id.to_string());
        claims["exp"] = 1.into();
        claims
    });
    for fields in [String::new(), bearer(&expired), bearer("x.y.z")] {
        let mut client = stage.connect().await;
        // What follows is a request of its own.
        client.write(handshake("/ws/x", &fields)).await;
        client.write("GET /app/x HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
        assert_eq!((client.reply().await.status, client.reply().await.status), (401, 401));
    }
    end(stage).await;
}

/// WS-echo, WS-ping.
#[tokio::test]
async fn bytes_pass_both_ways() {
    let stage = stage("", "").await;
    let (mut client, mut server) = open(&stage, &stage.token).await;
    talk(&mut client, &mut server).await;
    // More than any buffer holds, both ways at once.
    let much = vec![0x82; 3 << 20];
    let (mut client_half, mut server_half) = (Vec::new(), Vec::new());
    let (mut from_client, mut to_client) = client.stream.into_split();
    let (mut from_server, mut to_server) = server.stream.into_split();
    let all = async {
        tokio::join!(
            async {
                to_client.write_all(&much).await.unwrap();
                to_client.shutdown().await.unwrap();
            },
            async {
                to_server.write_all(&much).await.unwrap();
                to_server.shutdown().await.unwrap();
            },
            async { from_client.read_to_end(&mut client_half).await.unwrap() },
            async { from_server.read_to_end(&mut server_half).await.unwrap() },
        );
    };
    soon("all of it", all).await;
    assert!(client_half == much && server_half == much);
    end(stage).await;
}

#[tokio::test]
async fn nothing_passes_before_the_upstreams_101() {
    let stage = stage("", "").await;
    let mut client = stage.connect().await;
    client.write([handshake("/ws/x", &bearer(&stage.token)).as_bytes(), HELLO].concat()).await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    // Time for it to come, if it came: another request goes all the way.
    for _ in 0..10 {
        assert_eq!(stage.get("/nothing", "").await.status, 404);
    }
    let early = server.stream.try_read(&mut [0; 1]).map_err(|error| error.kind());
    assert_eq!(early, Err(std::io::ErrorKind::WouldBlock));
    server.write(switching(PROOF)).await;
    assert_eq!(client.reply_head().await.status, 101);
    assert_eq!(server.exactly(HELLO.len()).await, HELLO);
    drop((client, server));
    end(stage).await;
}

/// WS-refused-403.
#[tokio::test]
async fn a_refused_handshake_opens_no_tunnel() {
    let stage = stage("", "").await;
    let mut client = stage.connect().await;
    client.write(handshake("/ws/x", &bearer(&stage.token))).await;
    client.write("GET /app/secret HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    server.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.text().as_str()), (403, "no"));
    // The upstream has nothing of what follows: it is a request without a credential.
    assert_eq!(client.reply().await.status, 401);
    drop(client);
    let early = server.stream.try_read(&mut [0; 1]).map_err(|error| error.kind());
    assert_eq!(early, Err(std::io::ErrorKind::WouldBlock));
    drop(server);
    end(stage).await;
}

/// WS-badversion.
#[tokio::test]
async fn another_version_opens_no_tunnel() {
    let stage = stage("", "").await;
    for version in ["Sec-WebSocket-Version: 777\r\n", "", "Sec-WebSocket-Version: 13, 8\r\n"] {
        let request = handshake("/ws/x", &bearer(&stage.token))
            .replace("Sec-WebSocket-Version: 13\r\n", version);
        let mut client = stage.connect().await;
        client.write(request).await;
        client.write("GET /app/x HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
        let reply = client.reply().await;
        assert_eq!((reply.status, reply.one("sec-websocket-version")), (426, "13"), "{version}");
        assert_eq!(reply.json()["code"], "websocket_version");
        client.closed().await;
    }
    end(stage).await;
}

/// WS-noconn, and whatever else makes no handshake.
#[tokio::test]
async fn what_is_no_handshake_is_an_ordinary_request() {
    let stage = stage("", "").await;
    let good = handshake("/ws/x", &bearer(&stage.token));
    for (was, is) in [
        ("Connection: keep-alive, Upgrade", "Connection: keep-alive"),
        ("GET /ws/x", "POST /ws/x"),
        ("HTTP/1.1", "HTTP/1.0"),
        ("Upgrade: websocket", "Upgrade: websocket, h2c"),
        ("Upgrade: websocket", "Upgrade: h2c"),
        (KEY, "dGhlIHNhbXBsZSBub25j"),
        ("Host: a.test\r\n", "Host: a.test\r\nContent-Length: 0\r\n"),
    ] {
        let mut client = stage.connect().await;
        client.write(good.replace(was, is)).await;
        let mut server = stage.upstream.accept().await;
        let head = server.head().await.to_ascii_lowercase();
        assert!(!head.contains("\r\nupgrade:") && !head.contains("\r\nconnection:"), "{head}");
        server.write(switching(PROOF)).await;
        assert_eq!(client.reply().await.status, 502, "{is}");
        server.closed().await;
    }
    end(stage).await;
}

#[tokio::test]
async fn a_route_that_does_not_say_so_opens_no_tunnel() {
    let stage = stage("", "").await;
    for answer in [switching(PROOF), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned()] {
        let mut client = stage.connect().await;
        client.write(handshake("/app/x", &bearer(&stage.token))).await;
        let mut server = stage.upstream.accept().await;
        let head = server.head().await.to_ascii_lowercase();
        assert!(!head.contains("\r\nupgrade:") && !head.contains("\r\nconnection:"), "{head}");
        server.write(&answer).await;
        let status = client.reply().await.status;
        assert_eq!(status, if answer.contains("101") { 502 } else { 200 });
    }
    end(stage).await;
}

#[tokio::test]
async fn a_101_without_the_right_proof_is_502() {
    let stage = stage("", "").await;
    let good = switching(PROOF);
    for answer in [
        switching("AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        switching(KEY),
        good.replace("Sec-WebSocket-Accept", "X-Up"),
        good.replace("WebSocket\r\n", "h2c\r\n"),
        good.replace("Upgrade: WebSocket\r\n", ""),
        good.replace("Connection: upgrade\r\n", ""),
        good.replace("\r\n\r\n", &format!("\r\nSec-WebSocket-Accept: {PROOF}\r\n\r\n")),
    ] {
        let mut client = stage.connect().await;
        client.write(handshake("/ws/x", &bearer(&stage.token))).await;
        client.write(HELLO).await;
        let mut server = stage.upstream.accept().await;
        server.head().await;
        server.write([answer.as_bytes(), BINARY].concat()).await;
        let reply = client.reply().await;
        assert_eq!((reply.status, reply.one("connection")), (502, "close"), "{answer}");
        assert_eq!(reply.json()["code"], "upstream_failed");
        client.closed().await;
        server.closed().await;
    }
    end(stage).await;
}

/// WS-rst.
#[tokio::test]
async fn a_client_that_goes_away_takes_the_upstreams_side_along() {
    let stage = stage("", "").await;
    for reset in [true, false] {
        let (mut client, mut server) = open(&stage, &stage.token).await;
        talk(&mut client, &mut server).await;
        if reset {
            client.stream.set_zero_linger().unwrap();
        }
        drop(client);
        server.closed().await;
    }
    end(stage).await;
}

#[tokio::test]
async fn an_upstream_that_goes_away_takes_the_clients_side_along() {
    let stage = stage("", "").await;
    for reset in [true, false] {
        let (mut client, mut server) = open(&stage, &stage.token).await;
        talk(&mut client, &mut server).await;
        if reset {
            server.stream.set_zero_linger().unwrap();
        }
        drop(server);
        client.closed().await;
    }
    end(stage).await;
}

#[tokio::test]
async fn a_websocket_keeps_its_places() {
    let limits = "[limits]\nconnections = 2\n";
    let route = format!("[routes.\"/ws/*\"]\nto = \"up\"\nwebsocket = true\n{limits}");
    let upstream = Upstream::by_hand().await;
    let stage =
        Stage::before(upstream, |policy| policy.upstream("in_flight = 1, queue = 0").and(&route))
            .await;
    let (client, server) = open(&stage, &stage.token).await;
    let mut other = stage.connect().await;
    let mut waiting = stage.connect().await;
    waiting.write("GET /nothing HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    for _ in 0..10 {
        let full = other.ask("GET /public/x HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
        assert_eq!(full.status, 503);
    }
    let early = waiting.stream.try_read(&mut [0; 1]).map_err(|error| error.kind());
    assert_eq!(early, Err(std::io::ErrorKind::WouldBlock));
    drop((client, server));
    assert_eq!(waiting.reply().await.status, 404);
    other.write("GET /public/x HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    drop((other, waiting, server));
    end(stage).await;
}
