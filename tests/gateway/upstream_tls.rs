//! Upstreams behind TLS: who is believed, who we are, and what happens when that does not hold.

use std::sync::Arc;

use portcullis::rooms::tls::{Certified, certificates, provider};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::common::h2_upstream::H2Server;
use crate::common::{Policy, Reply, Setup, Upstream, soon};

const GET: &str = "GET /public/x HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";

/// Who signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these names and its key, in PEM.
    fn certify(&self, names: &[&str]) -> (String, String) {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        self.sign(&CertificateParams::new(names).unwrap())
    }

    fn sign(&self, params: &CertificateParams) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let issuer: &Issuer<'_, KeyPair> = &self.0;
        (params.signed_by(&key, issuer).unwrap().pem(), key.serialize_pem())
    }
}

fn acceptor(pair: &(String, String), clients: Option<&Authority>, alpn: &[&[u8]]) -> TlsAcceptor {
    let builder = ServerConfig::builder_with_provider(provider());
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            for one in certificates(authority.pem().as_bytes()).unwrap() {
                roots.add(one).unwrap();
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    Certified::from_pem(pair.0.as_bytes(), pair.1.as_bytes()).unwrap();
    let chain = certificates(pair.0.as_bytes()).unwrap();
    let key = rustls::pki_types::pem::PemObject::from_pem_slice(pair.1.as_bytes()).unwrap();
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

/// A server in HTTP/1.1 behind TLS that answers each connection once, with the name that it was
/// called by; its port.
async fn server(tls: TlsAcceptor) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tls = tls.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = tls.accept(stream).await else { return };
                let name = stream.get_ref().1.server_name().unwrap_or("nobody").to_owned();
                let mut buffer = vec![0; 4096];
                if stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {
                    let length = name.len();
                    let reply = format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nX-Up: 1\r\n\
                         Connection: close\r\n\r\n{name}"
                    );
                    stream.write_all(reply.as_bytes()).await.ok();
                    stream.shutdown().await.ok();
                }
            });
        }
    });
    port
}

/// What a client gets from a gateway with these keys of the upstream, and files beside it.
async fn asked(to: &str, keys: &str, files: &[(&str, &str)]) -> Reply {
    let mut setup = Setup::new(&Policy::at(to).upstream(keys));
    for (name, content) in files {
        setup = setup.file(name, content);
    }
    // Files are read when the policy is.
    let gateway = setup.start().await;
    let reply = gateway.send(GET).await;
    gateway.stop().await;
    reply
}

fn refused(reply: &Reply) {
    assert_eq!((reply.status, reply.json()["code"].clone()), (502, "upstream_unreachable".into()));
    // The cause is for the log.
    assert!(!reply.text().to_ascii_lowercase().contains("certificate"), "{reply:?}");
}

#[tokio::test]
async fn a_server_is_believed_by_the_authority_that_the_policy_names() {
    let authority = Authority::new();
    let pair = authority.certify(&["localhost"]);
    let port = server(acceptor(&pair, None, &[])).await;
    let ca = authority.pem();
    let files = [("ca.pem", ca.as_str())];
    let reply =
        asked(&format!("https://localhost:{port}"), "tls = { ca = \"ca.pem\" }", &files).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "localhost"));
    // Not by the machine, nor by somebody else.
    refused(&asked(&format!("https://localhost:{port}"), "timeout = \"1s\"", &[]).await);
    let other = Authority::new().pem();
    let files = [("ca.pem", other.as_str())];
    refused(
        &asked(&format!("https://localhost:{port}"), "tls = { ca = \"ca.pem\" }", &files).await,
    );
}

#[tokio::test]
async fn a_certificate_has_to_be_for_the_name_and_the_day() {
    let authority = Authority::new();
    let ca = authority.pem();
    let files = [("ca.pem", ca.as_str())];
    let port = server(acceptor(&authority.certify(&["api.internal"]), None, &[])).await;
    for host in ["localhost", "127.0.0.1"] {
        let to = format!("https://{host}:{port}");
        refused(&asked(&to, "tls = { ca = \"ca.pem\" }", &files).await);
        let named = "tls = { ca = \"ca.pem\", name = \"api.internal\" }";
        assert_eq!(asked(&to, named, &files).await.text(), "api.internal");
    }
    let mut old = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    old.not_before = date_time_ymd(2020, 1, 1);
    old.not_after = date_time_ymd(2021, 1, 1);
    let port = server(acceptor(&authority.sign(&old), None, &[])).await;
    refused(
        &asked(&format!("https://localhost:{port}"), "tls = { ca = \"ca.pem\" }", &files).await,
    );
    // An address is a name, too.
    let port = server(acceptor(&authority.certify(&["127.0.0.1"]), None, &[])).await;
    let to = format!("https://127.0.0.1:{port}");
    assert_eq!(asked(&to, "tls = { ca = \"ca.pem\" }", &files).await.status, 200);
}

