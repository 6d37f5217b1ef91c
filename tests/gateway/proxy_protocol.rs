//! A load balancer says who its clients are, if it may.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::tls::Pair;
use crate::common::{Conn, Policy, Setup, Stage, Upstream, soon};

const GET: &str = "GET /public/x HTTP/1.1\r\nHost: a.test\r\n";
const TCP4: &[u8] = b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 8443\r\n";

/// Behind a load balancer at `trust`.
async fn behind(trust: &str, more: &str) -> Stage {
    let upstream = Upstream::start().await;
    let top = format!(
        "listen = [{{ addr = \"127.0.0.1:0\", proxy_protocol = true }}]\ntrust = [{trust}]\n\
         workers = 1\n"
    );
    let policy = Policy::to(&upstream).top(&top).and(more);
    Stage::of(upstream, Setup::new(&policy).binds()).await
}

/// Version 2 about 192.0.2.7, 10.0.0.1, 50000 and 8443, with an extension.
fn v2(command: u8) -> Vec<u8> {
    let ends = [192, 0, 2, 7, 10, 0, 0, 1, 0xc3, 0x50, 0x20, 0xfb, 0x04, 0, 1, b'x'];
    let start = [b"\r\n\r\n\0\r\nQUIT\n".as_slice(), &[command, 0x11, 0, 16]];
    [start.concat().as_slice(), &ends].concat()
}

#[tokio::test]
async fn the_client_is_who_the_load_balancer_says() {
    let from = "[routes.\"/public/near/*\"]\nto = \"up\"\nallow = \"anyone\"\n\
                from = [\"192.0.2.0/24\"]\n";
    let stage = behind("\"127.0.0.1\"", from).await;
    for header in [TCP4.to_vec(), v2(0x21)] {
        let mut client = stage.connect().await;
        // In pieces: nothing but the header is read for one.
        for byte in &header {
            client.write([*byte]).await;
        }
        // What the client says of itself counts no more than without a load balancer.
        let lies = "X-Forwarded-For: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\nX-Real-IP: 1.1.1.1\r\n";
        assert_eq!(client.ask(format!("{GET}{lies}\r\n")).await.status, 200);
        // As long as the connection lasts, and for access rules.
        let near = GET.replace("/x ", "/near/x ");
        assert_eq!(client.ask(format!("{near}\r\n")).await.status, 200);
    }
    let seen = stage.finish().await;
    assert_eq!(seen.len(), 4);
    for request in seen {
        assert_eq!(request.one("x-forwarded-for"), "192.0.2.7");
        assert_eq!(request.one("x-real-ip"), "192.0.2.7");
        assert_eq!(request.one("x-forwarded-port"), "8443");
        assert_eq!(request.one("forwarded"), "for=192.0.2.7;host=\"a.test\";proto=http");
    }
}

/// A load balancer in the network mode before one that speaks HTTP.
#[tokio::test]
async fn forwarding_fields_count_if_the_address_that_was_named_is_trusted() {
    let stage = behind("\"127.0.0.1\", \"192.0.2.0/24\"", "").await;
    let mut client = stage.connect().await;
    client.write(TCP4).await;
    let reply = client.ask(format!("{GET}X-Forwarded-For: 1.1.1.1\r\n\r\n")).await;
    assert_eq!(reply.status, 200);
    drop(client);
    let seen = stage.finish().await;
    assert_eq!(seen[0].one("x-forwarded-for"), "1.1.1.1, 192.0.2.7");
    assert_eq!(seen[0].one("x-real-ip"), "1.1.1.1");
}

#[tokio::test]
async fn a_load_balancer_that_names_nobody_is_the_client_and_has_no_word_for_others() {
    let stage = behind("\"127.0.0.1\"", "").await;
    let port = stage.gateway.addr.port().to_string();
    let lies = "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Host: evil.test\r\n\
                X-Forwarded-Proto: https\r\nX-Real-IP: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\n\
                X-Request-Id: chosen\r\n";
    let headers = [
        b"PROXY UNKNOWN\r\n".to_vec(),
        // What it says of addresses all the same is to be ignored.
        b"PROXY UNKNOWN 192.0.2.7 10.0.0.1 50000 8443\r\n".to_vec(),
        // LOCAL, whatever follows.
        v2(0x20),
        // Relayed, of a family without addresses: AF_UNSPEC, AF_UNIX.
        [b"\r\n\r\n\0\r\nQUIT\n".as_slice(), &[0x21, 0x00, 0, 0]].concat(),
        [b"\r\n\r\n\0\r\nQUIT\n".as_slice(), &[0x21, 0x31, 0, 216], &[b'u'; 216]].concat(),
    ];
    let count = headers.len();
    for header in headers {
        let mut client = stage.connect().await;
        client.write(header).await;
        assert_eq!(client.ask(format!("{GET}{lies}\r\n")).await.status, 200);
    }
    let seen = stage.finish().await;
    assert_eq!(seen.len(), count);
    for request in seen {
        assert_eq!(request.one("x-forwarded-for"), "127.0.0.1");
        assert_eq!(request.one("x-real-ip"), "127.0.0.1");
        assert_eq!(request.one("x-forwarded-host"), "a.test");
        assert_eq!(request.one("x-forwarded-port"), port);
        assert_eq!(request.one("forwarded"), "for=127.0.0.1;host=\"a.test\";proto=http");
        assert_ne!(request.one("x-request-id"), "chosen");
    }
}

