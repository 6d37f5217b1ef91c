//! What an upstream answers: a response that is whole, or a refusal of ours; never half of one that
//! looks whole.

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use portcullis::store::RedbStore;
use portcullis::{Config, Gateway, GatewayService};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::runtime::Runtime;
use tower::ServiceExt;

struct Behind {
    runtime: Runtime,
    service: GatewayService,
    upstream: UnixListener,
    _folder: TempDir,
}

static BEHIND: LazyLock<Behind> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("up");
    let policy = format!(
        "[upstreams]\nup = {{ to = \"unix:{}\", retries = 0 }}\n\
         [routes]\n\"/*\" = {{ to = \"up\", allow = \"anyone\" }}\n",
        socket.display()
    );
    let inside = runtime.enter();
    let upstream = UnixListener::bind(&socket).expect("a socket");
    let config = Config::parse("policy", &policy, Path::new("/")).expect("a policy").config;
    let store = Arc::new(RedbStore::in_memory().expect("a store"));
    let gateway = Gateway::builder(config).store(store).ephemeral_keys().build();
    let service = gateway.expect("a gateway").service();
    drop(inside);
    Behind { runtime, service, upstream, _folder: folder }
});

pub(crate) fn run(bytes: &[u8]) {
    let Behind { runtime, service, upstream, .. } = &*BEHIND;
    runtime.block_on(async {
        let request = Request::get("/x").header("host", "a.test").body(Empty::<Bytes>::new());
        let asked = async {
            let answer = service.clone().oneshot(request.expect("a request")).await;
            let answer = answer.expect("every outcome is a response");
            let status = answer.status();
            (status, answer.headers().clone(), answer.into_body().collect().await)
        };
        let served = async {
            let (mut stream, _) = upstream.accept().await.expect("a connection");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.expect("a request"));
            }
            stream.write_all(bytes).await.ok();
            // Closed with it.
        };
        let both = async { tokio::join!(asked, served).0 };
        let both = tokio::time::timeout(Duration::from_secs(10), both).await;
        let (status, headers, body) = both.expect("a connection that was closed ends its response");
        let body = body.map(http_body_util::Collected::to_bytes);
        judge(bytes, status.as_u16(), &headers, body.ok().as_ref());
    });
}

fn judge(bytes: &[u8], status: u16, headers: &http::HeaderMap, body: Option<&Bytes>) {
    let Some(body) = body else { return };
    if status == 502 && body.starts_with(b"{\"detail\"") {
        return;
    }
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut rest = bytes;
    let head = loop {
        let mut response = httparse::Response::new(&mut fields);
        let parsed = response.parse(rest).expect("a head that passed is one");
        let httparse::Status::Complete(length) = parsed else { panic!("half a head passed") };
        rest = &rest[length..];
        if response.code.is_some_and(|code| (100..200).contains(&code) && code != 101) {
            fields = [httparse::EMPTY_HEADER; 128];
            continue;
        }
        break response;
    };
    assert_eq!(head.code, Some(status));
    let length =
        head.headers.iter().filter(|field| field.name.eq_ignore_ascii_case("content-length"));
    let length = length.map(|field| String::from_utf8_lossy(field.value).trim().to_owned()).next();
    let coded =
        head.headers.iter().any(|field| field.name.eq_ignore_ascii_case("transfer-encoding"));
    if let (Some(length), false, false) = (length, coded, status == 204 || status == 304) {
        let wanted: usize =
            length.split(',').next().unwrap_or_default().trim().parse().expect("a length");
        assert_eq!(body.len(), wanted, "half a body looks whole");
    }
    assert!(!headers.contains_key("connection") && !headers.contains_key("keep-alive"));
}
