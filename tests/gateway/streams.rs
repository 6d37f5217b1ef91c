//! Bodies pass piece by piece, either way, and nobody holds more of them than a few pieces.

use std::time::Duration;

use crate::common::{Conn, Stage, Upstream};

const GET: &str = "GET /public/x HTTP/1.1\r\nHost: a.test\r\n\r\n";
const POST: &str = "POST /public/x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A gateway before an upstream by hand, with short deadlines.
async fn by_hand() -> Stage {
    let upstream = Upstream::by_hand().await;
    Stage::before(upstream, |policy| {
        policy
            .upstream("timeout = \"200ms\"")
            .and("[limits]\nidle_timeout = \"300ms\"\nhead_timeout = \"300ms\"\n")
    })
    .await
}

/// Ends a test by hand: whoever is given goes first, so that nothing has to be drained.
async fn end(stage: Stage, client: Conn, server: Conn) {
    drop((client, server));
    stage.gateway.stop().await;
    stage.upstream.expect_nobody();
}

#[tokio::test]
async fn a_piece_of_a_response_arrives_before_the_next_is_sent() {
    let stage = by_hand().await;
    let mut client = stage.connect().await;
    client.write(GET).await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    server.write(CHUNKED).await;
    // The head alone, already.
    assert_eq!(client.reply_head().await.status, 200);
    for piece in ["one", "two", "three"] {
        server.write(format!("{:x}\r\n{piece}\r\n", piece.len())).await;
        assert_eq!(client.chunk().await, piece.as_bytes());
    }
    server.write("0\r\n\r\n").await;
    assert_eq!(client.chunk().await, b"");
    end(stage, client, server).await;
}

#[tokio::test]
async fn a_piece_of_a_request_arrives_before_the_next_is_sent() {
    let stage = by_hand().await;
    let mut client = stage.connect().await;
    client.write(POST).await;
    let mut server = stage.upstream.accept().await;
    let head = server.head().await;
    assert!(head.to_ascii_lowercase().contains("transfer-encoding: chunked"), "{head}");
    for piece in ["one", "two", "three"] {
        client.write(format!("{:x}\r\n{piece}\r\n", piece.len())).await;
        assert_eq!(server.chunk().await, piece.as_bytes());
    }
    client.write("0\r\n\r\n").await;
    assert_eq!(server.chunk().await, b"");
    server.write(OK).await;
    assert_eq!(client.reply().await.text(), "ok");
    end(stage, client, server).await;
}

#[tokio::test]
async fn both_directions_run_at_once() {
    let stage = by_hand().await;
    let mut client = stage.connect().await;
    client.write(POST).await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    server.write(CHUNKED).await;
    assert_eq!(client.reply_head().await.status, 200);
    for number in 0..5 {
        client.write(format!("1\r\n{number}\r\n")).await;
        let piece = server.chunk().await;
        server.write([b"1\r\n", piece.as_slice(), b"\r\n"].concat()).await;
        assert_eq!(client.chunk().await, number.to_string().as_bytes());
    }
    client.write("0\r\n\r\n").await;
    assert_eq!(server.chunk().await, b"");
    server.write("0\r\n\r\n").await;
    assert_eq!(client.chunk().await, b"");
    end(stage, client, server).await;
}

/// The deadlines are about heads and about waiting connections, not about bodies.
#[tokio::test]
async fn a_slow_body_outlives_every_deadline_of_a_head() {
    let stage = by_hand().await;
    let mut client = stage.connect().await;
    client.write(POST).await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    // Longer than the upstream's timeout, which counts from the last byte sent to it.
    tokio::time::sleep(Duration::from_millis(350)).await;
    client.write("2\r\nhi\r\n0\r\n\r\n").await;
    assert_eq!((server.chunk().await, server.chunk().await), (b"hi".to_vec(), Vec::new()));
    server.write(CHUNKED).await;
    assert_eq!(client.reply_head().await.status, 200);
    tokio::time::sleep(Duration::from_millis(350)).await;
    server.write("2\r\nok\r\n0\r\n\r\n").await;
    assert_eq!((client.chunk().await, client.chunk().await), (b"ok".to_vec(), Vec::new()));
    end(stage, client, server).await;
}

