//! `WebSockets` over HTTP/2 (RFC 8441), frame by frame: who opens one, what passes, and when it
//! ends.

use std::time::{Duration, Instant};

use portcullis::store::UserChange;
use serde_json::json;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::websocket::{end, stage, switching};
use crate::common::h2::{DATA, END_STREAM, GOAWAY, H2Conn, Outcome, RST_STREAM, SETTINGS, get};
use crate::common::{Conn, Stage, Upstream, claims, mint, soon};

/// A masked text frame.
const HELLO: &[u8] = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
/// An unmasked binary frame.
const BINARY: &[u8] = b"\x82\x04\x00\xff\r\n";

type Fields<'a> = Vec<(&'a str, &'a str)>;

/// An extended CONNECT.
fn connect(path: &str) -> Fields<'_> {
    vec![
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":authority", "a.test"),
        (":path", path),
        ("sec-websocket-version", "13"),
    ]
}

/// With a credential.
fn connect_as<'a>(path: &'a str, bearer: &'a str) -> Fields<'a> {
    let mut fields = connect(path);
    fields.push(("authorization", bearer));
    fields
}

fn bearer(stage: &Stage) -> String {
    format!("Bearer {}", stage.token)
}

/// The one value of a field in a head.
fn field<'a>(head: &'a str, name: &str) -> &'a str {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let values: Vec<_> = lines.filter(|(field, _)| field.eq_ignore_ascii_case(name)).collect();
    assert_eq!(values.len(), 1, "{name} in {head}");
    values[0].1
}

/// The 101 to a handshake.
fn agreed(head: &str) -> String {
    switching(&derive_accept_key(field(head, "sec-websocket-key").as_bytes()))
}

/// A WebSocket that is open on a stream, with its server.
async fn open(stage: &Stage, client: &mut H2Conn, bearer: &str) -> (u32, Conn) {
    open_at(stage, client, "/ws/x", bearer).await
}

async fn open_at(stage: &Stage, client: &mut H2Conn, path: &str, bearer: &str) -> (u32, Conn) {
    let stream = client.request(&connect_as(path, bearer), 0).await;
    let mut server = stage.upstream.accept().await;
    let head = server.head().await;
    server.write(agreed(&head)).await;
    assert_eq!(client.status(stream).await, 200);
    (stream, server)
}

async fn talk(client: &mut H2Conn, stream: u32, server: &mut Conn) {
    client.send(DATA, 0, stream, HELLO).await;
    assert_eq!(server.exactly(HELLO.len()).await, HELLO);
    server.write(BINARY).await;
    assert_eq!(client.data(stream, BINARY.len()).await, BINARY);
}

/// Both ends have a close frame with that code.
async fn told(client: &mut H2Conn, stream: u32, server: &mut Conn, code: u16) {
    let [high, low] = code.to_be_bytes();
    assert_eq!(client.data(stream, 4).await, [0x88, 2, high, low]);
    let frame = server.exactly(8).await;
    let unmasked = [frame[6] ^ frame[2], frame[7] ^ frame[3]];
    assert_eq!((frame[0], u16::from_be_bytes(unmasked)), (0x88, code));
}

/// The stream comes to its ordinary end.
async fn ended(client: &mut H2Conn, stream: u32) {
    let frame = client.next_of(stream).await.expect("closed before its end");
    assert_eq!((frame.kind, frame.flags, frame.payload.len()), (DATA, END_STREAM, 0));
}

/// What of the settings says that streams may become something else (RFC 8441 section 3).
async fn offers(stage: &Stage) -> bool {
    let mut client = H2Conn::open(stage.gateway.addr).await;
    let settings = client.next().await.unwrap();
    assert_eq!(settings.kind, SETTINGS);
    settings.payload.chunks(6).any(|one| one == [0, 8, 0, 0, 0, 1])
}

