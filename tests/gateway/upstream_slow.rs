//! Upstreams that trickle, flood or never end: each wait is bounded, and so is what is held.

use std::time::{Duration, Instant};

use crate::common::{Act, Conn, Stage, Upstream};

const GET: &str = "GET /public/x HTTP/1.1\r\nHost: a.test\r\n\r\n";
const HINT: &str = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";

async fn by_hand() -> Stage {
    Stage::before(Upstream::by_hand().await, |policy| policy.upstream("timeout = \"400ms\"")).await
}

/// Sends the piece again and again until nobody takes it any more.
async fn trickle(mut server: Conn, piece: &str) {
    use tokio::io::AsyncWriteExt;
    server.head().await;
    while server.stream.write_all(piece.as_bytes()).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Neither bytes of a head nor heads of interim responses are an answer.
#[tokio::test]
async fn an_answer_that_trickles_gains_no_time() {
    for (first, piece) in [("HTTP/1.1 200 OK\r\nX-Up: ", "x"), ("", HINT)] {
        let stage = by_hand().await;
        let mut client = stage.connect().await;
        let since = Instant::now();
        client.write(GET).await;
        let mut server = stage.upstream.accept().await;
        server.write(first).await;
        let (reply, ()) = tokio::join!(client.reply(), trickle(server, piece));
        assert_eq!((reply.status, &reply.json()["code"]), (504, &"upstream_timeout".into()));
        assert!(since.elapsed() >= Duration::from_millis(390), "{:?}", since.elapsed());
        assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
        drop(client);
        stage.gateway.stop().await;
    }
}

/// Many reads of one interim head each are the same flood as one read of many.
#[tokio::test]
async fn interim_answers_are_bounded_however_they_come() {
    let stage = Stage::before(Upstream::by_hand().await, |policy| policy).await;
    let mut client = stage.connect().await;
    client.write(GET).await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    let flood = async {
        use tokio::io::AsyncWriteExt;
        let mut sent = 0;
        while server.stream.write_all(HINT.as_bytes()).await.is_ok() {
            sent += 1;
            assert!(sent < 100_000, "nobody stops it");
            tokio::task::yield_now().await;
        }
    };
    let (reply, ()) = tokio::join!(client.reply(), flood);
    assert_eq!((reply.status, &reply.json()["code"]), (502, &"upstream_failed".into()));
    drop((client, server));
    stage.gateway.stop().await;
}

/// The bound is that of one response, not of a connection.
#[tokio::test]
async fn a_few_interim_answers_to_each_request_do_no_harm() {
    let upstream = Upstream::scripted(|_| {
        Act::answer(format!("{}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", HINT.repeat(500)))
    })
    .await;
    let stage = Stage::before(upstream, |policy| policy).await;
    let mut client = stage.connect().await;
    for _ in 0..10 {
        assert_eq!(client.ask(GET).await.text(), "ok");
    }
    drop(client);
    let seen = stage.finish().await;
    assert!(seen.iter().all(|request| request.connection == 0), "{seen:#?}");
}

#[tokio::test]
async fn an_answers_head_has_bounds() {
    let upstream = Upstream::scripted(|seen| {
        let fields = match seen.target() {
            "/public/many" => "X-Up: y\r\n".repeat(5000),
            "/public/long" => format!("X-Up: {}\r\n", "y".repeat(1 << 20)),
            "/public/name" => format!("{}: y\r\n", "y".repeat(1 << 20)),
            "/public/endless" => "y".repeat(1 << 20),
            _ => String::new(),
        };
        Act::AnswerAndClose(
            format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\nok").into(),
        )
    })
    .await;
    let stage = Stage::before(upstream, |policy| policy).await;
    for target in ["many", "long", "name", "endless"] {
        let reply = stage.get(&format!("/public/{target}"), "").await;
        assert_eq!(reply.status, 502, "{target}: {reply:?}");
        assert_eq!(stage.send(GET).await.status, 200, "after {target}");
    }
    stage.finish().await;
}

/// A chunk that does not begin is no reason to hold more and more of what should be its size.
#[tokio::test]
async fn a_chunk_size_without_end_breaks_the_answer_off() {
    let stage = Stage::before(Upstream::by_hand().await, |policy| policy).await;
    let mut client = stage.connect().await;
    client.write(GET).await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    server.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1;").await;
    let flood = async {
        use tokio::io::AsyncWriteExt;
        let piece = [b'x'; 4096];
        let mut sent = 0;
        while server.stream.write_all(&piece).await.is_ok() {
            sent += piece.len();
            assert!(sent < 64 << 20, "nobody stops it");
        }
    };
    let (reply, ()) = tokio::join!(client.reply(), flood);
    assert_eq!((reply.status, reply.complete), (200, false), "{reply:?}");
    drop((client, server));
    stage.gateway.stop().await;
}
