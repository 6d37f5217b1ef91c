//! A gateway that is a part of another program: around its handlers as a layer, and serving them.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::{StatusCode, header};
use hyper_util::rt::TokioIo;
use portcullis::clock::{ManualClock, Timestamp};
use portcullis::identity::UserId;
use portcullis::rooms::session::{Accounts, NewAccount, Registered};
use portcullis::store::{RedbStore, UserChange};
use portcullis::{Config, Gateway, Identity, Secret};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower::Layer;

use crate::common::{Conn, NOW, PASSWORD, Reply, SECRET, claims, mint, soon};

const POLICY: &str = r#"
[upstreams]
app = { inner = true }
[routes]
"/orders/*" = { to = "app" }
"/public/*" = { to = "app", allow = "anyone", body = "10B" }
"/admin/*" = { to = "app", allow = "role:admin" }
"/events" = { to = "app" }
"/ws/*" = { to = "app", websocket = true }
"/late" = { to = "app", allow = "anyone", timeout = "50ms" }
[auth.password]
memory = "8KiB"
passes = 1
[auth.throttle]
account = "off"
address = "off"
register = "off"
"#;

/// Who serves the connections.
#[derive(Clone, Copy, Debug)]
enum By {
    /// axum, with the gateway as a layer.
    Axum,
    /// The gateway, with the program's handlers behind it.
    Gateway,
}

/// A program with a gateway in it.
struct Program {
    addr: SocketAddr,
    accounts: Arc<Accounts>,
    alice: UserId,
    token: String,
    /// How many requests came to its handlers.
    asked: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Program {
    async fn start(by: By) -> Self {
        let policy =
            format!("{POLICY}[auth.signing]\nalgorithm = \"HS256\"\nsecret = \"{SECRET}\"\n");
        let config = Config::parse("policy", &policy, Path::new(".")).unwrap().config;
        let (asked, app) = app();
        let builder = Gateway::builder(config)
            .store(Arc::new(RedbStore::in_memory().unwrap()))
            .clock(Arc::new(ManualClock::new(Timestamp::from_secs(NOW))))
            .ephemeral_keys();
        let builder = match by {
            By::Axum => builder,
            By::Gateway => builder.route_handler(app.clone()),
        };
        let gateway = builder.build().unwrap();
        let accounts = Arc::clone(gateway.accounts());
        let account = NewAccount {
            username: "alice".to_owned(),
            email: "alice@example.com".to_owned(),
            password: Some(Secret::from(PASSWORD.to_owned())),
            roles: vec!["editor".to_owned()],
        };
        let Registered::Created(alice) = accounts.register(account, None).await.unwrap() else {
            panic!("no alice")
        };
        let alice = alice.id;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let serving = match by {
            By::Axum => {
                let guarded = Router::new().fallback_service(gateway.layer().layer(app));
                tokio::spawn(async move { axum::serve(listener, guarded).await.unwrap() })
            }
            By::Gateway => {
                let never = std::future::pending();
                tokio::spawn(async move { gateway.serve(listener, never).await.unwrap() })
            }
        };
        let token = mint(&claims(&alice.to_string()));
        Self { addr, accounts, alice, token, asked, serving }
    }

    async fn ask(&self, method: &str, path: &str, fields: &str, body: &str) -> Reply {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n{fields}\
             Content-Length: {length}\r\n\r\n{body}"
        );
        Conn::open(self.addr).await.ask(request).await
    }

    fn bearer(&self) -> String {
        format!("Authorization: Bearer {}\r\n", self.token)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn app() -> (Arc<AtomicUsize>, Router) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let echo = move |request: Request| {
        counted.fetch_add(1, Ordering::SeqCst);
        echo(request)
    };
    let app = Router::new()
        .route("/events", get(events))
        .route("/late", get(std::future::pending::<StatusCode>))
        .route("/ws/open", get(open))
        .fallback(echo);
    (asked, app)
}

/// What a handler sees.
async fn echo(request: Request) -> String {
    let head = head(&request);
    let body = axum::body::to_bytes(request.into_body(), 1000).await;
    let length = body.map_or_else(|_| json!("broken off"), |body| json!(body.len()));
    json!({ "head": head, "body": length }).to_string()
}

fn head(request: &Request) -> Value {
    let field = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap());
    let caller = request.extensions().get::<Identity>();
    json!({
        "path": request.uri().to_string(),
        "caller": caller.map(|caller| &caller.username),
        "name": field("x-user-name"),
        "credential": field("authorization"),
    })
}

/// An event, and then nothing for ever.
async fn events() -> Response {
    let event = Ok::<_, std::io::Error>(Bytes::from_static(b"data: x\n\n"));
    let first = futures_util::stream::iter([event]);
    let stream = futures_util::StreamExt::chain(first, futures_util::stream::pending());
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(stream)).into_response()
}