#[tokio::test]
async fn a_handshake_becomes_one_of_http1_with_a_key_of_its_own() {
    let stage = stage("", "").await;
    assert!(offers(&stage).await);
    let bearer = bearer(&stage);
    let mut client = H2Conn::open(stage.gateway.addr).await;
    let mut keys = Vec::new();
    for _ in 0..2 {
        let mut fields = connect_as("/ws/x/../y?q=%20", &bearer);
        fields.extend([
            ("sec-websocket-protocol", "chat, superchat"),
            ("sec-websocket-extensions", "permessage-deflate"),
            // Of no use here, and not to be taken for ours.
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("x-user-name", "mallory"),
        ]);
        let stream = client.request(&fields, 0).await;
        let mut server = stage.upstream.accept().await;
        let head = server.head().await;
        assert!(head.starts_with("GET /ws/y?q=%20 HTTP/1.1\r\n"), "{head}");
        for (name, value) in [
            ("host", "a.test"),
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-protocol", "chat, superchat"),
            ("sec-websocket-extensions", "permessage-deflate"),
            ("x-user-name", "alice"),
        ] {
            assert_eq!(field(&head, name), value);
        }
        assert!(!head.to_ascii_lowercase().contains("authorization"), "{head}");
        keys.push(field(&head, "sec-websocket-key").to_owned());
        server.write(agreed(&head)).await;
        assert_eq!(client.status(stream).await, 200);
        talk(&mut client, stream, &mut server).await;
    }
    assert_ne!(keys[0], keys[1]);
    assert!(!keys.contains(&"dGhlIHNhbXBsZSBub25jZQ==".to_owned()));
    drop(client);
    end(stage).await;
}

/// H2-ext-connect.
#[tokio::test]
async fn nobody_without_a_good_credential_opens_a_stream() {
    let stage = stage("", "").await;
    let expired = mint(&{
        let mut claims = claims(&stage.alice.id.to_string());
        claims["exp"] = 1.into();
        claims
    });
    let expired = format!("Bearer {expired}");
    let mut client = H2Conn::open(stage.gateway.addr).await;
    let mut call = connect("/ws/x");
    // The refusal of a call would be a 200.
    call.push(("content-type", "application/grpc"));
    for fields in [connect("/ws/x"), connect_as("/ws/x", &expired), call] {
        let stream = client.request(&fields, 0).await;
        client.send(DATA, 0, stream, HELLO).await;
        assert_eq!(client.outcome(stream).await.status(), Some(401));
    }
    drop(client);
    end(stage).await;
}

#[tokio::test]
async fn a_ticket_opens_one_stream() {
    let stage = stage("", "").await;
    let body = json!({ "path": "/ws/x" }).to_string();
    let reply = stage
        .send(format!(
            "POST /api/auth/ticket/ HTTP/1.1\r\nHost: a.test\r\nAuthorization: {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            bearer(&stage),
            body.len()
        ))
        .await;
    let path = format!("/ws/x?ticket={}", reply.json()["ticket"].as_str().unwrap());
    let mut client = H2Conn::open(stage.gateway.addr).await;
    let stream = client.request(&connect(&path), 0).await;
    let mut server = stage.upstream.accept().await;
    let head = server.head().await;
    assert!(head.starts_with("GET /ws/x HTTP/1.1\r\n"), "{head}");
    server.write(agreed(&head)).await;
    assert_eq!(client.status(stream).await, 200);
    talk(&mut client, stream, &mut server).await;
    assert_eq!(client.ask(&connect(&path)).await.status(), Some(401));
    drop(client);
    end(stage).await;
}

