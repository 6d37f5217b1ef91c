//! Parts of a gateway in a program of axum: its endpoints beside other handlers, and the caller as
//! an argument of handlers.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::map_request;
use axum::routing::{any, get, post};
use portcullis::clock::{ManualClock, Timestamp};
use portcullis::rooms::session::{NewAccount, Registered};
use portcullis::rooms::web::Peer;
use portcullis::store::RedbStore;
use portcullis::{Config, Gateway, Identity, Secret};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower::Layer;

use crate::common::{Conn, NOW, PASSWORD, Reply, SECRET, claims, mint};

/// With routes that nobody can take where the endpoints stand alone.
const POLICY: &str = r#"
trust = ["127.0.0.1"]
[upstreams]
app = { inner = true }
echo = { whoami = true }
[routes]
"/open/*" = { to = "app", allow = "anyone" }
"/orders/*" = { to = "app" }
"/echo" = { to = "echo", allow = "anyone", cors = { origins = ["https://a.test"] } }
[forward_auth]
path = "/forward-auth"
[pages]
[auth]
cors = ["https://a.test"]
[auth.password]
memory = "8KiB"
passes = 1
[auth.throttle]
account = "off"
address = "3/15m"
[auth.signing]
algorithm = "HS256"
"#;

struct Program {
    addr: SocketAddr,
    serving: JoinHandle<()>,
}

/// A gateway with alice in it, and a token of hers.
async fn gateway() -> (Gateway, String) {
    let policy = format!("{POLICY}secret = \"{SECRET}\"\n");
    let config = Config::parse("policy", &policy, Path::new(".")).unwrap().config;
    let gateway = Gateway::builder(config)
        .store(Arc::new(RedbStore::in_memory().unwrap()))
        .clock(Arc::new(ManualClock::new(Timestamp::from_secs(NOW))))
        .ephemeral_keys()
        .build()
        .unwrap();
    let account = NewAccount {
        username: "alice".to_owned(),
        email: String::new(),
        password: Some(Secret::from(PASSWORD.to_owned())),
        roles: Vec::new(),
    };
    let Registered::Created(alice) = gateway.accounts().register(account, None).await.unwrap()
    else {
        panic!("no alice")
    };
    let token = mint(&claims(&alice.id.to_string()));
    (gateway, token)
}

impl Program {
    async fn serve(app: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { addr, serving }
    }

