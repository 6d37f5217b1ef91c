//! Clients that go away while the gateway reads nothing of them: what they asked for ends with
//! them.

use std::time::{Duration, Instant};

use super::websocket::{bearer, end, handshake, stage};
use crate::common::{Conn, Stage};

const EVENTS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                      Transfer-Encoding: chunked\r\n\r\n";

/// Its client goes, rudely or not, and the upstream's connection is closed within a second.
async fn ends_with(client: Conn, mut server: Conn, rude: bool, what: &str) {
    if rude {
        client.stream.set_zero_linger().unwrap();
    }
    let since = Instant::now();
    drop(client);
    server.closed().await;
    assert!(since.elapsed() < Duration::from_secs(1), "{what}: {:?}", since.elapsed());
}

/// A request of alice's that its upstream does not answer to the end.
async fn asked(stage: &Stage, head: Option<&str>) -> (Conn, Conn) {
    let mut client = stage.connect().await;
    let request = format!("GET /app/x HTTP/1.1\r\nHost: a.test\r\n{}\r\n", bearer(&stage.token));
    client.write(request).await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    if let Some(head) = head {
        server.write(head).await;
        assert_eq!(client.reply_head().await.status, 200);
    }
    (client, server)
}

/// UP-cancel, where the next requests are here already.
#[tokio::test]
async fn a_client_that_sent_more_and_goes_away_is_noticed() {
    let stage = stage("", "").await;
    let next = "GET /nothing HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let many = next.repeat(1000);
    for (what, more) in [
        ("a request", next),
        ("half a request", "GET /nothing HT"),
        ("many requests", many.as_str()),
        ("no request", "\0\0\0\0"),
        ("a handshake", "GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n\0\0"),
    ] {
        for head in [Some(EVENTS), None] {
            for rude in [false, true] {
                let (mut client, server) = asked(&stage, head).await;
                client.write(more).await;
                ends_with(client, server, rude, what).await;
            }
        }
    }
    end(stage).await;
}

#[tokio::test]
async fn a_client_that_sent_frames_before_the_101_and_goes_away_is_noticed() {
    let stage = stage("", "").await;
    for length in [10, 60_000] {
        for rude in [false, true] {
            let mut client = stage.connect().await;
            client.write(handshake("/ws/x", &bearer(&stage.token))).await;
            client.write(vec![0x82; length]).await;
            let mut server = stage.upstream.accept().await;
            server.head().await;
            ends_with(client, server, rude, &format!("{length} bytes")).await;
        }
    }
    end(stage).await;
}

/// Nobody is taken for gone who is only ahead.
#[tokio::test]
async fn a_client_that_sent_more_and_waits_gets_all_its_answers() {
    let stage = stage("", "").await;
    let (mut client, mut server) = asked(&stage, None).await;
    client.write("GET /nothing HTTP/1.1\r\nHost: a.test\r\n\r\n".repeat(3)).await;
    // Longer than it takes until somebody looks.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    server.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(client.reply().await.text(), "ok");
    for _ in 0..3 {
        assert_eq!(client.reply().await.status, 404);
    }
    drop((client, server));
    end(stage).await;
}