#[tokio::test]
async fn what_opens_no_websocket_is_refused_and_reaches_nobody() {
    let routes = "[routes.\"POST /posts/*\"]\nto = \"up\"\nwebsocket = true\n";
    let stage = stage("", routes).await;
    let bearer = bearer(&stage);
    let changed = |path, name: &'static str, value: Option<&'static str>| {
        let mut fields = connect_as(path, &bearer);
        fields.retain(|(field, _)| *field != name);
        // Before the fields, where it is one of the first.
        if let Some(value) = value {
            fields.insert(0, (name, value));
        }
        fields
    };
    let mut framed = connect_as("/ws/x", &bearer);
    framed.push(("content-length", "0"));
    let mut call = connect_as("/app/x", &bearer);
    call.push(("content-type", "application/grpc"));
    let plain = vec![(":method", "CONNECT"), (":authority", "a.test"), ("authorization", &bearer)];
    let mut client = H2Conn::open(stage.gateway.addr).await;
    for (fields, status) in [
        (connect_as("/app/x", &bearer), 501),
        (call, 501),
        (connect("/app/x"), 401),
        (connect_as("/api/auth/profile/", &bearer), 501),
        (connect_as("/posts/x", &bearer), 405),
        (connect_as("/nothing", &bearer), 404),
        (connect_as("/app/%2e%2e%2f/x", &bearer), 400),
        (changed("/ws/x", ":protocol", Some("connect-udp")), 501),
        (changed("/ws/x", ":authority", Some("a.test:x")), 400),
        (changed("/ws/x", "sec-websocket-version", None), 426),
        (framed, 400),
        (plain, 501),
    ] {
        let outcome = client.ask(&fields).await;
        let reset = matches!(outcome, Outcome::Reset(_)) && status == 400;
        assert!(reset || outcome.status() == Some(status), "{fields:?}: {outcome:?}");
    }
    drop(client);
    end(stage).await;
}

