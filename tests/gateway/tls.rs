//! TLS to clients: who is shown, what is spoken over it, and what it says about a request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::client::TlsStream;

use crate::common::h2::{H2Conn, Outcome, get};
use crate::common::tls::{Pair, connect};
use crate::common::{Conn, Policy, Setup, Stage, Upstream, soon};

const LISTEN: &str =
    "listen = [{ addr = \"127.0.0.1:0\", tls = true }, \"127.0.0.1:0\"]\nworkers = 2\n";
const FILES: &str = "[tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n";

async fn stage(pair: &Pair, more: &str) -> Stage {
    let upstream = Upstream::start().await;
    let policy = Policy::to(&upstream).top(LISTEN).and(FILES).and(more);
    let setup = Setup::new(&policy).file("cert.pem", &pair.cert).file("key.pem", &pair.key);
    Stage::of(upstream, setup.binds()).await
}

/// One request over HTTP/1.1 that closes its connection; all that was answered.
pub(super) async fn ask(stream: &mut TlsStream<tokio::net::TcpStream>, host: &str) -> String {
    let request = format!("GET /public/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    soon("an answer", stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn both_versions_of_tls_are_spoken_and_the_upstream_hears_of_https() {
    let pair = Pair::new(&["gate.test"]);
    let stage = stage(&pair, "").await;
    for version in [&TLS12, &TLS13] {
        let client = pair.client_of(&[], &[version]);
        let mut stream = connect(stage.gateway.addr, "gate.test", client).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        let answer = ask(&mut stream, "gate.test:443").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let port = stage.gateway.addr.port().to_string();
    for seen in stage.finish().await {
        // The port that TLS stands for is no part of a host.
        assert_eq!(seen.one("host"), "gate.test");
        assert_eq!(
            (seen.one("x-forwarded-proto"), seen.one("x-forwarded-port")),
            ("https", &*port)
        );
        assert!(seen.one("forwarded").ends_with(";proto=https"), "{seen:?}");
    }
}

#[tokio::test]
async fn the_client_chooses_the_version_of_http_by_alpn() {
    let pair = Pair::new(&["gate.test"]);
    let stage = stage(&pair, "").await;
    let client = pair.client(&["http/1.1", "h2"]);
    let stream = connect(stage.gateway.addr, "gate.test", client).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut h2 = H2Conn::with(stream, &[]).await;
    let fields = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "gate.test"),
        (":path", "/public/x"),
    ];
    assert_eq!(h2.ask(&fields).await, Outcome::Answer(200, b"ok".to_vec()));
    let client = pair.client(&["http/1.1"]);
    let mut stream = connect(stage.gateway.addr, "gate.test", client).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert!(ask(&mut stream, "gate.test").await.starts_with("HTTP/1.1 200"));
    // Neither: nothing that could be spoken.
    assert!(connect(stage.gateway.addr, "gate.test", pair.client(&["smtp"])).await.is_err());
    drop(h2);
    assert_eq!(stage.finish().await.len(), 2);
}

/// At whichever worker it arrives.
#[tokio::test]
async fn a_client_resumes_its_session() {
    let pair = Pair::new(&["gate.test"]);
    let stage = stage(&pair, "").await;
    for version in [&TLS12, &TLS13] {
        let client = Arc::new(pair.client_of(&[], &[version]));
        let resumed = std::iter::repeat_n(HandshakeKind::Resumed, 7);
        for kind in std::iter::once(HandshakeKind::Full).chain(resumed) {
            let stream = connect(stage.gateway.addr, "gate.test", Arc::clone(&client)).await;
            let mut stream = stream.unwrap();
            assert!(ask(&mut stream, "gate.test").await.starts_with("HTTP/1.1 200"));
            assert_eq!(stream.get_ref().1.handshake_kind(), Some(kind), "{version:?}");
        }
    }
    stage.finish().await;
}

