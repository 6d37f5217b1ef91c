//! Several certificates on one listener, and the versions that are spoken.

use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, ClientConfig, Error};

use super::tls::ask;
use crate::common::h2::{H2Conn, get};
use crate::common::tls::{Pair, connect, trusting};
use crate::common::{Policy, Setup, Stage, Upstream};

const LISTEN: &str = "listen = { addr = \"127.0.0.1:0\", tls = true }\nworkers = 1\n";
const FILES: &str = "[tls]\ncert = \"gate.pem\"\nkey = \"gate.key\"\n";

/// A gateway with a default certificate and more, and keys of `[tls]`.
async fn stage(pairs: &[(&str, &Pair)], keys: &str) -> Stage {
    let upstream = Upstream::start().await;
    let entry = |(name, _): &(&str, &Pair)| {
        format!("[[tls.certificates]]\ncert = \"{name}.pem\"\nkey = \"{name}.key\"\n")
    };
    let more: String = pairs[1..].iter().map(entry).collect();
    let more = format!("{FILES}{keys}\n{more}");
    let policy = Policy::to(&upstream).top(LISTEN).and(&more);
    let mut setup = Setup::new(&policy);
    for (name, pair) in pairs {
        setup = setup.file(&format!("{name}.pem"), &pair.cert);
        setup = setup.file(&format!("{name}.key"), &pair.key);
    }
    Stage::of(upstream, setup.binds()).await
}

fn client(pairs: &[&Pair]) -> ClientConfig {
    trusting(pairs, rustls::ALL_VERSIONS).with_no_client_auth()
}

/// Why there is no TLS with a server of that name.
async fn refusal(stage: &Stage, name: &str, client: ClientConfig) -> Error {
    let error = connect(stage.gateway.addr, name, client).await.expect_err("a connection");
    let error = error.into_inner().expect("a cause").downcast::<Error>();
    *error.expect("an error of TLS")
}

#[tokio::test]
async fn each_name_is_shown_its_own_certificate() {
    let gate = Pair::new(&["gate.test", "192.0.2.7"]);
    let wild = Pair::new(&["*.a.test", "b.test"]);
    let special = Pair::new(&["special.a.test", "a.test"]);
    let pairs = [("gate", &gate), ("wild", &wild), ("special", &special)];
    let stage = stage(&pairs, "").await;
    let all = [&gate, &wild, &special];
    for (name, shown) in [
        ("gate.test", &gate),
        ("x.a.test", &wild),
        ("b.test", &wild),
        ("special.a.test", &special),
        ("SPECIAL.A.test", &special),
        ("a.test", &special),
    ] {
        let mut stream = connect(stage.gateway.addr, name, client(&all)).await.unwrap();
        let certificates = stream.get_ref().1.peer_certificates().unwrap();
        assert_eq!(certificates, [shown.der()], "{name}");
        assert!(ask(&mut stream, name).await.starts_with("HTTP/1.1 200"), "{name}");
    }
    // Nobody's name, and one label too many for a wildcard: the default, which does not fit.
    for name in ["nobody.test", "y.x.a.test"] {
        let error = refusal(&stage, name, client(&all)).await.to_string();
        assert!(error.contains("gate.test"), "{name}: {error}");
    }
    // No name at all, as with an address.
    let mut stream = connect(stage.gateway.addr, "192.0.2.7", client(&all)).await.unwrap();
    assert_eq!(stream.get_ref().1.peer_certificates().unwrap(), [gate.der()]);
    assert!(ask(&mut stream, "192.0.2.7").await.starts_with("HTTP/1.1 200"));
    assert_eq!(stage.finish().await.len(), 7);
}

/// One connection of a browser is for all hosts of the certificate, and for none of another one.
#[tokio::test]
async fn a_connection_serves_the_hosts_of_its_certificate_alone() {
    let (gate, other) = (Pair::new(&["gate.test", "*.gate.test"]), Pair::new(&["other.test"]));
    let stage = stage(&[("gate", &gate), ("other", &other)], "").await;
    let mut client = client(&[&gate, &other]);
    client.alpn_protocols = vec![b"h2".to_vec()];
    let stream = connect(stage.gateway.addr, "gate.test", client).await.unwrap();
    let mut h2 = H2Conn::with(stream, &[]).await;
    for (host, status) in [
        ("gate.test", 200),
        ("x.gate.test", 200),
        ("other.test", 421),
        ("y.x.gate.test", 421),
        ("gate.test", 200),
    ] {
        let mut fields = get("/public/x");
        fields[1].1 = "https";
        fields[2].1 = host;
        assert_eq!(h2.ask(&fields).await.status(), Some(status), "{host}");
    }
    drop(h2);
    assert_eq!(stage.finish().await.len(), 3);
}

#[tokio::test]
async fn an_unknown_name_is_refused_where_that_is_asked_for() {
    let (gate, other) = (Pair::new(&["gate.test"]), Pair::new(&["other.test"]));
    let stage = stage(&[("gate", &gate), ("other", &other)], "strict_sni = true").await;
    for version in [&TLS12, &TLS13] {
        let client = trusting(&[&gate, &other], &[version]).with_no_client_auth();
        let error = refusal(&stage, "nobody.test", client).await;
        assert_eq!(error, Error::AlertReceived(AlertDescription::UnrecognisedName));
    }
    for name in ["gate.test", "other.test"] {
        let client = client(&[&gate, &other]);
        let mut stream = connect(stage.gateway.addr, name, client).await.unwrap();
        assert!(ask(&mut stream, name).await.starts_with("HTTP/1.1 200"));
    }
    // Whoever names nobody cannot be wrong.
    let mut nameless = client(&[&gate]);
    nameless.enable_sni = false;
    let mut stream = connect(stage.gateway.addr, "gate.test", nameless).await.unwrap();
    assert!(ask(&mut stream, "gate.test").await.starts_with("HTTP/1.1 200"));
    assert_eq!(stage.finish().await.len(), 3);
}

#[tokio::test]
async fn the_oldest_version_is_the_operators_choice() {
    let gate = Pair::new(&["gate.test"]);
    let stage = stage(&[("gate", &gate)], "min = \"1.3\"").await;
    let error = refusal(&stage, "gate.test", gate.client_of(&[], &[&TLS12])).await;
    assert_eq!(error, Error::AlertReceived(AlertDescription::ProtocolVersion));
    let client = gate.client_of(&[], &[&TLS13]);
    let mut stream = connect(stage.gateway.addr, "gate.test", client).await.unwrap();
    assert!(ask(&mut stream, "gate.test").await.starts_with("HTTP/1.1 200"));
    assert_eq!(stage.finish().await.len(), 1);
}