#[tokio::test]
async fn a_server_that_wants_to_know_who_we_are_is_told() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let port = server(acceptor(&authority.certify(&["localhost"]), Some(&clients), &[])).await;
    let to = format!("https://localhost:{port}");
    let ca = authority.pem();
    let (cert, key) = clients.certify(&["gateway"]);
    let (forged, forged_key) = Authority::new().certify(&["gateway"]);
    let files = [
        ("ca.pem", ca.as_str()),
        ("client.pem", &cert),
        ("client.key", &key),
        ("forged.pem", &forged),
        ("forged.key", &forged_key),
    ];
    let identified = "tls = { ca = \"ca.pem\", cert = \"client.pem\", key = \"client.key\" }";
    assert_eq!(asked(&to, identified, &files).await.status, 200);
    let wrong = "tls = { ca = \"ca.pem\", cert = \"forged.pem\", key = \"forged.key\" }";
    for keys in ["tls = { ca = \"ca.pem\" }", wrong] {
        // In TLS 1.3 the server says so after the handshake.
        assert_eq!(asked(&to, keys, &files).await.status, 502, "{keys}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_never_spoken_to_in_clear() {
    let upstream = Upstream::by_hand().await;
    let to = format!("https://localhost:{}", upstream.addr.port());
    let setup = Setup::new(&Policy::at(&to).upstream("connect = \"1s\""));
    let gateway = setup.start().await;
    let mut client = gateway.connect().await;
    client.write(GET).await;
    let mut plain = upstream.accept().await;
    // A TLS record with a handshake, and no word of HTTP.
    let begin = plain.exactly(3).await;
    assert_eq!(begin[..2], [0x16, 3]);
    plain.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    refused(&client.reply().await);
    drop((client, plain));
    gateway.stop().await;
}

#[tokio::test]
async fn a_silent_handshake_ends_with_connect() {
    let upstream = Upstream::by_hand().await;
    let to = format!("https://localhost:{}", upstream.addr.port());
    for keys in ["connect = \"50ms\"", "connect = \"50ms\", h2 = true"] {
        let gateway = Setup::new(&Policy::at(&to).upstream(keys)).start().await;
        let mut client = gateway.connect().await;
        client.write(GET).await;
        let silent = upstream.accept().await;
        refused(&client.reply().await);
        drop((client, silent));
        gateway.stop().await;
    }
}

#[tokio::test]
async fn http2_is_agreed_on_in_the_handshake_or_not_spoken() {
    let authority = Authority::new();
    let pair = authority.certify(&["localhost"]);
    let ca = authority.pem();
    let mut server = H2Server::over_tls(acceptor(&pair, None, &[b"h2"])).await;
    let keys = "h2 = true, tls = { ca = \"ca.pem\" }";
    let to = format!("https://localhost:{}", server.addr.port());
    let setup = Setup::new(&Policy::at(&to).upstream(keys)).file("ca.pem", &ca);
    let gateway = setup.start().await;
    for _ in 0..2 {
        let mut client = gateway.connect().await;
        client.write(GET).await;
        let asked = server.next().await;
        assert_eq!(asked.head.uri, "https://a.test/public/x");
        asked.ok("ok");
        assert_eq!(soon("a reply", client.reply()).await.text(), "ok");
    }
    assert_eq!(server.connections(), 1);
    gateway.stop().await;
    // One that offers nothing, and one that offers something else.
    for alpn in [&[][..], &[&b"http/1.1"[..]]] {
        let port = self::server(acceptor(&pair, None, alpn)).await;
        let files = [("ca.pem", ca.as_str())];
        refused(&asked(&format!("https://localhost:{port}"), keys, &files).await);
    }
}
