//! Certificates that clients show.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::SanType;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::h2::{H2Conn, get};
use crate::common::tls::{Authority, Pair, connect};
use crate::common::{Conn, Policy, Setup, Stage, Upstream, soon};

const LISTEN: &str = r#"listen = [
    { addr = "127.0.0.1:0", tls = true },
    { addr = "127.0.0.1:0", tls = true, client_auth = "required" },
    { addr = "127.0.0.1:0", tls = true, client_auth = "off" },
    "127.0.0.1:0",
]
workers = 1
"#;

const TABLES: &str = r#"
[routes."/billing/*"]
to = "up"
allow = "cert:billing"
[routes."/either/*"]
to = "up"
allow = ["cert:spiffe://acme/orders", "role:editor"]
[routes."/both/*"]
to = "up"
allow = "cert:billing & role:editor"
[identity]
X-User-Name = "username"
X-Client-Cert = "@cert"
X-Client-Subject = "@cert_subject"
[tls]
cert = "cert.pem"
key = "key.pem"
client_ca = "ca.pem"
client_auth = "optional"
"#;

struct Scene {
    stage: Stage,
    pair: Pair,
    authority: Authority,
}

/// Listeners that take certificates, demand them, do not ask, and are in clear, in this order.
async fn scene() -> Scene {
    let (pair, authority) = (Pair::new(&["gate.test"]), Authority::new());
    let upstream = Upstream::start().await;
    let policy = Policy::to(&upstream).top(LISTEN).and(TABLES);
    let setup = Setup::new(&policy).file("cert.pem", &pair.cert).file("key.pem", &pair.key);
    let stage = Stage::of(upstream, setup.file("ca.pem", &authority.cert).binds()).await;
    Scene { stage, pair, authority }
}

/// The status of an answer to a request on a connection of its own; none where there is none.
async fn status(
    addr: SocketAddr,
    client: impl Into<Arc<ClientConfig>>,
    path: &str,
    fields: &str,
) -> Option<u16> {
    let mut stream = connect(addr, "gate.test", client).await.ok()?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: gate.test\r\nConnection: close\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    soon("an answer", stream.read_to_string(&mut answer)).await.ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}

#[tokio::test]
async fn who_has_to_show_a_certificate_is_not_served_without_a_good_one() {
    let Scene { stage, pair, authority } = scene().await;
    let (billing, stranger) =
        (authority.issue("billing", vec![]), Authority::new().issue("billing", vec![]));
    let [optional, required, off, _] = stage.gateway.addrs[..] else { panic!("four listeners") };
    for alpn in [&["http/1.1"][..], &[]] {
        let (none, good) = (|| pair.client(alpn), || pair.client_as(&billing, alpn));
        let bad = || pair.client_as(&stranger, alpn);
        assert_eq!(status(required, none(), "/public/x", "").await, None);
        assert_eq!(status(required, bad(), "/public/x", "").await, None);
        assert_eq!(status(required, good(), "/public/x", "").await, Some(200));
        assert_eq!(status(optional, none(), "/public/x", "").await, Some(200));
        assert_eq!(status(optional, bad(), "/public/x", "").await, None);
        // Nobody asks for it there, so it is not shown.
        assert_eq!(status(off, bad(), "/public/x", "").await, Some(200));
    }
    assert_eq!(stage.finish().await.len(), 6);
}

#[tokio::test]
async fn a_rule_may_ask_for_a_certificate_by_name() {
    let Scene { stage, pair, authority } = scene().await;
    let [optional, _, off, plain] = stage.gateway.addrs[..] else { panic!("four listeners") };
    let billing = authority.issue("billing", vec![]);
    // The other names count where there are some, and the common name does not.
    let uri = SanType::URI("spiffe://acme/orders".try_into().unwrap());
    let orders = authority.issue("billing", vec![uri]);
    let token = format!("Authorization: Bearer {}\r\n", stage.token);
    let none = || pair.client(&[]);
    let as_billing = || pair.client_as(&billing, &[]);
    let as_orders = || pair.client_as(&orders, &[]);
    for (addr, client, path, fields, expected) in [
        (optional, as_billing(), "/billing/x", "", 200),
        (optional, as_orders(), "/billing/x", "", 403),
        (optional, none(), "/billing/x", "", 403),
        (optional, none(), "/billing/x", &*token, 403),
        (off, as_billing(), "/billing/x", "", 403),
        (optional, as_orders(), "/either/x", "", 200),
        (optional, as_billing(), "/either/x", "", 401),
        (optional, none(), "/either/x", "", 401),
        (optional, none(), "/either/x", &*token, 200),
        (optional, as_orders(), "/either/x", "Authorization: Bearer x\r\n", 401),
        (optional, as_billing(), "/both/x", "", 401),
        (optional, none(), "/both/x", &*token, 403),
        (optional, as_billing(), "/both/x", &*token, 200),
        (optional, as_billing(), "/app/x", "", 401),
    ] {
        let answered = status(addr, client, path, fields).await;
        assert_eq!(answered, Some(expected), "{path} {fields}");
    }
    // In clear nobody has one, whatever is claimed.
    let mut conn = Conn::open(plain).await;
    let reply = conn
        .ask("GET /billing/x HTTP/1.1\r\nHost: gate.test\r\nX-Client-Cert: billing\r\n\r\n")
        .await;
    assert_eq!(reply.status, 403);
    drop(conn);
    assert_eq!(stage.finish().await.len(), 4);
}

