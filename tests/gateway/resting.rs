//! Kept connections that rest, without the buffers that a request takes.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::tls::{Pair, connect};
use crate::common::{Act, Policy, Setup, Stage, Upstream, soon};

const GET: &str = "GET /public/x HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// Longer than a connection keeps its buffers.
async fn rest() {
    tokio::time::sleep(Duration::from_millis(700)).await;
}

async fn echoing(more: &str) -> Stage {
    let upstream = Upstream::scripted(|seen| {
        let body = String::from_utf8_lossy(&seen.body);
        Act::ok(&format!("{} {body}", seen.target()))
    });
    Stage::before(upstream.await, |policy| policy.and(more)).await
}

#[tokio::test]
async fn a_connection_that_rested_serves_on() {
    let stage = echoing("").await;
    let mut client = stage.connect().await;
    for _ in 0..2 {
        assert_eq!(client.ask(GET).await.text(), "/public/x ");
        rest().await;
        // However the next head comes, and with whatever behind it.
        for byte in GET.bytes() {
            client.write([byte]).await;
        }
        assert_eq!(client.reply().await.text(), "/public/x ");
        rest().await;
        client
            .write(format!(
                "POST /public/y HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello{GET}"
            ))
            .await;
        assert_eq!(client.reply().await.text(), "/public/y hello");
        assert_eq!(client.reply().await.text(), "/public/x ");
        rest().await;
        let long = format!("X: {}\r\n\r\n", "y".repeat(20_000));
        let reply = client.ask(GET.replace("\r\n\r\n", &format!("\r\n{long}"))).await;
        assert_eq!(reply.text(), "/public/x ");
        rest().await;
    }
    // And judges what comes.
    let reply = client.ask("GET /public/x HTTP/1.1\r\nHost: a.test\r\nX: y\nZ: 1\r\n\r\n").await;
    assert_eq!((reply.status, reply.one("connection")), (400, "close"));
    client.closed().await;
    assert_eq!(stage.finish().await.len(), 10);
}

#[tokio::test]
async fn a_connection_that_rests_has_the_same_deadlines() {
    let stage = echoing("[limits]\nidle_timeout = \"1200ms\"\nhead_timeout = \"300ms\"\n").await;
    let (mut silent, mut slow) = (stage.connect().await, stage.connect().await);
    assert_eq!(slow.ask(GET).await.status, 200);
    assert_eq!(silent.ask(GET).await.status, 200);
    let since = Instant::now();
    rest().await;
    let begun = Instant::now();
    slow.write("GET /pub").await;
    slow.rest().await;
    assert!(begun.elapsed() >= Duration::from_millis(290), "{:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    silent.closed().await;
    assert!(since.elapsed() >= Duration::from_millis(1100), "{:?}", since.elapsed());
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
    stage.finish().await;
}

#[tokio::test]
async fn the_drain_closes_connections_that_rest() {
    let stage = echoing("").await;
    let mut client = stage.connect().await;
    assert_eq!(client.ask(GET).await.status, 200);
    rest().await;
    let since = Instant::now();
    stage.finish().await;
    assert!(since.elapsed() < Duration::from_secs(3));
    client.closed().await;
}

#[tokio::test]
async fn a_connection_over_tls_rests_too() {
    let pair = Pair::new(&["a.test"]);
    let upstream = Upstream::start().await;
    let listen = "listen = [{ addr = \"127.0.0.1:0\", tls = true }]\nworkers = 1\n";
    let files = "[tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n";
    let policy = Policy::to(&upstream).top(listen).and(files);
    let setup = Setup::new(&policy).file("cert.pem", &pair.cert).file("key.pem", &pair.key);
    let stage = Stage::of(upstream, setup.binds()).await;
    let client = pair.client(&["http/1.1"]);
    let mut stream = connect(stage.gateway.addr, "a.test", client).await.unwrap();
    for _ in 0..3 {
        stream.write_all(GET.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\nok") {
            assert_ne!(soon("an answer", stream.read_buf(&mut answer)).await.unwrap(), 0);
        }
        rest().await;
    }
    drop(stream);
    assert_eq!(stage.finish().await.len(), 3);
}

/// Its connection only seems to rest.
#[tokio::test]
async fn an_upload_that_was_answered_early_goes_on() {
    let stage = Stage::before(Upstream::by_hand().await, |policy| policy).await;
    let mut client = stage.connect().await;
    client
        .write("POST /public/x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhalf.")
        .await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    assert_eq!(server.exactly(5).await, b"half.");
    server.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(client.reply().await.status, 200);
    rest().await;
    client.write("whole").await;
    assert_eq!(server.exactly(5).await, b"whole");
    drop((client, server));
    stage.gateway.stop().await;
}
