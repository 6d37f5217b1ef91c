//! The usual set: an upstream, a gateway before it, and alice.

use portcullis::Secret;
use portcullis::rooms::session::{NewAccount, Registered};
use portcullis::store::User;
use serde_json::{Value, json};

use super::{Conn, Policy, Reply, Seen, Setup, TestGateway, Upstream, claims, mint};

pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) struct Stage {
    pub(crate) gateway: TestGateway,
    pub(crate) upstream: Upstream,
    pub(crate) alice: User,
    /// An access token of alice's.
    pub(crate) token: String,
}

impl Stage {
    pub(crate) async fn start() -> Self {
        Self::with(|policy| policy).await
    }

    /// With another policy, before an upstream that says `ok`.
    pub(crate) async fn with(policy: impl FnOnce(Policy) -> Policy) -> Self {
        Self::before(Upstream::start().await, policy).await
    }

    pub(crate) async fn before(upstream: Upstream, policy: impl FnOnce(Policy) -> Policy) -> Self {
        let setup = Setup::new(&policy(Policy::to(&upstream)));
        Self::of(upstream, setup).await
    }

    pub(crate) async fn of(upstream: Upstream, setup: Setup) -> Self {
        let gateway = setup.start().await;
        let alice = user(&gateway, "alice", &["editor"]).await;
        let token = mint(&claims(&alice.id.to_string()));
        Self { gateway, upstream, alice, token }
    }

    /// One more user.
    pub(crate) async fn user(&self, name: &str, roles: &[&str]) -> User {
        user(&self.gateway, name, roles).await
    }

    pub(crate) async fn send(&self, request: impl AsRef<[u8]>) -> Reply {
        self.gateway.send(request).await
    }

    pub(crate) async fn connect(&self) -> Conn {
        self.gateway.connect().await
    }

    /// A GET with these field lines, each ending in CR LF.
    pub(crate) async fn get(&self, path: &str, fields: &str) -> Reply {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n")).await
    }

    /// A GET with a bearer token.
    pub(crate) async fn get_as(&self, path: &str, token: &str) -> Reply {
        self.get(path, &format!("Authorization: Bearer {token}\r\n")).await
    }

    /// A POST of JSON to one of the gateway's own endpoints.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        let body = body.to_string();
        self.send(format!(
            "POST {path} HTTP/1.1\r\nHost: a.test\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await
    }

    /// A call of one of the gateway's own endpoints, with a bearer token and JSON where they are
    /// given.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Reply {
        let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
        let bearer = bearer.unwrap_or_default();
        let body = body.map(ToString::to_string).unwrap_or_default();
        self.send(format!(
            "{method} /api/auth/{path} HTTP/1.1\r\nHost: a.test\r\n{bearer}\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await
    }

    /// A real login: access and refresh token.
    pub(crate) async fn log_in(&self, name: &str) -> (String, String) {
        let body = json!({ "username": name, "password": PASSWORD });
        let reply = self.post("/api/auth/token/", &body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let json = reply.json();
        let text = |key: &str| json[key].as_str().expect("no token").to_owned();
        (text("access"), text("refresh"))
    }

    /// Stops everything and returns all that reached the upstream.
    pub(crate) async fn finish(self) -> Vec<Seen> {
        self.gateway.stop().await;
        self.upstream.finish().await
    }

    /// Stops everything; nothing may have reached the upstream.
    pub(crate) async fn finish_untouched(self) {
        let seen = self.finish().await;
        assert!(seen.is_empty(), "this reached the upstream: {seen:#?}");
    }
}

async fn user(gateway: &TestGateway, name: &str, roles: &[&str]) -> User {
    let account = NewAccount {
        username: name.to_owned(),
        email: format!("{name}@example.com"),
        password: Some(Secret::from(PASSWORD.to_owned())),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
    };
    let made = gateway.accounts.create(account).await.expect("no account");
    let Registered::Created(user) = made else { panic!("{name}: {made:?}") };
    user
}
