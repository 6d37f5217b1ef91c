//! Certificates of clients that have ended, or that their authority took back: in handshakes, on
//! connections that are kept, and for what goes on.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::live::{CHUNKED, EVENTS};
use super::websocket::{PROOF, handshake, switching};
use crate::common::h2::{H2Conn, get};
use crate::common::tls::{Authority, Pair, connect};
use crate::common::{Conn, Policy, Setup, Stage, Upstream, soon};

const LISTEN: &str = "listen = [{ addr = \"127.0.0.1:0\", tls = true, client_auth = \"required\" }, \
                      { addr = \"127.0.0.1:0\", tls = true, client_auth = \"optional\" }]\n\
                      workers = 1\ntrust = [\"127.0.0.1\"]\n";
const TLS: &str = "[tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\nclient_ca = \"ca.pem\"\n\
                   client_crl = [\"list.pem\"]\npoll = \"20ms\"\n";

struct Scene {
    stage: Stage,
    pair: Pair,
    authority: Authority,
    billing: Pair,
}

fn policy(upstream: &Upstream, name: &str) -> Policy {
    let routes = format!(
        "[routes.\"/billing/*\"]\nto = \"up\"\nallow = \"cert:{name}\"\n\
         [routes.\"/ws/*\"]\nto = \"up\"\nwebsocket = true\nallow = \"cert:{name}\"\n\
         [forward_auth]\npath = \"/check\"\n"
    );
    Policy::to(upstream).top(LISTEN).and(TLS).and(&routes)
}

/// An authority that has taken nothing back yet, and its holder `billing`.
async fn scene(upstream: Upstream) -> Scene {
    let (pair, authority) = (Pair::new(&["gate.test"]), Authority::new());
    let setup = Setup::new(&policy(&upstream, "billing"))
        .file("cert.pem", &pair.cert)
        .file("key.pem", &pair.key)
        .file("ca.pem", &authority.cert)
        .file("list.pem", &authority.list(&[], 4000));
    let stage = Stage::of(upstream, setup.binds()).await;
    let billing = authority.issue("billing", vec![]);
    Scene { stage, pair, authority, billing }
}

impl Scene {
    fn addr(&self) -> SocketAddr {
        self.stage.gateway.addr
    }

    fn client(&self, holder: &Pair) -> ClientConfig {
        self.pair.client_as(holder, &["http/1.1"])
    }

    fn write(&self, file: &str, content: &str) {
        // In one step, as whoever fetches lists has to do it.
        let folder = self.stage.gateway.folder();
        fs::write(folder.join("new"), content).unwrap();
        fs::rename(folder.join("new"), folder.join(file)).unwrap();
    }

    async fn is_let_in(&self, holder: &Pair) -> bool {
        let answer = async {
            let mut stream = connect(self.addr(), "gate.test", self.client(holder)).await.ok()?;
            let request = b"GET /nowhere HTTP/1.1\r\nHost: gate.test\r\nConnection: close\r\n\r\n";
            stream.write_all(request).await.ok()?;
            let mut answer = String::new();
            soon("an answer", stream.read_to_string(&mut answer)).await.ok()?;
            Some(answer)
        };
        answer.await.is_some_and(|answer| answer.starts_with("HTTP/1.1 404"))
    }

    /// Until a holder is let in, or is not.
    async fn until(&self, holder: &Pair, is_let_in: bool) {
        let changed = async { while self.is_let_in(holder).await != is_let_in {} };
        soon("the change", changed).await;
    }

    /// A connection, and a request on it.
    async fn asks(&self, holder: &Pair, request: &str) -> TlsStream<TcpStream> {
        let mut stream = connect(self.addr(), "gate.test", self.client(holder)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    /// A request for what goes on, with its upstream, which has begun to answer so.
    async fn begun(
        &self,
        holder: &Pair,
        request: &str,
        answer: &str,
    ) -> (TlsStream<TcpStream>, Conn) {
        let mut client = self.asks(holder, request).await;
        let mut server = self.stage.upstream.accept().await;
        server.head().await;
        server.write(answer).await;
        comes(&mut client, "\r\n\r\n").await;
        (client, server)
    }
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: gate.test\r\n\r\n")
}

/// Reads until something has come; all that did.
async fn comes(stream: &mut TlsStream<TcpStream>, what: &str) -> String {
    let mut read = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&read).contains(what) {
            read.push(stream.read_u8().await.expect(what));
        }
    };
    soon(what, reading).await;
    String::from_utf8(read).unwrap()
}

/// Reads to the end, which comes; all that came before.
async fn ends(mut stream: TlsStream<TcpStream>) -> String {
    let mut read = Vec::new();
    // Whether it is clean depends on what was broken off.
    drop(soon("the end", stream.read_to_end(&mut read)).await);
    // Byte by byte, for a `WebSocket` is no text.
    read.into_iter().map(char::from).collect()
}

