//! The windows of HTTP/2: one stream that is stuck leaves room for the others of its connection.

use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use h2::SendStream;
use http::Request;
use tokio::net::TcpStream;

use crate::common::{Stage, Upstream, soon};

/// More than the buffers between two ends hold.
const MUCH: usize = 64 << 20;
const ROUTE: &str =
    "[routes.\"/public/large/*\"]\nto = \"up\"\nallow = \"anyone\"\nbody = \"1GB\"\n";

/// Sends as much as there is room for, until there has been none for a while; how much that was.
async fn fill(stream: &mut SendStream<Bytes>) -> usize {
    let mut sent = 0;
    while sent < MUCH {
        stream.reserve_capacity(MUCH);
        let room = poll_fn(|cx| stream.poll_capacity(cx));
        let Ok(room) = tokio::time::timeout(Duration::from_millis(500), room).await else {
            stream.reserve_capacity(0);
            return sent;
        };
        let room = room.expect("reset").expect("closed");
        stream.send_data(Bytes::from(vec![b'x'; room]), false).unwrap();
        sent += room;
    }
    panic!("somebody takes all of it");
}

/// Sends so much, and the end.
async fn send(stream: &mut SendStream<Bytes>, mut left: usize) {
    while left > 0 {
        stream.reserve_capacity(left);
        let room = soon("room", poll_fn(|cx| stream.poll_capacity(cx))).await;
        let room = room.expect("reset").expect("closed").min(left);
        left -= room;
        stream.send_data(Bytes::from(vec![b'y'; room]), left == 0).unwrap();
    }
}

#[tokio::test]
async fn an_upload_that_is_stuck_leaves_the_others_of_its_connection_room() {
    const REST: usize = 2 << 20;
    let stage = Stage::before(Upstream::by_hand().await, |policy| policy.and(ROUTE)).await;
    let stream = TcpStream::connect(stage.gateway.addr).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let post = || Request::post("http://a.test/public/large/x").body(()).unwrap();
    let (_stuck, mut body) = client.send_request(post(), false).unwrap();
    let mut deaf = stage.upstream.accept().await;
    deaf.head().await;
    fill(&mut body).await;
    // More than the whole window of the connection.
    let (answer, mut other) = client.send_request(post(), false).unwrap();
    let mut server = stage.upstream.accept().await;
    server.head().await;
    let reading = async {
        let mut read = 0;
        while read < REST {
            read += server.chunk().await.len();
        }
        assert_eq!((read, server.chunk().await.len()), (REST, 0));
        server.write("HTTP/1.1 204 No Content\r\n\r\n").await;
    };
    tokio::join!(send(&mut other, REST), reading);
    assert_eq!(soon("an answer", answer).await.unwrap().status(), 204);
    drop((client, body, other, deaf, server));
    stage.gateway.stop().await;
    stage.upstream.expect_nobody();
}
