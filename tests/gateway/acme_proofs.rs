//! What handshakes find while names are proved in them (RFC 8737): an authority its proof, and
//! everybody else what is always there. Against a real authority: `tests/acme.sh`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, ClientConfig, Error, HandshakeKind};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::tls::ask;
use crate::common::h2::{H2Conn, get};
use crate::common::tls::{Authority, Pair, connect, curious};
use crate::common::{Answer, LIMIT, Policy, Provider, Setup, Stage, Upstream, soon};

/// A listener, one that demands certificates of its clients, and one behind a load balancer.
const LISTEN: &str = r#"listen = [
    { addr = "127.0.0.1:0", tls = true },
    { addr = "127.0.0.1:0", tls = true, client_auth = "required" },
    { addr = "127.0.0.1:0", tls = true, proxy_protocol = true },
]
trust = ["127.0.0.1"]
workers = 1
"#;
const PROVED: [&str; 2] = ["gate.test", "shop.test"];

/// An order that goes on until it is told not to.
struct Order {
    provider: Provider,
}

impl Order {
    async fn new() -> Self {
        let order = Self { provider: Provider::start().await };
        let url = |path: &str| format!("{}{path}", order.provider.issuer());
        order.answer(
            "/dir",
            "200 OK",
            "",
            &json!({
                "newNonce": url("/nonce"), "newAccount": url("/account"), "newOrder": url("/order"),
            }),
        );
        order.answer("/nonce", "200 OK", "", &Value::Null);
        let location = format!("Location: {}\r\n", url("/account/1"));
        order.answer("/account", "201 Created", &location, &json!({ "status": "valid" }));
        let location = format!("Location: {}\r\n", url("/order/1"));
        order.answer("/order", "201 Created", &location, &order.state("pending"));
        order.answer("/order/1", "200 OK", "", &order.state("pending"));
        for (number, name) in PROVED.iter().enumerate() {
            let challenge = json!({
                "type": "tls-alpn-01", "url": url(&format!("/challenge/{number}")),
                "token": format!("token-{number}"), "status": "pending",
            });
            order.answer(&format!("/challenge/{number}"), "200 OK", "", &challenge);
            order.answer(
                &format!("/authorization/{number}"),
                "200 OK",
                "",
                &json!({
                    "status": "pending", "identifier": { "type": "dns", "value": name },
                    "challenges": [challenge],
                }),
            );
        }
        order
    }

    fn answer(&self, path: &str, status: &str, fields: &str, body: &Value) {
        let fields = format!("Replay-Nonce: n\r\n{fields}");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.provider.answer(path, Answer::with(status, &fields, body.as_bytes()));
    }

    fn state(&self, status: &str) -> Value {
        let base = self.provider.issuer();
        let authorizations = [0, 1].map(|number| format!("{base}/authorization/{number}"));
        json!({
            "status": status, "authorizations": authorizations,
            "finalize": format!("{base}/finalize"),
        })
    }

    fn policy(&self, upstream: &Upstream) -> Policy {
        let tables = format!(
            "[tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\nclient_ca = \"clients.pem\"\n\
             [tls.acme]\ndomains = [\"gate.test\", \"shop.test\"]\nchallenge = \"tls-alpn-01\"\n\
             directory = \"{}/dir\"\nca = \"ca.pem\"\nterms_accepted = true\n",
            self.provider.issuer()
        );
        Policy::to(upstream).top(LISTEN).and(&tables)
    }

