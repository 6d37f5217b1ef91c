//! Bodies at the endpoints: an answer in JSON that blames the client, and nothing of the password.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use portcullis::store::RedbStore;
use portcullis::{Config, Gateway, GatewayService};
use tokio::runtime::Runtime;
use tower::ServiceExt;

const POLICY: &str = r#"
[auth.password]
memory = "8KiB"
passes = 1
[auth.throttle]
account = "off"
address = "off"
register = "off"
"#;
const PATHS: [&str; 6] =
    ["token/", "register/", "token/refresh/", "token/verify/", "token/blacklist/", "logout/"];
const TYPES: [&str; 3] =
    ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=XX"];

struct Endpoints {
    runtime: Runtime,
    service: GatewayService,
}

static ENDPOINTS: LazyLock<Endpoints> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let inside = runtime.enter();
    let config = Config::parse("policy", POLICY, Path::new("/")).expect("a policy").config;
    let store = Arc::new(RedbStore::in_memory().expect("a store"));
    let gateway = Gateway::builder(config).store(store).ephemeral_keys().build();
    let service = gateway.expect("a gateway").endpoints();
    drop(inside);
    Endpoints { runtime, service }
});

/// The first byte chooses endpoint and media type, the rest is the body.
pub(crate) fn run(bytes: &[u8]) {
    let Some((first, body)) = bytes.split_first() else { return };
    let path = PATHS[usize::from(*first) % PATHS.len()];
    let kind = TYPES[usize::from(*first) / PATHS.len() % TYPES.len()];
    let request = Request::post(format!("/api/auth/{path}"))
        .header("host", "a.test")
        .header("content-type", kind)
        .body(Full::new(Bytes::copy_from_slice(body)))
        .expect("a request");
    let Endpoints { runtime, service } = &*ENDPOINTS;
    let (status, answer) = runtime.block_on(async {
        let answer = service.clone().oneshot(request).await.expect("every outcome is a response");
        (answer.status(), answer.into_body().collect().await.expect("a body").to_bytes())
    });
    assert!(!status.is_server_error(), "{status} for {path} with {kind}");
    let told: serde_json::Value = serde_json::from_slice(&answer).unwrap_or_default();
    assert!(told.is_object() || answer.is_empty(), "{status}: {answer:?}");
    if status == 201 {
        let fields: Vec<_> = told.as_object().expect("an account").keys().collect();
        assert_eq!(fields, ["username", "email"]);
    }
}