/// A connection is for the hosts of the certificate that was shown on it, and for no other
/// (RFC 9110 section 7.4, RFC 9113 section 9.1.1).
#[tokio::test]
async fn a_host_that_the_certificate_is_not_for_is_misdirected() {
    let pair = Pair::new(&["gate.test", "other.test"]);
    let stage = stage(&pair, "").await;
    for (host, status) in [
        ("gate.test", 200),
        ("GATE.test.", 200),
        ("gate.test:8443", 200),
        ("other.test", 200),
        ("third.test", 421),
        ("x.gate.test", 421),
        ("127.0.0.1", 421),
    ] {
        let client = pair.client(&[]);
        let mut stream = connect(stage.gateway.addr, "gate.test", client).await.unwrap();
        let answer = ask(&mut stream, host).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{host}: {answer}");
        let client = pair.client(&["h2"]);
        let stream = connect(stage.gateway.addr, "gate.test", client).await.unwrap();
        let mut h2 = H2Conn::with(stream, &[]).await;
        let fields = [
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", host),
            (":path", "/public/x"),
        ];
        assert_eq!(h2.ask(&fields).await.status(), Some(status), "{host}");
    }
    // Without a name there is nothing to contradict.
    let mut client = pair.client(&[]);
    client.enable_sni = false;
    let mut stream = connect(stage.gateway.addr, "gate.test", client).await.unwrap();
    assert!(ask(&mut stream, "third.test").await.starts_with("HTTP/1.1 200"));
    assert_eq!(stage.finish().await.len(), 9);
}

/// RES-tls-stall.
#[tokio::test]
async fn a_handshake_that_does_not_come_ends_its_connection() {
    let pair = Pair::new(&["gate.test"]);
    let stage = stage(&pair, "[limits]\ntls_timeout = \"200ms\"\n").await;
    let started = Instant::now();
    let mut silent = Vec::new();
    for half in ["", "\x16", "\x16\x03\x01\x02\x00\x01\x00"].iter().cycle().take(60) {
        let mut conn = stage.connect().await;
        conn.write(half).await;
        silent.push(conn);
    }
    // Others are served meanwhile, over TLS and in clear.
    let mut stream = connect(stage.gateway.addr, "gate.test", pair.client(&[])).await.unwrap();
    assert!(ask(&mut stream, "gate.test").await.starts_with("HTTP/1.1 200"));
    let mut plain = Conn::open(stage.gateway.addrs[1]).await;
    let reply = plain.ask("GET /public/x HTTP/1.1\r\nHost: gate.test\r\n\r\n").await;
    assert_eq!(reply.status, 200);
    for mut conn in silent {
        conn.closed().await;
    }
    assert!(started.elapsed() >= Duration::from_millis(200));
    assert!(started.elapsed() < Duration::from_secs(4));
    drop(plain);
    assert_eq!(stage.finish().await.len(), 2);
}

#[tokio::test]
async fn http_in_clear_on_a_listener_with_tls_is_closed_at_once() {
    let pair = Pair::new(&["gate.test"]);
    let stage = stage(&pair, "").await;
    let mut conn = stage.connect().await;
    let started = Instant::now();
    conn.write("GET /public/x HTTP/1.1\r\nHost: gate.test\r\n\r\n").await;
    let rest = conn.rest().await;
    assert!(!rest.starts_with(b"HTTP"), "{rest:?}");
    assert!(started.elapsed() < Duration::from_secs(3));
    stage.finish_untouched().await;
}

/// The time of the handshake is not the time of the first request.
#[tokio::test]
async fn over_tls_a_request_that_does_not_come_ends_its_connection() {
    let pair = Pair::new(&["gate.test"]);
    let limits = "[limits]\nhead_timeout = \"150ms\"\nidle_timeout = \"300ms\"\n";
    let stage = stage(&pair, limits).await;
    for alpn in ["http/1.1", "h2"] {
        let client = pair.client(&[alpn]);
        let started = Instant::now();
        let mut stream = connect(stage.gateway.addr, "gate.test", client).await.unwrap();
        let mut rest = Vec::new();
        soon("the end", stream.read_to_end(&mut rest)).await.ok();
        assert!(started.elapsed() >= Duration::from_millis(150), "{alpn}");
        assert!(started.elapsed() < Duration::from_secs(3), "{alpn}");
    }
    stage.finish_untouched().await;
}

#[tokio::test]
async fn the_drain_ends_connections_over_tls() {
    let pair = Pair::new(&["gate.test"]);
    let stage = stage(&pair, "").await;
    let shaking = stage.connect().await;
    let h1 = connect(stage.gateway.addr, "gate.test", pair.client(&["http/1.1"])).await.unwrap();
    let stream = connect(stage.gateway.addr, "gate.test", pair.client(&["h2"])).await.unwrap();
    let mut h2 = H2Conn::with(stream, &[]).await;
    let mut fields = get("/public/x");
    fields[2].1 = "gate.test";
    assert_eq!(h2.ask(&fields).await.status(), Some(200));
    let leaving = tokio::spawn(async move { h2.rest().await });
    stage.finish().await;
    assert!(soon("a farewell", leaving).await.unwrap().iter().any(|frame| frame.kind == 7));
    drop((shaking, h1));
}