#[tokio::test]
async fn an_upstream_that_takes_a_body_and_says_nothing_is_504() {
    let stage = by_hand().await;
    let mut client = stage.connect().await;
    client.write(format!("{POST}2\r\nhi\r\n0\r\n\r\n")).await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    assert_eq!(client.reply().await.status, 504);
    // Nobody waits for it any more.
    assert_eq!(server.rest().await, b"2\r\nhi\r\n0\r\n\r\n");
    end(stage, client, server).await;
}

/// UP-cancel.
#[tokio::test]
async fn a_client_that_goes_away_takes_its_upstream_connection_along() {
    let stage = by_hand().await;
    for (request, answer) in [
        (GET, ""),
        (GET, CHUNKED),
        (GET, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"),
        (POST, ""),
    ] {
        let mut client = stage.connect().await;
        client.write(request).await;
        let mut server = stage.upstream.accept().await;
        server.head().await;
        if !answer.is_empty() {
            server.write(answer).await;
            assert_eq!(client.reply_head().await.status, 200);
        }
        drop(client);
        server.closed().await;
    }
    stage.gateway.stop().await;
    stage.upstream.expect_nobody();
}

#[tokio::test]
async fn an_upstream_that_answers_early_is_heard_at_once() {
    let stage = by_hand().await;
    let mut client = stage.connect().await;
    client.write(format!("{POST}2\r\nhi\r\n")).await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    server
        .write("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        .await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.text().as_str()), (403, "no"));
    end(stage, client, server).await;
}

/// Writes until nobody takes any more for a while; returns how much was taken.
async fn fill(conn: &mut Conn, most: usize) -> usize {
    use tokio::io::AsyncWriteExt;
    let piece = vec![b'x'; 64 << 10];
    let mut taken = 0;
    while taken < most {
        let writing = conn.stream.write(&piece);
        match tokio::time::timeout(Duration::from_millis(250), writing).await {
            Ok(count) => taken += count.expect("closed"),
            Err(_stuck) => break,
        }
    }
    taken
}

/// What sockets on both sides may hold, and no more: much less than is offered.
const OFFERED: usize = 256 << 20;
const HELD: usize = 64 << 20;

/// RES-slow-read.
#[tokio::test]
async fn a_reader_that_does_not_read_stops_the_upstream_and_is_given_up() {
    let upstream = Upstream::by_hand().await;
    let limits = "[limits]\nidle_timeout = \"1s\"\n";
    let stage = Stage::before(upstream, |policy| policy.and(limits)).await;
    let mut client = stage.connect().await;
    client.write(GET).await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    server.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 2 * OFFERED)).await;
    let taken = fill(&mut server, OFFERED).await;
    assert!(taken < HELD, "{taken} bytes for a client that reads nothing");
    // Others are served meanwhile, and the stuck one does not last.
    assert_eq!(stage.get("/nothing", "").await.status, 404);
    server.rest().await;
    drop(client);
    stage.gateway.stop().await;
}

#[tokio::test]
async fn an_upstream_that_does_not_read_stops_the_client() {
    let upstream = Upstream::by_hand().await;
    let route = "[routes.\"/public/large/*\"]\nto = \"up\"\nallow = \"anyone\"\nbody = \"10GB\"\n";
    let stage = Stage::before(upstream, |policy| policy.and(route)).await;
    let mut client = stage.connect().await;
    client
        .write(format!(
            "POST /public/large/x HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n",
            2 * OFFERED
        ))
        .await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    let taken = fill(&mut client, OFFERED).await;
    assert!(taken < HELD, "{taken} bytes for an upstream that reads nothing");
    drop(client);
    // What was on its way may still come; the end comes after it, and is no proper one.
    let rest = server.rest().await;
    assert!(rest.len() < 2 * OFFERED);
    stage.gateway.stop().await;
}
