//! Responses to HTTP/2 clients that go on: each stream ends with its caller's right, and no other.

use std::time::{Duration, Instant};

use serde_json::json;

use super::websocket::{end, stage};
use crate::common::h2::{DATA, END_HEADERS, END_STREAM, H2Conn, HEADERS, RST_STREAM, get, head};
use crate::common::{Conn, Stage};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const EVENTS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                      Transfer-Encoding: chunked\r\n\r\n";
const LENGTH: &str = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n";

/// A response under way on a stream, its head read.
async fn open(stage: &Stage, client: &mut H2Conn, token: &str, head: &str) -> (u32, Conn) {
    let bearer = format!("Bearer {token}");
    let mut fields = get("/app/x");
    fields.push(("authorization", &bearer));
    let stream = client.request(&fields, END_STREAM).await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    server.write(head).await;
    assert_eq!(client.status(stream).await, 200);
    (stream, server)
}

async fn passes(client: &mut H2Conn, stream: u32, server: &mut Conn) {
    server.write("2\r\nhi\r\n").await;
    assert_eq!(client.data(stream, 2).await, b"hi");
}

async fn log_out(stage: &Stage, refresh: &str) {
    let reply = stage.post("/api/auth/token/blacklist/", &json!({ "refresh": refresh })).await;
    assert_eq!(reply.status, 200, "{reply:?}");
}

/// H2: what is missing must not look like the end.
#[tokio::test]
async fn a_download_is_reset_when_its_session_ends_and_its_neighbours_go_on() {
    let stage = stage("", "").await;
    let (other, _) = stage.log_in("alice").await;
    let mut client = H2Conn::open(stage.gateway.addr).await;
    let (kept, mut its_server) = open(&stage, &mut client, &other, CHUNKED).await;
    for (response, flows) in [(CHUNKED, false), (CHUNKED, true), (LENGTH, false)] {
        let (token, refresh) = stage.log_in("alice").await;
        let (stream, mut server) = open(&stage, &mut client, &token, response).await;
        log_out(&stage, &refresh).await;
        let since = Instant::now();
        if flows {
            server.write("6\r\nsecret\r\n").await;
        }
        let frame = client.next_of(stream).await.expect("closed without a word");
        assert_eq!(frame.kind, RST_STREAM, "{frame:?}");
        server.closed().await;
        assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    }
    passes(&mut client, kept, &mut its_server).await;
    drop((client, its_server));
    end(stage).await;
}

#[tokio::test]
async fn a_silent_event_stream_ends_properly_with_its_session() {
    let stage = stage("", "").await;
    let (token, refresh) = stage.log_in("alice").await;
    let mut client = H2Conn::open(stage.gateway.addr).await;
    let (stream, mut server) = open(&stage, &mut client, &token, EVENTS).await;
    passes(&mut client, stream, &mut server).await;
    log_out(&stage, &refresh).await;
    let since = Instant::now();
    let frame = client.next_of(stream).await.expect("closed without a word");
    assert_eq!((frame.kind, frame.flags), (DATA, END_STREAM), "{frame:?}");
    server.closed().await;
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    let bearer = format!("Bearer {token}");
    let mut again = get("/app/x");
    again.push(("authorization", &bearer));
    assert_eq!(client.ask(&again).await.status(), Some(401));
    drop(client);
    end(stage).await;
}

#[tokio::test]
async fn an_upload_on_a_stream_ends_with_its_session() {
    let stage = stage("", "").await;
    let (token, refresh) = stage.log_in("alice").await;
    let bearer = format!("Bearer {token}");
    let mut client = H2Conn::open(stage.gateway.addr).await;
    let mut fields = get("/app/x");
    fields[0].1 = "POST";
    fields.push(("authorization", &bearer));
    client.send(HEADERS, END_HEADERS, 1, &head(&fields)).await;
    client.send(DATA, 0, 1, b"hi").await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    assert_eq!(server.chunk().await, b"hi");
    log_out(&stage, &refresh).await;
    let since = Instant::now();
    assert_eq!(client.outcome(1).await.status(), Some(401));
    server.closed().await;
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    drop(client);
    end(stage).await;
}