/// Another protocol, in which the program speaks first.
async fn open(mut request: Request) -> Response {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut stream = TokioIo::new(upgrade.await.unwrap());
        stream.write_all(b"\x81\x02hi").await.unwrap();
    });
    let accept = [(header::SEC_WEBSOCKET_ACCEPT, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")];
    (
        StatusCode::SWITCHING_PROTOCOLS,
        accept,
        [(header::CONNECTION, "upgrade")],
        [(header::UPGRADE, "websocket")],
    )
        .into_response()
}

#[tokio::test]
async fn handlers_see_what_the_policy_lets_through_and_who_asks() {
    for by in [By::Axum, By::Gateway] {
        let program = Program::start(by).await;
        let forged = "X-User-Name: root\r\nx_user_name: root\r\n";
        let reply =
            program.ask("GET", "/orders/%7Ea?x=/../b", &(program.bearer() + forged), "").await;
        let head = json!({
            "path": "/orders/~a?x=/../b", "caller": "alice", "name": "alice", "credential": null,
        });
        assert_eq!(
            (reply.status, reply.json()),
            (200, json!({ "head": head, "body": 0 })),
            "{by:?}"
        );
        let reply = program.ask("POST", "/public/x", forged, "12345").await;
        let head = json!({ "path": "/public/x", "caller": null, "name": null, "credential": null });
        assert_eq!(
            (reply.status, reply.json()),
            (200, json!({ "head": head, "body": 5 })),
            "{by:?}"
        );
        assert_eq!(program.asked(), 2);

        let bearer = program.bearer();
        for (path, fields, status) in [
            ("/orders/7", "", 401),
            ("/admin/x", bearer.as_str(), 403),
            ("/nowhere", bearer.as_str(), 404),
            ("/public/..%2fadmin/x", bearer.as_str(), 400),
        ] {
            let reply = program.ask("GET", path, fields, "").await;
            assert_eq!(reply.status, status, "{by:?} {path}");
        }
        assert_eq!(program.ask("POST", "/public/x", "", "12345678901").await.status, 413);
        assert_eq!(program.asked(), 2, "{by:?}: a handler was asked before its caller was judged");
    }
}

#[tokio::test]
async fn the_endpoints_are_there_and_a_login_opens_the_handlers() {
    for by in [By::Axum, By::Gateway] {
        let program = Program::start(by).await;
        let account = json!({ "username": "alice", "password": PASSWORD }).to_string();
        let kind = "Content-Type: application/json\r\n";
        let reply = program.ask("POST", "/api/auth/token/", kind, &account).await;
        let access = reply.json()["access"].as_str().unwrap().to_owned();
        let bearer = format!("Authorization: Bearer {access}\r\n");
        assert_eq!(program.ask("GET", "/orders/7", &bearer, "").await.status, 200, "{by:?}");
    }
}

#[tokio::test]
async fn a_stream_of_the_program_ends_when_its_caller_may_not_go_on() {
    for by in [By::Axum, By::Gateway] {
        let program = Program::start(by).await;
        let mut client = Conn::open(program.addr).await;
        let bearer = program.bearer();
        client.write(format!("GET /events HTTP/1.1\r\nHost: a.test\r\n{bearer}\r\n")).await;
        assert!(client.head().await.starts_with("HTTP/1.1 200"));
        assert_eq!(client.chunk().await, b"data: x\n\n");
        program.accounts.change(program.alice, UserChange::Active(false)).await.unwrap();
        soon("the end of the stream", async { assert_eq!(client.chunk().await, b"") }).await;
    }
}

#[tokio::test]
async fn a_handler_may_open_a_websocket_where_its_route_has_them() {
    for by in [By::Axum, By::Gateway] {
        let program = Program::start(by).await;
        let ask = |path: &str| {
            format!(
                "GET {path} HTTP/1.1\r\nHost: a.test\r\n{}Connection: Upgrade\r\n\
                 Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                program.bearer()
            )
        };
        let mut client = Conn::open(program.addr).await;
        client.write(ask("/ws/open")).await;
        let head = client.head().await.to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 101"), "{by:?} {head}");
        assert!(head.contains("upgrade: websocket") && head.contains("connection: upgrade"));
        assert_eq!(client.exactly(4).await, b"\x81\x02hi");
        // Elsewhere it is an ordinary request.
        let reply = Conn::open(program.addr).await.ask(ask("/orders/x")).await;
        assert_eq!(reply.status, 200, "{by:?}");
    }
}

#[tokio::test]
async fn a_handler_that_takes_too_long_is_not_waited_for() {
    for by in [By::Axum, By::Gateway] {
        let program = Program::start(by).await;
        let reply = program.ask("GET", "/late", "", "").await;
        assert_eq!((reply.status, reply.json()["code"].clone()), (504, json!("upstream_timeout")));
    }
}