#[tokio::test]
async fn who_was_taken_back_has_no_connection_nor_has_anybody_where_nothing_is_known() {
    let scene = scene(Upstream::start().await).await;
    let (authority, billing) = (&scene.authority, &scene.billing);
    let orders = authority.issue("orders", vec![]);
    let other = Authority::called("Another authority");
    let stranger = other.issue("billing", vec![]);
    assert!(scene.is_let_in(billing).await && scene.is_let_in(&orders).await);
    scene.write("list.pem", &authority.list(&[billing], 4000));
    scene.until(billing, false).await;
    assert!(scene.is_let_in(&orders).await);
    let whole = authority.list(&[], 4000);
    scene.write("list.pem", &whole);
    scene.until(billing, true).await;
    // One that is over says nothing.
    scene.write("list.pem", &authority.list(&[], 2021));
    scene.until(billing, false).await;
    scene.write("list.pem", &whole);
    scene.until(billing, true).await;
    // Nor does one that somebody else has signed, by whatever name.
    scene.write("list.pem", &Authority::new().list(&[], 4000));
    scene.until(billing, false).await;
    // An authority without a list, beside one that has one.
    scene.write("ca.pem", &format!("{}{}", authority.cert, other.cert));
    scene.write("list.pem", &whole);
    scene.until(billing, true).await;
    assert!(!scene.is_let_in(&stranger).await);
    scene.write("list.pem", &format!("{whole}{}", other.list(&[], 4000)));
    scene.until(&stranger, true).await;
    scene.stage.finish_untouched().await;
}