#[tokio::test]
async fn no_stream_is_offered_where_no_route_has_websockets() {
    let stage = Stage::start().await;
    assert!(!offers(&stage).await);
    let mut client = H2Conn::open(stage.gateway.addr).await;
    let bearer = bearer(&stage);
    let outcome = client.ask(&connect_as("/app/x", &bearer)).await;
    assert!(matches!(outcome, Outcome::Reset(_) | Outcome::Closed), "{outcome:?}");
    drop(client);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn nothing_passes_on_a_stream_before_the_upstreams_101() {
    let stage = stage("", "").await;
    let bearer = bearer(&stage);
    let mut client = H2Conn::open(stage.gateway.addr).await;
    let stream = client.request(&connect_as("/ws/x", &bearer), 0).await;
    client.send(DATA, 0, stream, HELLO).await;
    let mut server = stage.upstream.accept().await;
    let head = server.head().await;
    // Time for it to come, if it came: another request goes all the way.
    for _ in 0..10 {
        assert_eq!(client.ask(&get("/nothing")).await.status(), Some(404));
    }
    let early = server.stream.try_read(&mut [0; 1]).map_err(|error| error.kind());
    assert_eq!(early, Err(std::io::ErrorKind::WouldBlock));
    server.write(agreed(&head)).await;
    assert_eq!(client.status(stream).await, 200);
    assert_eq!(server.exactly(HELLO.len()).await, HELLO);
    drop((client, server));
    end(stage).await;
}

#[tokio::test]
async fn an_upstream_that_opens_no_websocket_opens_no_stream() {
    let stage = stage("", "").await;
    let bearer = bearer(&stage);
    let mut client = H2Conn::open(stage.gateway.addr).await;
    let answer = |line: &str| format!("HTTP/1.1 {line}\r\nContent-Length: 2\r\n\r\nno");
    for (answer, status) in [
        (answer("403 Forbidden"), 403),
        (answer("302 Found"), 302),
        (answer("500 Oh"), 500),
        // To a CONNECT, these would say that there is a tunnel.
        (answer("200 OK"), 502),
        ("HTTP/1.1 204 No Content\r\n\r\n".to_owned(), 502),
        // The proof of another key.
        (switching("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), 502),
    ] {
        let stream = client.request(&connect_as("/ws/x", &bearer), 0).await;
        client.send(DATA, 0, stream, HELLO).await;
        let mut server = stage.upstream.accept().await;
        server.head().await;
        server.write(&answer).await;
        let outcome = client.outcome(stream).await;
        assert_eq!(outcome.status(), Some(status), "{answer}");
        if status != 502 {
            assert_eq!(outcome, Outcome::Answer(status, b"no".to_vec()));
        }
        let early = server.stream.try_read(&mut [0; 1]).unwrap_or(0);
        assert_eq!(early, 0, "{answer}");
    }
    drop(client);
    end(stage).await;
}

/// WS-rst. Whatever the client gives as its reason, and though the upstream says nothing.
#[tokio::test]
async fn a_stream_that_is_reset_closes_the_upstreams_side_at_once() {
    let stage = stage("", "").await;
    let bearer = bearer(&stage);
    let mut client = H2Conn::open(stage.gateway.addr).await;
    let (kept, mut its_server) = open(&stage, &mut client, &bearer).await;
    // No error, protocol error, cancel, another.
    for reason in [0u32, 1, 8, 11] {
        for quiet in [true, false] {
            let (stream, mut server) = open(&stage, &mut client, &bearer).await;
            if !quiet {
                // The upstream's socket takes no more, so that nobody reads the stream.
                let much = vec![0; 600_000];
                for piece in much.chunks(16_384) {
                    client.send(DATA, 0, stream, piece).await;
                }
            }
            let since = Instant::now();
            client.send(RST_STREAM, 0, stream, &reason.to_be_bytes()).await;
            server.rest().await;
            assert!(server.stream.peek(&mut [0]).await.map_or(true, |count| count == 0));
            assert!(since.elapsed() < Duration::from_secs(1), "{reason} {:?}", since.elapsed());
        }
    }
    talk(&mut client, kept, &mut its_server).await;
    let since = Instant::now();
    drop(client);
    its_server.closed().await;
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    end(stage).await;
}

/// All of it, and not only its direction: the place at the upstream is free.
#[tokio::test]
async fn a_stream_that_is_reset_gives_its_place_back_at_once() {
    let route = "[routes.\"/ws/*\"]\nto = \"up\"\nwebsocket = true\n";
    let full = "in_flight = 1, queue = 0";
    let upstream = Upstream::by_hand().await;
    let stage = Stage::before(upstream, |policy| policy.upstream(full).and(route)).await;
    let mut client = H2Conn::open(stage.gateway.addr).await;
    let (stream, mut server) = open(&stage, &mut client, &bearer(&stage)).await;
    assert_eq!(client.ask(&get("/public/x")).await.status(), Some(503));
    let since = Instant::now();
    client.send(RST_STREAM, 0, stream, &8u32.to_be_bytes()).await;
    server.closed().await;
    loop {
        let next = client.request(&get("/public/x"), END_STREAM).await;
        tokio::select! {
            _server = stage.upstream.accept() => break,
            status = client.status(next) => assert_eq!(status, 503),
        }
        assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    }
    drop((client, server));
    end(stage).await;
}

#[tokio::test]
async fn an_upstream_that_goes_away_ends_its_stream_and_no_other() {
    let stage = stage("", "").await;
    let bearer = bearer(&stage);
    let mut client = H2Conn::open(stage.gateway.addr).await;
    let (kept, mut its_server) = open(&stage, &mut client, &bearer).await;
    let (stream, server) = open(&stage, &mut client, &bearer).await;
    drop(server);
    ended(&mut client, stream).await;
    talk(&mut client, kept, &mut its_server).await;
    drop((client, its_server));
    end(stage).await;
}

/// By the route's limit, and by none of those of the connection.
#[tokio::test]
async fn a_silent_stream_is_closed_after_its_idle_time_and_its_connection_after_it() {
    let short = "[limits]\nidle_timeout = \"200ms\"\nhead_timeout = \"200ms\"\n";
    let stage = stage("idle = \"1s\"", short).await;
    let bearer = bearer(&stage);
    let mut client = H2Conn::open(stage.gateway.addr).await;
    let (stream, mut server) = open(&stage, &mut client, &bearer).await;
    let since = Instant::now();
    told(&mut client, stream, &mut server, 1001).await;
    assert!(since.elapsed() >= Duration::from_millis(900), "{:?}", since.elapsed());
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    let rest = client.rest().await;
    assert!(rest.iter().any(|frame| frame.kind == GOAWAY), "{rest:?}");
    server.closed().await;
    end(stage).await;
}

#[tokio::test]
async fn a_stream_ends_with_its_callers_right() {
    let admins =
        "[routes.\"/admin-ws/*\"]\nto = \"up\"\nwebsocket = true\nallow = \"role:admin\"\n";
    let stage = stage("", admins).await;
    let own = bearer(&stage);
    let change = async |change| {
        stage.gateway.accounts.change(stage.alice.id, change).await.unwrap();
    };
    change(UserChange::AddRole("admin".to_owned())).await;
    let (access, refresh) = stage.log_in("alice").await;
    let access = format!("Bearer {access}");
    // All on one connection.
    let mut client = H2Conn::open(stage.gateway.addr).await;
    let (kept, mut its_server) = open(&stage, &mut client, &own).await;
    let (of_session, mut session_server) = open(&stage, &mut client, &access).await;
    let (of_admin, mut admin_server) = open_at(&stage, &mut client, "/admin-ws/x", &own).await;
    let since = Instant::now();
    let reply = stage.post("/api/auth/token/blacklist/", &json!({ "refresh": refresh })).await;
    assert_eq!(reply.status, 200);
    told(&mut client, of_session, &mut session_server, 1008).await;
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    let since = Instant::now();
    change(UserChange::RemoveRole("admin".to_owned())).await;
    told(&mut client, of_admin, &mut admin_server, 1008).await;
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    talk(&mut client, kept, &mut its_server).await;
    let since = Instant::now();
    stage.gateway.clock().advance(Duration::from_secs(601));
    told(&mut client, kept, &mut its_server, 1008).await;
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    drop((client, its_server, session_server, admin_server));
    end(stage).await;
}

#[tokio::test]
async fn the_drain_closes_streams_at_its_end_and_then_their_connection() {
    let stage = stage("", "[limits]\ndrain = \"500ms\"\n").await;
    let bearer = bearer(&stage);
    let mut client = H2Conn::open(stage.gateway.addr).await;
    let (one, mut its_server) = open(&stage, &mut client, &bearer).await;
    let (two, mut other_server) = open(&stage, &mut client, &bearer).await;
    let Stage { mut gateway, upstream, .. } = stage;
    let stopped = gateway.begin_stop();
    // It has begun.
    while client.next().await.expect("closed without a word").kind != GOAWAY {}
    talk(&mut client, one, &mut its_server).await;
    let mut left = Vec::new();
    for server in [&mut its_server, &mut other_server] {
        assert_eq!(server.exactly(8).await[..2], [0x88, 0x82]);
        server.write(b"\x88\x02\x03\xe9").await;
    }
    for stream in [one, two] {
        client.send(DATA, END_STREAM, stream, b"\x88\x82\0\0\0\0\x03\xe9").await;
    }
    let since = Instant::now();
    while let Some(frame) = client.next().await {
        left.push(frame);
    }
    for stream in [one, two] {
        let sent = |frame: &&crate::common::h2::Frame| frame.stream == stream;
        let sent: Vec<_> = left.iter().filter(sent).collect();
        let bytes: Vec<u8> = sent.iter().flat_map(|frame| frame.payload.clone()).collect();
        assert_eq!(bytes, [0x88, 2, 0x03, 0xe9], "{sent:?}");
        assert!(sent.last().is_some_and(|last| last.flags & END_STREAM != 0), "{sent:?}");
    }
    soon("the end", stopped).await.unwrap();
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    upstream.expect_nobody();
}