    /// Until the authority was told that both proofs are there.
    async fn runs(&self) {
        let told = async {
            while self.provider.posted("/challenge/1").is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        soon("the proofs", told).await;
    }

    /// What the proof for a name has to say, by RFC 8555 section 8.1 and RFC 7638.
    fn digest(&self, number: usize) -> Vec<u8> {
        let account = &self.provider.posted("/account")[0];
        let protected = account["protected"].as_str().unwrap();
        let head = URL_SAFE_NO_PAD.decode(protected).unwrap();
        let key = &serde_json::from_slice::<Value>(&head).unwrap()["jwk"];
        let [crv, kty, x, y] = ["crv", "kty", "x", "y"].map(|name| key[name].as_str().unwrap());
        let key = format!(r#"{{"crv":"{crv}","kty":"{kty}","x":"{x}","y":"{y}"}}"#);
        let print = URL_SAFE_NO_PAD.encode(sha256(key.as_bytes()));
        sha256(format!("token-{number}.{print}").as_bytes())
    }
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref().to_vec()
}

struct Scene {
    stage: Stage,
    order: Order,
    pair: Pair,
}

async fn scene() -> Scene {
    let (upstream, order) = (Upstream::start().await, Order::new().await);
    let pair = Pair::new(&["gate.test", "other.test"]);
    let setup = Setup::new(&order.policy(&upstream))
        .file("cert.pem", &pair.cert)
        .file("key.pem", &pair.key)
        .file("clients.pem", &Authority::new().cert)
        .file("ca.pem", &order.provider.ca);
    let stage = Stage::of(upstream, setup.binds()).await;
    order.runs().await;
    Scene { stage, order, pair }
}

/// The alert that ended a handshake, if one did.
fn alert(ended: std::io::Result<TlsStream<TcpStream>>) -> Option<AlertDescription> {
    let error = ended.err()?.into_inner()?;
    match error.downcast_ref::<Error>() {
        Some(Error::AlertReceived(alert)) => Some(*alert),
        _ => None,
    }
}

/// The proof that a client was shown: the names of its certificate, and what the extension says.
fn shown(stream: &TlsStream<TcpStream>) -> (Vec<String>, Vec<u8>) {
    let [certificate] = stream.get_ref().1.peer_certificates().unwrap() else { panic!("one") };
    let (_, read) = X509Certificate::from_der(certificate).unwrap();
    let names = &read.subject_alternative_name().unwrap().unwrap().value.general_names;
    let names = names.iter().map(|name| {
        let GeneralName::DNSName(name) = name else { panic!("{name}") };
        (*name).to_owned()
    });
    let says = read.extensions().iter().find(|one| one.oid.to_string() == "1.3.6.1.5.5.7.1.31");
    let says = says.expect("a proof");
    assert!(says.critical);
    // An octet string of 32 bytes.
    assert_eq!(says.value[..2], [4, 32]);
    (names.collect(), says.value[2..].to_vec())
}

async fn shake(stream: TcpStream, name: &str, client: Arc<ClientConfig>) -> TlsStream<TcpStream> {
    let name = name.to_owned().try_into().unwrap();
    let shaken = TlsConnector::from(client).connect(name, stream);
    soon("a handshake", shaken).await.unwrap()
}

#[tokio::test]
async fn an_authority_is_shown_the_proof_of_each_name_and_nothing_comes_after_it() {
    let Scene { stage, order, .. } = scene().await;
    let [plain, required, proxied] = stage.gateway.addrs[..] else { panic!("three listeners") };
    for (number, name) in PROVED.iter().enumerate() {
        for version in [&TLS12, &TLS13] {
            for addr in [plain, required, proxied] {
                let client = Arc::new(curious(&["acme-tls/1"], version));
                for _ in 0..2 {
                    let mut stream = TcpStream::connect(addr).await.unwrap();
                    if addr == proxied {
                        let header = b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 443\r\n";
                        stream.write_all(header).await.unwrap();
                    }
                    let mut stream = shake(stream, name, Arc::clone(&client)).await;
                    let tls = stream.get_ref().1;
                    assert_eq!(tls.alpn_protocol(), Some(&b"acme-tls/1"[..]));
                    // No ticket was given.
                    assert_eq!(tls.handshake_kind(), Some(HandshakeKind::Full));
                    assert_eq!(shown(&stream), (vec![(*name).to_owned()], order.digest(number)));
                    let mut rest = Vec::new();
                    let end = soon("the end", stream.read_to_end(&mut rest)).await;
                    // Not cut, but closed.
                    assert_eq!((end.unwrap(), rest.len()), (0, 0));
                }
            }
        }
    }
    stage.finish_untouched().await;
}

/// Whatever is written on such a connection is read by nobody.
#[tokio::test]
async fn a_request_behind_a_proof_is_no_request() {
    let Scene { stage, .. } = scene().await;
    for version in [&TLS12, &TLS13] {
        let client = Arc::new(curious(&["acme-tls/1"], version));
        let stream = TcpStream::connect(stage.gateway.addr).await.unwrap();
        let mut stream = shake(stream, "gate.test", client).await;
        let request = b"GET /public/x HTTP/1.1\r\nHost: gate.test\r\n\r\n";
        // The connection may be gone by now.
        drop(stream.write_all(request).await);
        let mut rest = Vec::new();
        drop(soon("the end", stream.read_to_end(&mut rest)).await);
        assert!(rest.is_empty(), "{rest:?}");
    }
    stage.finish_untouched().await;
}

async fn refused(addr: SocketAddr, name: &str, client: ClientConfig) {
    let ended = connect(addr, name, client).await;
    assert_eq!(alert(ended), Some(AlertDescription::NoApplicationProtocol), "{name}");
}

#[tokio::test]
async fn nobody_else_sees_a_proof_and_an_authority_sees_nothing_else() {
    let Scene { stage, order, pair } = scene().await;
    let addr = stage.gateway.addr;
    for version in [&TLS12, &TLS13] {
        let alone = || curious(&["acme-tls/1"], version);
        // For a name that has a certificate and is not proved now, for one of nobody, and for none.
        for name in ["other.test", "stranger.test", "127.0.0.1"] {
            refused(addr, name, alone()).await;
        }
        let mut unnamed = alone();
        unnamed.enable_sni = false;
        refused(addr, "gate.test", unnamed).await;
        // Whoever can do something else does that, and sees what everybody does.
        for alpn in [&["acme-tls/1", "h2"][..], &["h2", "acme-tls/1"]] {
            let client = pair.client_of(alpn, &[version]);
            let stream = connect(addr, "gate.test", client).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            let mut h2 = H2Conn::with(stream, &[]).await;
            let mut fields = get("/public/x");
            fields[1].1 = "https";
            fields[2].1 = "gate.test";
            assert_eq!(h2.ask(&fields).await.status(), Some(200));
        }
        for alpn in [&["http/1.1"][..], &[], &["acme-tls/1", "http/1.1"]] {
            let client = pair.client_of(alpn, &[version]);
            let mut stream = connect(addr, "gate.test", client).await.unwrap();
            assert!(ask(&mut stream, "gate.test").await.starts_with("HTTP/1.1 200"), "{alpn:?}");
        }
    }
    // When the order has come to an end, no name is proved any more.
    order.answer("/order/1", "200 OK", "", &order.state("invalid"));
    let failed = "portcullis_certificate_orders_total{outcome=\"failed\"} 1";
    let over = async {
        while !stage.gateway.metrics.text().contains(failed) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    // The authority is asked again after half a second, and then ever more seldom.
    tokio::time::timeout(LIMIT * 4, over).await.expect("the end of the order");
    for version in [&TLS12, &TLS13] {
        for name in ["gate.test", "shop.test", "other.test"] {
            refused(addr, name, curious(&["acme-tls/1"], version)).await;
        }
    }
    assert_eq!(stage.finish().await.len(), 10);
}
