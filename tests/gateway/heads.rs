//! What is no request is answered as one that is refused, and reaches nobody.

use std::collections::HashSet;

use crate::common::{Reply, Stage, Upstream};

const GET: &str = "GET /public/x HTTP/1.1\r\nHost: a.test\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// A bare LF: forwarded as it is, one server would see two fields and another one.
const BAD: &str = "GET /public/bad HTTP/1.1\r\nHost: a.test\r\nX: y\nZ: 1\r\n\r\n";

fn is_refusal(reply: &Reply, status: u16, code: &str) {
    assert_eq!(reply.status, status, "{reply:?}");
    assert_eq!(reply.json()["code"], code, "{reply:?}");
    assert!(!reply.json()["detail"].as_str().unwrap_or_default().is_empty(), "{reply:?}");
    for (name, value) in [
        ("content-type", "application/json"),
        ("connection", "close"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(reply.one(name), value, "{reply:?}");
    }
    assert_eq!(reply.one("x-request-id").len(), 32, "{reply:?}");
}

#[tokio::test]
async fn what_is_no_request_is_told_so_and_closed() {
    let limits = "[limits]\ntarget = \"4KiB\"\nhead = \"8KiB\"\nheaders = 20\n";
    let stage = Stage::with(|policy| policy.and(limits)).await;
    let with = |fields: &str| format!("GET /public/x HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n");
    let mut ids = HashSet::new();
    for (request, status, code) in [
        (BAD.to_owned(), 400, "malformed"),
        ("\x16\x03\x01\x02\0\x01\0\x01\x03\x03".to_owned(), 400, "malformed"),
        ("PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n".to_owned(), 400, "malformed"),
        (with("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), 400, "bad_framing"),
        ("GET /a#b HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned(), 400, "bad_target"),
        ("GET /a<b HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned(), 400, "bad_target"),
        (with(&"X: y\r\n".repeat(20)), 431, "too_many_fields"),
        (with(&format!("X: {}\r\n", "y".repeat(8192))), 431, "head_too_large"),
    ] {
        let mut client = stage.connect().await;
        let reply = client.ask(&request).await;
        is_refusal(&reply, status, code);
        assert!(ids.insert(reply.one("x-request-id").to_owned()), "an id was used twice");
        client.closed().await;
        // Without an end that ever came, too: nobody waits for it.
        let mut client = stage.connect().await;
        client.write(GET).await;
        client.write(&request).await;
        assert_eq!(client.reply().await.status, 200);
        is_refusal(&client.reply().await, status, code);
        client.closed().await;
    }
    let seen = stage.finish().await;
    assert_eq!(seen.len(), 8, "{seen:#?}");
}

#[tokio::test]
async fn requests_before_one_that_is_none_are_answered() {
    let stage = Stage::before(Upstream::by_hand().await, |policy| policy).await;
    let mut client = stage.connect().await;
    client.write(format!("{GET}{GET}{BAD}{GET}")).await;
    let mut server = stage.upstream.accept().await;
    for _ in 0..2 {
        // While it runs, what comes behind it is no reason to give it up.
        server.head().await;
        client.write("more of what is nobody's").await;
        server.write(OK).await;
        assert_eq!(client.reply().await.text(), "ok");
    }
    is_refusal(&client.reply().await, 400, "malformed");
    client.closed().await;
    stage.gateway.stop().await;
    drop(server);
    stage.upstream.expect_nobody();
}

#[tokio::test]
async fn it_makes_no_difference_how_the_bytes_come() {
    let stage = Stage::start().await;
    let good = "POST /public/x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n\
                5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nX: y\r\n\r\n";
    let all = format!("{good}{GET}{BAD}{GET}");
    for cut in (0..all.len()).step_by(3) {
        let mut client = stage.connect().await;
        client.write(&all[..cut]).await;
        tokio::task::yield_now().await;
        client.write(&all[cut..]).await;
        assert_eq!(client.reply().await.status, 200, "cut at {cut}");
        assert_eq!(client.reply().await.status, 200, "cut at {cut}");
        is_refusal(&client.reply().await, 400, "malformed");
        client.closed().await;
    }
    let mut client = stage.connect().await;
    for byte in good.bytes() {
        client.write([byte]).await;
    }
    assert_eq!(client.reply().await.status, 200);
    drop(client);
    let seen = stage.finish().await;
    for request in &seen {
        let whole = if request.line.starts_with("POST") { "hello!" } else { "" };
        assert_eq!((request.target(), request.body.as_slice()), ("/public/x", whole.as_bytes()));
    }
}

#[tokio::test]
async fn a_body_whose_framing_breaks_never_looks_whole() {
    let stage = Stage::start().await;
    for broken in ["0\r\nX : y\r\n\r\n", "0\n\n", "5\r\nhello!\r\n0\r\n\r\n", "0 \r\n\r\n"] {
        let mut client = stage.connect().await;
        client
            .write(
                "POST /public/x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n\
                 5\r\nhello\r\n",
            )
            .await;
        client.write(format!("{broken}{GET}")).await;
        is_refusal(&client.reply().await, 400, "body_incomplete");
        client.closed().await;
    }
    let seen = stage.finish().await;
    assert!(seen.iter().all(|request| !request.complete), "{seen:#?}");
}

#[tokio::test]
async fn what_follows_a_handshake_that_failed_is_judged() {
    let stage = Stage::start().await;
    let upgrade = "GET /public/x HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\n\
                   Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    for bytes in ["\u{1}\u{5}hello", BAD] {
        let mut client = stage.connect().await;
        client.write(format!("{upgrade}{bytes}")).await;
        assert_eq!(client.reply().await.status, 200);
        is_refusal(&client.reply().await, 400, "malformed");
        client.closed().await;
    }
    // More than anybody keeps for a protocol that was not agreed on: read when it is HTTP.
    let mut client = stage.connect().await;
    client.write(format!("{upgrade}{}", GET.repeat(1000))).await;
    for _ in 0..1001 {
        assert_eq!(client.reply().await.status, 200);
    }
    drop(client);
    assert_eq!(stage.finish().await.len(), 1003);
}

/// A socket that is closed over unread bytes is reset, and its last words are lost.
#[tokio::test]
async fn a_client_that_goes_on_sending_reads_its_refusal() {
    let stage = Stage::start().await;
    let junk = "x".repeat(400_000);
    for _ in 0..10 {
        let reply = stage.send(format!("{BAD}{junk}")).await;
        is_refusal(&reply, 400, "malformed");
        let refused = format!(
            "POST /app/x HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n{junk}",
            junk.len()
        );
        let reply = stage.send(refused).await;
        assert_eq!((reply.status, reply.complete), (401, true), "{reply:?}");
    }
    stage.finish_untouched().await;
}

#[tokio::test]
async fn a_client_that_never_stops_is_not_listened_to_for_long() {
    let stage = Stage::start().await;
    let mut client = stage.connect().await;
    client.write(BAD).await;
    is_refusal(&client.reply().await, 400, "malformed");
    let (reader, mut writer) = client.stream.into_split();
    let sending = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        while writer.write_all(b"more").await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    crate::common::soon("the end of the connection", sending).await.unwrap();
    drop(reader);
    stage.finish_untouched().await;
}