    async fn ask(&self, method: &str, path: &str, fields: &str, body: &str) -> Reply {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n{fields}\
             Content-Length: {length}\r\n\r\n{body}"
        );
        Conn::open(self.addr).await.ask(request).await
    }

    async fn log_in(&self, fields: &str, password: &str) -> Reply {
        let account = json!({ "username": "alice", "password": password }).to_string();
        let fields = format!("{fields}Content-Type: application/json\r\n");
        self.ask("POST", "/api/auth/token/", &fields, &account).await
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The endpoints beside a handler of the program's own.
async fn mounted() -> (Program, String) {
    let (gateway, token) = gateway().await;
    let app =
        Router::new().route("/hello", get(async || "hello")).fallback_service(gateway.endpoints());
    (Program::serve(app).await, token)
}

#[tokio::test]
async fn endpoints_stand_beside_handlers_of_the_program() {
    let (program, token) = mounted().await;
    assert_eq!(program.ask("GET", "/hello", "", "").await.text(), "hello");
    let access = program.log_in("", PASSWORD).await.json()["access"].as_str().unwrap().to_owned();
    for token in [access, token] {
        let bearer = format!("Authorization: Bearer {token}\r\n");
        let reply = program.ask("GET", "/api/auth/profile/", &bearer, "").await;
        assert_eq!(reply.json(), json!({ "username": "alice", "email": "" }));
    }
    for path in ["/.well-known/jwks.json", "/api/auth/openapi.json"] {
        assert_eq!(program.ask("GET", path, "", "").await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn beside_the_endpoints_there_is_nothing() {
    let (program, token) = mounted().await;
    let bearer = format!("Authorization: Bearer {token}\r\nX-Forwarded-Uri: /open/x\r\n");
    let reply = program.ask("GET", "/api/auth/nothing/", &bearer, "").await;
    assert_eq!((reply.status, reply.json()), (404, json!({ "detail": "Not found." })));
    let nowhere = json!({ "detail": "Not found.", "code": "no_route" });
    // Routes, the place where proxies ask, and nothing at all.
    for path in ["/orders/7", "/open/x", "/echo", "/forward-auth", "/nowhere"] {
        for method in ["GET", "POST", "TRACE"] {
            let reply = program.ask(method, path, &bearer, "").await;
            assert_eq!((reply.status, reply.json()), (404, nowhere.clone()), "{method} {path}");
        }
    }
    // Pages would set a cookie that opens nothing here.
    let reply = program.ask("GET", "/auth/sign-in/", "", "").await;
    assert_eq!((reply.status, reply.one("content-type")), (404, "application/json"));
    let asks = "Origin: https://a.test\r\nAccess-Control-Request-Method: GET\r\n";
    assert_eq!(program.ask("OPTIONS", "/echo", asks, "").await.status, 404);
    let granted = program.ask("OPTIONS", "/api/auth/profile/", asks, "").await;
    assert_eq!(granted.one("access-control-allow-origin"), "https://a.test");
}

#[tokio::test]
async fn a_request_comes_to_the_endpoints_on_its_usual_way() {
    let (program, _) = mounted().await;
    for (path, fields, refused) in [
        ("/api/auth/profile/", "Host: b.test\r\n", (400, "bad_host")),
        ("/api%2Fauth/profile/", "", (400, "ambiguous_path")),
        ("/API/auth/profile/", "", (400, "ambiguous_path")),
        ("/api/auth/profile/", "Expect: tea\r\n", (417, "expectation")),
    ] {
        let reply = program.ask("GET", path, fields, "").await;
        let code = reply.json()["code"].as_str().unwrap_or_default().to_owned();
        assert_eq!((reply.status, code.as_str()), refused, "{path} {fields}");
    }
    let long = json!({ "username": "x".repeat(70_000), "password": PASSWORD }).to_string();
    let kind = "Content-Type: application/json\r\n";
    assert_eq!(program.ask("POST", "/api/auth/token/", kind, &long).await.status, 413);
}

#[tokio::test]
async fn whom_nobody_introduces_has_no_word_on_where_it_comes_from() {
    let (program, _) = mounted().await;
    for number in 0..3 {
        let said = format!("X-Forwarded-For: 192.0.2.{number}\r\n");
        assert_eq!(program.log_in(&said, "wrong").await.status, 400, "{number}");
    }
    assert_eq!(program.log_in("X-Forwarded-For: 192.0.2.9\r\n", PASSWORD).await.status, 429);
}

#[tokio::test]
async fn the_client_of_the_endpoints_is_whom_the_program_says() {
    let (gateway, _) = gateway().await;
    // In place of a connection that a test cannot have: whom the client says to be.
    let introduce = async |mut request: Request| {
        let said = request.headers().get("x-test-peer").and_then(|it| it.to_str().ok());
        let said = said.and_then(|said| said.parse::<IpAddr>().ok());
        if let Some(addr) = said {
            request.extensions_mut().insert(Peer::tcp((addr, 1).into(), None));
        }
        request
    };
    let app = Router::new().fallback_service(gateway.endpoints()).layer(map_request(introduce));
    let program = Program::serve(app).await;
    let from = |addr| format!("X-Test-Peer: {addr}\r\n");
    for _ in 0..3 {
        assert_eq!(program.log_in(&from("192.0.2.1"), "no").await.status, 400);
    }
    assert_eq!(program.log_in(&from("192.0.2.1"), PASSWORD).await.status, 429);
    assert_eq!(program.log_in(&from("192.0.2.2"), PASSWORD).await.status, 200);
    // Only of a peer that is trusted it is believed that it speaks for another.
    let other = format!("{}X-Forwarded-For: 192.0.2.2\r\n", from("192.0.2.1"));
    assert_eq!(program.log_in(&other, PASSWORD).await.status, 429);
    let trusted = format!("{}X-Forwarded-For: 192.0.2.1\r\n", from("127.0.0.1"));
    assert_eq!(program.log_in(&trusted, PASSWORD).await.status, 429);
}

#[tokio::test]
async fn a_handler_has_its_caller_as_an_argument() {
    let (gateway, token) = gateway().await;
    let name = async |caller: Identity| caller.username;
    let perhaps = async |caller: Option<Identity>| {
        caller.map_or_else(|| "a stranger".to_owned(), |caller| caller.username)
    };
    let app = Router::new()
        .route("/open/name", any(name))
        .route("/open/perhaps", get(perhaps))
        .route("/orders/7", post(name));
    let guarded = Router::new().fallback_service(gateway.layer().layer(app));
    let program = Program::serve(guarded).await;
    let bearer = format!("Authorization: Bearer {token}\r\n");

    assert_eq!(program.ask("POST", "/orders/7", &bearer, "").await.text(), "alice");
    assert_eq!(program.ask("GET", "/open/perhaps", &bearer, "").await.text(), "alice");
    assert_eq!(program.ask("GET", "/open/perhaps", "", "").await.text(), "a stranger");
    // The handler's own refusal reads as that of the policy.
    let ours = program.ask("POST", "/orders/7", "", "").await;
    let theirs = program.ask("POST", "/open/name", "X-User-Name: root\r\n", "").await;
    assert_eq!((theirs.status, theirs.text()), (401, ours.text()));
    for field in ["content-type", "www-authenticate", "cache-control"] {
        assert_eq!(theirs.one(field), ours.one(field), "{field}");
    }
}
