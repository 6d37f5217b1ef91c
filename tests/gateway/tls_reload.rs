//! New certificates while the gateway runs.

use std::fs;
use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::tls::ask;
use crate::common::tls::{Authority, Pair, connect};
use crate::common::{Policy, Setup, Stage, Upstream, soon};

const FILES: &str = "[tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\npoll = \"20ms\"\n";

async fn stage(setup: impl FnOnce(Setup) -> Setup, listen: &str, keys: &str) -> Stage {
    let upstream = Upstream::start().await;
    let listen =
        format!("listen = {{ addr = \"127.0.0.1:0\", tls = true{listen} }}\nworkers = 1\n");
    let policy = Policy::to(&upstream).top(&listen).and(&format!("{FILES}{keys}"));
    Stage::of(upstream, setup(Setup::new(&policy)).binds()).await
}

fn write(folder: &Path, pair: &Pair) {
    // Not in one step: what fits together is taken up once it is whole.
    fs::write(folder.join("cert.pem"), &pair.cert).unwrap();
    fs::write(folder.join("key.pem"), &pair.key).unwrap();
}

/// Connects until the certificate is shown.
async fn shown(stage: &Stage, pair: &Pair) {
    let addr = stage.gateway.addr;
    let seen = async { while connect(addr, "gate.test", pair.client(&[])).await.is_err() {} };
    soon("the new certificate", seen).await;
}

#[tokio::test]
async fn a_new_certificate_is_shown_and_running_connections_stay() {
    let (old, new) = (Pair::new(&["gate.test"]), Pair::new(&["gate.test"]));
    let files = |setup: Setup| setup.file("cert.pem", &old.cert).file("key.pem", &old.key);
    let stage = stage(files, "", "").await;
    let mut running =
        connect(stage.gateway.addr, "gate.test", old.client(&["http/1.1"])).await.unwrap();
    // It is busy, for one that rests could be closed.
    running.write_all(b"GET /public/x HTTP/1.1\r\n").await.unwrap();
    // A pair that is broken changes nothing; the next good one does.
    fs::write(stage.gateway.folder().join("cert.pem"), "a letter to my aunt").unwrap();
    let mut still = connect(stage.gateway.addr, "gate.test", old.client(&[])).await.unwrap();
    assert!(ask(&mut still, "gate.test").await.starts_with("HTTP/1.1 200"));
    write(stage.gateway.folder(), &new);
    shown(&stage, &new).await;
    assert!(connect(stage.gateway.addr, "gate.test", old.client(&[])).await.is_err());
    running.write_all(b"Host: gate.test\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    soon("an answer", running.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    stage.finish().await;
}

/// As Kubernetes does it: a link to a folder is put in the place of another one.
#[tokio::test]
async fn a_link_that_leads_elsewhere_is_followed() {
    let (old, new) = (Pair::new(&["gate.test"]), Pair::new(&["gate.test"]));
    let links = |setup: Setup| {
        let folder = setup.folder();
        for (version, pair) in [("1", &old), ("2", &new)] {
            fs::create_dir(folder.join(version)).unwrap();
            write(&folder.join(version), pair);
        }
        std::os::unix::fs::symlink("1", folder.join("now")).unwrap();
        for name in ["cert.pem", "key.pem"] {
            std::os::unix::fs::symlink(format!("now/{name}"), folder.join(name)).unwrap();
        }
        setup
    };
    let stage = stage(links, "", "").await;
    shown(&stage, &old).await;
    let folder = stage.gateway.folder();
    std::os::unix::fs::symlink("2", folder.join("next")).unwrap();
    fs::rename(folder.join("next"), folder.join("now")).unwrap();
    shown(&stage, &new).await;
    stage.finish_untouched().await;
}

#[tokio::test]
async fn an_authority_that_is_no_longer_believed_vouches_for_nobody() {
    let pair = Pair::new(&["gate.test"]);
    let (old, new) = (Authority::new(), Authority::new());
    let (before, after) = (old.issue("billing", vec![]), new.issue("billing", vec![]));
    let files = |setup: Setup| {
        let setup = setup.file("cert.pem", &pair.cert).file("key.pem", &pair.key);
        setup.file("ca.pem", &old.cert)
    };
    let listen = ", client_auth = \"required\"";
    let stage = stage(files, listen, "client_ca = \"ca.pem\"\n").await;
    let answer = async |holder: &Pair| {
        let client = pair.client_as(holder, &["http/1.1"]);
        let mut stream = connect(stage.gateway.addr, "gate.test", client).await.ok()?;
        let request = b"GET /public/x HTTP/1.1\r\nHost: gate.test\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.ok()?;
        let mut answer = String::new();
        soon("an answer", stream.read_to_string(&mut answer)).await.ok()?;
        Some(answer)
    };
    assert!(answer(&before).await.unwrap().starts_with("HTTP/1.1 200"));
    assert!(answer(&after).await.is_none());
    fs::write(stage.gateway.folder().join("ca.pem"), &new.cert).unwrap();
    soon("the new authority", async { while answer(&after).await.is_none() {} }).await;
    assert!(answer(&before).await.is_none());
    stage.finish().await;
}