#[tokio::test]
async fn a_connection_that_is_kept_is_not_answered_any_more() {
    let scene = scene(Upstream::start().await).await;
    let (authority, billing) = (&scene.authority, &scene.billing);
    let orders = authority.issue("orders", vec![]);
    // A route for the certificate and one for anyone, our own, another proxy's question, and none.
    let paths = ["/billing/x", "/public/x", "/api/auth/profile/", "/check", "/nowhere"];
    let mut kept = Vec::new();
    for path in paths {
        let mut stream = scene.asks(billing, &request("/billing/x")).await;
        assert!(comes(&mut stream, "ok").await.starts_with("HTTP/1.1 200"));
        kept.push((path, stream));
    }
    let mut other = scene.asks(&orders, &request("/public/x")).await;
    assert!(comes(&mut other, "ok").await.starts_with("HTTP/1.1 200"));
    let client = scene.pair.client_as(billing, &["h2"]);
    let mut h2 = H2Conn::with(connect(scene.addr(), "gate.test", client).await.unwrap(), &[]).await;
    let mut fields = get("/public/x");
    fields[1].1 = "https";
    fields[2].1 = "gate.test";
    assert_eq!(h2.ask(&fields).await.status(), Some(200));
    scene.write("list.pem", &authority.list(&[billing], 4000));
    scene.until(billing, false).await;
    for (path, mut stream) in kept {
        stream.write_all(request(path).as_bytes()).await.unwrap();
        let answer = ends(stream).await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{path}: {answer}");
        let lower = answer.to_ascii_lowercase();
        assert!(lower.contains("\r\nconnection: close\r\n"), "{answer}");
        assert!(lower.contains("\r\nwww-authenticate: bearer realm=\"api\"\r\n"), "{answer}");
        assert!(answer.contains(r#""code":"certificate_not_valid""#), "{answer}");
    }
    for _ in 0..2 {
        assert_eq!(h2.ask(&fields).await.status(), Some(401));
    }
    // Nobody else notices.
    other.write_all(request("/public/x").as_bytes()).await.unwrap();
    assert!(comes(&mut other, "ok").await.starts_with("HTTP/1.1 200"));
    drop((h2, other));
    assert_eq!(scene.stage.finish().await.len(), paths.len() + 3);
}

/// The place of the event stream among all kinds.
const EVENTS_ARE: usize = 1;
/// The same for the `WebSocket`.
const SOCKET_IS: usize = 2;
/// The same for the request that is not yet all there.
const UPLOAD_IS: usize = 3;

/// Whatever goes on for a holder: a response, events, a `WebSocket`, and a request that is not yet
/// all there.
async fn all_kinds(scene: &Scene, holder: &Pair) -> Vec<(TlsStream<TcpStream>, Conn)> {
    let socket = handshake("/ws/x", "").replace("a.test", "gate.test");
    let mut begun = vec![
        scene.begun(holder, &request("/billing/x"), CHUNKED).await,
        scene.begun(holder, &request("/billing/x"), EVENTS).await,
        scene.begun(holder, &socket, &switching(PROOF)).await,
    ];
    let upload = "POST /billing/x HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 99\r\n\r\nbegun";
    let client = scene.asks(holder, upload).await;
    let mut server = scene.stage.upstream.accept().await;
    server.head().await;
    assert_eq!(server.exactly(5).await, b"begun");
    begun.push((client, server));
    begun
}

async fn all_end(begun: Vec<(TlsStream<TcpStream>, Conn)>) {
    for (number, (mut client, mut server)) in begun.into_iter().enumerate() {
        if number == EVENTS_ARE {
            // They end properly, and who comes back is told why.
            let rest = comes(&mut client, "0\r\n\r\n").await;
            assert!(!rest.contains("secret"), "{rest}");
            client.write_all(request("/billing/x").as_bytes()).await.unwrap();
            assert!(ends(client).await.contains("certificate_not_valid"));
            server.closed().await;
            continue;
        }
        let rest = ends(client).await;
        assert!(!rest.contains("secret"), "{rest}");
        let after = server.rest().await;
        if number == SOCKET_IS {
            // Both ends hear why (RFC 6455 section 7.4.1: 1008), the server under a mask.
            assert!(rest.starts_with("\u{88}") && rest.contains("\u{3}\u{f0}"), "{rest:?}");
            assert_eq!(after.first(), Some(&0x88), "{after:?}");
            continue;
        }
        assert!(after.is_empty(), "{after:?}");
        if number == UPLOAD_IS {
            assert!(rest.contains("certificate_not_valid"), "{rest}");
        }
    }
}

#[tokio::test]
async fn what_goes_on_ends_when_its_certificate_is_taken_back() {
    let scene = scene(Upstream::by_hand().await).await;
    let again = scene.authority.issue("billing", vec![]);
    let mut begun = all_kinds(&scene, &scene.billing).await;
    let mut other = scene.begun(&again, &request("/billing/x"), CHUNKED).await;
    scene.write("list.pem", &scene.authority.list(&[&scene.billing], 4000));
    scene.until(&scene.billing, false).await;
    // Nothing of a response passes from then on.
    begun[0].1.write("6\r\nsecret\r\n").await;
    begun[EVENTS_ARE].1.write("6\r\nsecret\r\n").await;
    all_end(begun).await;
    other.1.write("2\r\nhi\r\n0\r\n\r\n").await;
    comes(&mut other.0, "hi").await;
    drop(other);
    scene.stage.gateway.stop().await;
    scene.stage.upstream.expect_nobody();
}

#[tokio::test]
async fn what_goes_on_ends_with_the_authority_of_its_certificate() {
    let scene = scene(Upstream::by_hand().await).await;
    let begun = all_kinds(&scene, &scene.billing).await;
    let other = Authority::called("Another authority");
    let holder = other.issue("billing", vec![]);
    scene.write("list.pem", &other.list(&[], 4000));
    scene.write("ca.pem", &other.cert);
    scene.until(&holder, true).await;
    all_end(begun).await;
    scene.stage.gateway.stop().await;
    scene.stage.upstream.expect_nobody();
}

#[tokio::test]
async fn what_goes_on_ends_with_its_certificate_and_with_its_list() {
    let scene = scene(Upstream::by_hand().await).await;
    // The handshake goes by the time of the day, and what comes after it by that of the test.
    let short = scene.authority.issue_until("billing", vec![], 3000);
    let years = |count: u64| Duration::from_secs(count * 366 * 24 * 60 * 60);
    let begun = all_kinds(&scene, &short).await;
    let longer = all_kinds(&scene, &scene.billing).await;
    let mut kept = scene.asks(&short, &request("/nowhere")).await;
    comes(&mut kept, "no_route").await;
    scene.stage.gateway.clock().advance(years(1000));
    all_end(begun).await;
    kept.write_all(request("/nowhere").as_bytes()).await.unwrap();
    assert!(ends(kept).await.contains("certificate_not_valid"));
    let mut still = scene.asks(&scene.billing, &request("/nowhere")).await;
    comes(&mut still, "no_route").await;
    drop(still);
    // The list ends before the certificate of the others does.
    let marked = scene.authority.issue("marked", vec![]);
    scene.write("list.pem", &scene.authority.list(&[&marked], 3100));
    scene.until(&marked, false).await;
    scene.stage.gateway.clock().advance(years(200));
    all_end(longer).await;
    scene.stage.gateway.stop().await;
    scene.stage.upstream.expect_nobody();
}

/// By a reload, too, where there is no caller but the holder of a certificate.
#[tokio::test]
async fn what_goes_on_ends_when_its_route_is_for_others() {
    let scene = scene(Upstream::by_hand().await).await;
    let begun = scene.begun(&scene.billing, &request("/billing/x"), CHUNKED).await;
    let mut anyone = scene.begun(&scene.billing, &request("/public/x"), CHUNKED).await;
    scene.stage.gateway.reload(&policy(&scene.stage.upstream, "orders"));
    all_end(vec![begun]).await;
    anyone.1.write("2\r\nhi\r\n0\r\n\r\n").await;
    comes(&mut anyone.0, "hi").await;
    drop(anyone);
    scene.stage.gateway.stop().await;
    scene.stage.upstream.expect_nobody();
}