#[tokio::test]
async fn without_a_good_header_nothing_is_served() {
    let stage = behind("\"127.0.0.1\"", "[limits]\nhead_timeout = \"150ms\"\n").await;
    let flawed = String::from_utf8(TCP4.to_vec()).unwrap().replace("TCP4", "TCP5");
    let twice = [TCP4, TCP4].concat();
    for bytes in [b"".as_slice(), b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\0", flawed.as_bytes()]
    {
        let mut client = stage.connect().await;
        client.write([bytes, GET.as_bytes(), b"\r\n"].concat()).await;
        client.closed().await;
    }
    // A second header is no request.
    let mut client = stage.connect().await;
    client.write([twice.as_slice(), GET.as_bytes(), b"\r\n"].concat()).await;
    assert_eq!(client.reply().await.status, 400);
    // A header that does not come is not waited for.
    for half in [b"".as_slice(), b"PROXY TCP4 192", b"\r\n\r\n\0\r\nQUIT\n\x21"] {
        let started = Instant::now();
        let mut client = stage.connect().await;
        client.write(half).await;
        client.closed().await;
        assert!(started.elapsed() >= Duration::from_millis(150), "too early");
        assert!(started.elapsed() < Duration::from_secs(3), "too late");
    }
    stage.finish_untouched().await;
}

#[tokio::test]
async fn a_peer_that_is_not_trusted_may_not_say_who_it_is() {
    let stage = behind("\"10.0.0.0/8\"", "").await;
    for header in [TCP4.to_vec(), v2(0x21), v2(0x20), Vec::new()] {
        let mut client = stage.connect().await;
        client.write([header.as_slice(), GET.as_bytes(), b"\r\n"].concat()).await;
        client.closed().await;
    }
    stage.finish_untouched().await;
}

#[tokio::test]
async fn a_listener_that_does_not_ask_takes_no_header() {
    let trusting = |policy: Policy| policy.top("trust = [\"127.0.0.1\"]\n");
    let stage = Stage::with(trusting).await;
    for header in [TCP4.to_vec(), v2(0x21)] {
        let mut client = stage.connect().await;
        client.write([header.as_slice(), GET.as_bytes(), b"\r\n"].concat()).await;
        assert_eq!(client.reply().await.status, 400);
        client.closed().await;
    }
    stage.finish_untouched().await;
}

#[tokio::test]
async fn the_drain_does_not_wait_for_a_header() {
    let stage = behind("\"127.0.0.1\"", "").await;
    let mut client: Conn = stage.connect().await;
    client.write("PROXY ").await;
    stage.gateway.stop().await;
    client.closed().await;
}

/// The header comes in clear, TLS behind it; and what is inside is judged as everywhere.
#[tokio::test]
async fn the_header_comes_before_tls() {
    let pair = Pair::new(&["gate.test"]);
    let upstream = Upstream::start().await;
    let policy = Policy::to(&upstream)
        .top(
            "listen = [{ addr = \"127.0.0.1:0\", tls = true, proxy_protocol = true }]\n\
             trust = [\"127.0.0.1\"]\nworkers = 1\n",
        )
        .and("[tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n");
    let setup = Setup::new(&policy).file("cert.pem", &pair.cert).file("key.pem", &pair.key);
    let stage = Stage::of(upstream, setup.binds()).await;
    for header in [TCP4.to_vec(), v2(0x21)] {
        let mut stream = TcpStream::connect(stage.gateway.addr).await.unwrap();
        stream.write_all(&header).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(pair.client(&[])));
        let name = "gate.test".try_into().unwrap();
        let mut stream = connector.connect(name, stream).await.unwrap();
        let request = GET.replace("a.test", "gate.test");
        let bad = format!("{request}\r\n{request}X: y\nZ: 1\r\n\r\n");
        stream.write_all(bad.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        soon("two answers", stream.read_to_end(&mut answer)).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("HTTP/1.1 400") && answer.contains("\"malformed\""), "{answer}");
    }
    let seen = stage.finish().await;
    assert_eq!(seen.len(), 2);
    for request in seen {
        assert_eq!(request.one("x-forwarded-for"), "192.0.2.7");
        assert_eq!(request.one("x-forwarded-proto"), "https");
    }
}