#[tokio::test]
async fn upstreams_hear_of_the_certificate_and_of_nothing_that_a_client_says() {
    let Scene { stage, pair, authority } = scene().await;
    let [optional, .., plain] = stage.gateway.addrs[..] else { panic!("four listeners") };
    let holder = authority.issue("Jos\u{e9} 100%", vec![]);
    let forged = "X-Client-Cert: root\r\nx_client_cert: root\r\nX-Client-Subject: CN=root\r\n";
    for client in [pair.client_as(&holder, &[]), pair.client(&[])] {
        assert_eq!(status(optional, client, "/public/x", forged).await, Some(200));
    }
    let mut conn = Conn::open(plain).await;
    let head = "GET /public/x HTTP/1.1\r\nHost: gate.test\r\n";
    assert_eq!(conn.ask(format!("{head}{forged}\r\n")).await.status, 200);
    drop(conn);
    // Every request of a connection has the certificate of the connection.
    let client = pair.client_as(&holder, &["h2"]);
    let stream = connect(optional, "gate.test", client).await.unwrap();
    let mut h2 = H2Conn::with(stream, &[]).await;
    for _ in 0..2 {
        let mut fields = get("/public/x");
        fields[1].1 = "https";
        fields[2].1 = "gate.test";
        fields.push(("x-client-cert", "root"));
        assert_eq!(h2.ask(&fields).await.status(), Some(200));
    }
    drop(h2);
    let seen = stage.finish().await;
    let [with, without, clear, first, second] = &seen[..] else { panic!("{seen:?}") };
    for seen in [with, first, second] {
        assert_eq!(seen.one("x-client-cert"), "Jos%C3%A9%20100%25");
        let subject = seen.one("x-client-subject");
        assert!(
            subject.contains("O=Acme") && subject.contains("CN=Jos%C3%A9%20100%25"),
            "{subject}"
        );
    }
    for seen in [without, clear] {
        assert!(!seen.has("x-client-cert") && !seen.has("x-client-subject"), "{seen:?}");
        assert!(!seen.has("x_client_cert"), "{seen:?}");
    }
}

/// A ticket would carry a certificate past its end, and past the trust in who gave it; and one of a
/// listener that does not ask must not open one that does.
#[tokio::test]
async fn no_session_is_resumed_where_certificates_are_shown() {
    let Scene { stage, pair, authority } = scene().await;
    let [optional, required, off, _] = stage.gateway.addrs[..] else { panic!("four listeners") };
    let billing = authority.issue("billing", vec![]);
    for version in [&TLS12, &TLS13] {
        let client = Arc::new(pair.client_as_of(&billing, &[], &[version]));
        for addr in [optional, optional, required, required] {
            let mut stream = connect(addr, "gate.test", Arc::clone(&client)).await.unwrap();
            let answer = super::tls::ask(&mut stream, "gate.test").await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            assert_eq!(stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
        }
        let client = Arc::new(pair.client_of(&[], &[version]));
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let mut stream = connect(off, "gate.test", Arc::clone(&client)).await.unwrap();
            assert!(super::tls::ask(&mut stream, "gate.test").await.starts_with("HTTP/1.1 200"));
            assert_eq!(stream.get_ref().1.handshake_kind(), Some(kind));
        }
        assert_eq!(status(required, Arc::clone(&client), "/public/x", "").await, None);
        assert_eq!(status(optional, client, "/billing/x", "").await, Some(403));
    }
    stage.finish().await;
}
