//! Answers of servers in HTTP/2 that come before the end of their request: the upload goes on
//! beside them, and no longer than it should.

use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};
use http::Response;
use serde_json::json;

use crate::common::h2_upstream::H2Server;
use crate::common::{Conn, Policy, Setup, Stage, Upstream, soon};

/// More than a server's window and the buffers before it hold.
const MUCH: usize = 8 << 20;

/// A gateway before that server, with a place for one request.
async fn stage(server: &H2Server, keys: &str) -> Stage {
    let keys = format!("h2 = true, in_flight = 1, queue = 0{keys}");
    let policy = Policy::at(&format!("http://{}", server.addr))
        .upstream(&keys)
        .and("[routes.\"/public/idle/*\"]\nto = \"up\"\nallow = \"anyone\"\nidle = \"500ms\"\n");
    Stage::of(Upstream::start().await, Setup::new(&policy)).await
}

/// A large upload of which the server takes no more than its window, answered with a head.
async fn answered(
    stage: &Stage,
    server: &mut H2Server,
    path: &str,
    fields: &str,
) -> (Conn, SendStream<Bytes>, RecvStream) {
    let mut client = stage.connect().await;
    client
        .write(format!(
            "POST {path} HTTP/1.1\r\nHost: a.test\r\n{fields}Content-Length: {MUCH}\r\n\r\n"
        ))
        .await;
    let asked = server.next().await;
    let (mut respond, body) = (asked.respond, asked.body);
    let out = respond.send_response(Response::new(()), false).unwrap();
    assert_eq!(client.reply_head().await.status, 200);
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
    (client, out, body)
}

/// The upload is over before its end, and so is its stream.
async fn is_reset(mut body: RecvStream) {
    let ended = async {
        loop {
            // What is held back of the window keeps the upload stuck.
            match body.data().await {
                Some(Ok(_)) => {}
                other => return other,
            }
        }
    };
    let ended = soon("the end of the upload", ended).await.expect("a proper end");
    assert_eq!(ended.unwrap_err().reason(), Some(Reason::CANCEL));
}

/// The place of the upload is free: the next request is let in and answered.
async fn next_is_let_in(stage: &Stage, server: &mut H2Server) {
    let asked = async {
        loop {
            match stage.get("/public/next", "").await.status {
                503 => tokio::task::yield_now().await,
                status => break status,
            }
        }
    };
    let answered = async { server.next().await.ok("ok") };
    let both = async { tokio::join!(answered, asked).1 };
    assert_eq!(soon("its place", both).await, 200);
}

#[tokio::test]
async fn an_upload_that_nobody_takes_ends_with_the_client_of_its_answer() {
    let mut server = H2Server::start().await;
    let stage = stage(&server, ", timeout = \"60s\"").await;
    let (client, mut out, body) = answered(&stage, &mut server, "/public/x", "").await;
    assert_eq!(stage.get("/public/x", "").await.status, 503, "the upload is still under way");
    drop(client);
    // What comes for the client finds nobody there.
    let pieces = async {
        while out.send_data(Bytes::from_static(b"hi"), false).is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::join!(pieces, is_reset(body));
    next_is_let_in(&stage, &mut server).await;
    stage.finish_untouched().await;
}

#[tokio::test]
async fn an_upload_that_nobody_takes_after_its_answer_has_a_deadline() {
    let mut server = H2Server::start().await;
    let stage = stage(&server, ", timeout = \"500ms\"").await;
    let (client, mut out, body) = answered(&stage, &mut server, "/public/x", "").await;
    out.send_data(Bytes::from_static(b"done"), true).unwrap();
    is_reset(body).await;
    next_is_let_in(&stage, &mut server).await;
    drop(client);
    stage.finish_untouched().await;
}

/// Of a request whose answer broke off nobody needs the rest.
#[tokio::test]
async fn an_upload_ends_with_an_answer_that_falls_silent() {
    let mut server = H2Server::start().await;
    let stage = stage(&server, ", timeout = \"60s\"").await;
    let (mut client, out, body) = answered(&stage, &mut server, "/public/idle/x", "").await;
    is_reset(body).await;
    next_is_let_in(&stage, &mut server).await;
    let rest = client.rest().await;
    assert!(!rest.ends_with(b"0\r\n\r\n"), "it looks whole");
    drop(out);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn an_upload_ends_with_the_right_of_its_caller_though_its_answer_is_whole() {
    let mut server = H2Server::start().await;
    let stage = stage(&server, ", timeout = \"60s\"").await;
    let (token, refresh) = stage.log_in("alice").await;
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let (client, mut out, body) = answered(&stage, &mut server, "/app/x", &bearer).await;
    out.send_data(Bytes::from_static(b"done"), true).unwrap();
    let reply = stage.post("/api/auth/token/blacklist/", &json!({ "refresh": refresh })).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let since = Instant::now();
    is_reset(body).await;
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    drop(client);
    stage.finish_untouched().await;
}
