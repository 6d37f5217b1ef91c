//! Answers that come before the end of their request: the upload goes on beside them, and no
//! longer than it should.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::{Conn, Stage, Upstream};

const GET: &str = "GET /public/next HTTP/1.1\r\nHost: a.test\r\n\r\n";
const DONE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
/// More than the buffers between two ends hold.
const MUCH: usize = 8 << 20;

async fn stage(keys: &str) -> Stage {
    let keys = format!("in_flight = 1, queue = 0, {keys}");
    Stage::before(Upstream::by_hand().await, |policy| policy.upstream(&keys)).await
}

/// A large upload of which the upstream has read no more than the head, answered with this: the
/// client and the upstream's connection.
async fn answered(stage: &Stage, answer: &str) -> (Conn, Conn) {
    let mut client = stage.connect().await;
    let head = format!("POST /public/x HTTP/1.1\r\nHost: a.test\r\nContent-Length: {MUCH}\r\n\r\n");
    client.write(head).await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    server.write(answer).await;
    assert_eq!(client.reply_head().await.status, 200);
    // Until nobody takes any more.
    let piece = vec![b'x'; 64 << 10];
    let full = async {
        loop {
            tokio::select! {
                _ = client.stream.writable() => drop(client.stream.try_write(&piece)),
                () = tokio::time::sleep(Duration::from_millis(300)) => return,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), full).await.expect("somebody takes it all");
    (client, server)
}

/// The place of the upload is free: the next request is let in and answered.
async fn next_is_let_in(stage: &Stage) {
    let upstream = async {
        let mut fresh = stage.upstream.accept().await;
        fresh.head().await;
        fresh.write(DONE).await;
        fresh
    };
    let asked = async {
        loop {
            match stage.send(GET).await.status {
                503 => tokio::task::yield_now().await,
                status => break status,
            }
        }
    };
    let both = async { tokio::join!(upstream, asked).1 };
    let status = tokio::time::timeout(Duration::from_secs(5), both).await;
    assert_eq!(status.expect("its place is lost"), 200);
}

async fn end(stage: Stage) {
    stage.gateway.stop().await;
    stage.upstream.expect_nobody();
}

#[tokio::test]
async fn an_upload_that_nobody_takes_ends_with_the_client_of_its_answer() {
    let stage = stage("timeout = \"60s\"").await;
    let (client, mut server) = answered(&stage, CHUNKED).await;
    assert_eq!(stage.send(GET).await.status, 503, "the upload is still under way");
    drop(client);
    // What comes for the client finds nobody there.
    let pieces = async {
        loop {
            server.write("2\r\nhi\r\n").await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        () = pieces => {}
        () = next_is_let_in(&stage) => {}
    }
    drop(server);
    end(stage).await;
}

#[tokio::test]
async fn an_upload_that_nobody_takes_after_its_answer_has_a_deadline() {
    let stage = stage("timeout = \"500ms\"").await;
    let (client, server) = answered(&stage, DONE).await;
    next_is_let_in(&stage).await;
    drop((client, server));
    end(stage).await;
}

#[tokio::test]
async fn an_upload_ends_with_the_right_of_its_caller_though_its_answer_is_whole() {
    let stage = Stage::before(Upstream::by_hand().await, |policy| policy).await;
    let (token, refresh) = stage.log_in("alice").await;
    let mut client = stage.connect().await;
    client
        .write(format!(
            "POST /app/x HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer {token}\r\n\
             Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n"
        ))
        .await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    assert_eq!(server.chunk().await, b"hi");
    server.write(DONE).await;
    assert_eq!(client.reply().await.status, 200);
    client.write("4\r\nmore\r\n").await;
    assert_eq!(server.chunk().await, b"more");
    let reply = stage.post("/api/auth/token/blacklist/", &json!({ "refresh": refresh })).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let since = Instant::now();
    server.closed().await;
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    drop(client);
    end(stage).await;
}
