//! Certificates that an authority issues: what is shown while there is none, and what is kept.
//! Against a real authority: `tests/acme.sh`.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::tls::ask;
use crate::common::tls::{Pair, connect};
use crate::common::{Conn, Policy, Setup, Stage, Upstream, soon};

const LISTEN: &str = "listen = [{ addr = \"127.0.0.1:0\", tls = true }, \"127.0.0.1:0\", \
                      { addr = \"127.0.0.1:0\", redirect = true }]\n\
                      workers = 1\npublic = \"https://gate.test\"\n";

/// Somebody who is asked for certificates, and says nothing.
struct Silent {
    listener: TcpListener,
    port: u16,
}

impl Silent {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        listener.set_nonblocking(true).unwrap();
        Self { listener, port }
    }

    fn was_asked(&self) -> bool {
        self.listener.accept().is_ok()
    }

    fn policy(&self, upstream: &Upstream) -> Policy {
        let acme = format!(
            "[tls]\npoll = \"20ms\"\n[tls.acme]\ndomains = [\"gate.test\"]\n\
             directory = \"https://127.0.0.1:{}/dir\"\nca = \"ca.pem\"\nterms_accepted = true\n",
            self.port
        );
        Policy::to(upstream).top(LISTEN).and(&acme)
    }

    /// Where the certificate is kept.
    fn file(&self, folder: &Path) -> PathBuf {
        folder.join(format!("portcullis.acme/127.0.0.1-{}-dir/certificate.pem", self.port))
    }

    fn keep(&self, setup: &Setup, pair: &Pair) {
        let path = self.file(setup.folder());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{}{}", pair.key, pair.cert)).unwrap();
    }
}

async fn asked(authority: &Silent) {
    let asked = async {
        while !authority.was_asked() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon("an order", asked).await;
}

#[tokio::test]
async fn nothing_is_shown_before_there_is_a_certificate_and_it_is_taken_up_when_it_is_there() {
    let (upstream, authority) = (Upstream::start().await, Silent::new());
    let pair = Pair::new(&["gate.test"]);
    let setup = Setup::new(&authority.policy(&upstream)).file("ca.pem", &pair.cert);
    let stage = Stage::of(upstream, setup.binds()).await;
    asked(&authority).await;
    let addrs = stage.gateway.addrs.clone();
    for name in ["gate.test", "other.test"] {
        assert!(connect(addrs[0], name, pair.client(&[])).await.is_err(), "{name}");
    }
    // In clear everything is as it always is.
    for (addr, path, status) in [
        (addrs[1], "/public/x", 200),
        (addrs[1], "/.well-known/acme-challenge/x", 404),
        (addrs[2], "/.well-known/acme-challenge/x", 308),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: gate.test\r\n\r\n");
        let reply = Conn::open(addr).await.ask(&request).await;
        assert_eq!(reply.status, status, "{path}");
    }
    authority.keep(stage.gateway.setup(), &pair);
    let seen = async { while connect(addrs[0], "gate.test", pair.client(&[])).await.is_err() {} };
    soon("the certificate", seen).await;
    // A client that names no host of ours is shown it, too.
    let mut stream = connect(addrs[0], "gate.test", pair.client(&[])).await.unwrap();
    assert!(ask(&mut stream, "gate.test").await.starts_with("HTTP/1.1 200"));
    let text = stage.gateway.metrics.text();
    assert!(text.contains("portcullis_certificate_expiry_timestamp_seconds{file="), "{text}");
    assert_eq!(stage.finish().await.len(), 2);
}

#[tokio::test]
async fn an_order_that_fails_is_counted_and_noted_and_not_made_again_by_the_next_start() {
    let upstream = Upstream::start().await;
    let pair = Pair::new(&["gate.test"]);
    let mut authority = Silent::new();
    // From now on nobody listens there.
    authority.listener = Silent::new().listener;
    let setup = Setup::new(&authority.policy(&upstream)).file("ca.pem", &pair.cert).binds();
    let folder = authority.file(setup.folder()).parent().unwrap().to_owned();
    let again = setup.clone();
    let stage = Stage::of(upstream, setup).await;
    stage.gateway.shows("portcullis_certificate_orders_total{outcome=\"failed\"} 1").await;
    stage.gateway.shows("portcullis_certificate_orders_total{outcome=\"issued\"} 0").await;
    let text = stage.gateway.metrics.text();
    assert!(text.contains("\nportcullis_certificate_order_failure_timestamp_seconds 1"), "{text}");
    let noted = async { while fs::read(folder.join("last-failure")).is_err() {} };
    soon("a note", noted).await;
    let note = fs::read_to_string(folder.join("last-failure")).unwrap();
    assert!(note.contains("the authority: not connected"), "{note}");
    stage.finish_untouched().await;
    let gateway = again.start().await;
    gateway.shows("portcullis_certificate_orders_total{outcome=\"failed\"} 0").await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_certificate_that_is_kept_is_shown_at_once_and_no_other_is_ordered() {
    let (upstream, authority) = (Upstream::start().await, Silent::new());
    let pair = Pair::new(&["gate.test"]);
    let setup = Setup::new(&authority.policy(&upstream)).file("ca.pem", &pair.cert).binds();
    authority.keep(&setup, &pair);
    let stage = Stage::of(upstream, setup).await;
    for _ in 0..2 {
        let mut stream = connect(stage.gateway.addr, "gate.test", pair.client(&[])).await.unwrap();
        assert!(ask(&mut stream, "gate.test").await.starts_with("HTTP/1.1 200"));
        // Another policy leaves it as it is.
        stage.gateway.reload(&authority.policy(&stage.upstream));
    }
    assert!(!authority.was_asked());
    assert_eq!(stage.finish().await.len(), 2);
}

#[tokio::test]
async fn a_certificate_for_other_names_is_shown_while_another_is_ordered() {
    let (upstream, authority) = (Upstream::start().await, Silent::new());
    let pair = Pair::new(&["gate.test", "other.test"]);
    let setup = Setup::new(&authority.policy(&upstream)).file("ca.pem", &pair.cert).binds();
    authority.keep(&setup, &pair);
    let stage = Stage::of(upstream, setup).await;
    asked(&authority).await;
    let mut stream = connect(stage.gateway.addr, "gate.test", pair.client(&[])).await.unwrap();
    assert!(ask(&mut stream, "gate.test").await.starts_with("HTTP/1.1 200"));
    assert_eq!(stage.finish().await.len(), 1);
}
