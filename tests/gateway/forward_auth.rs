//! Other proxies ask whether a request of theirs may go on.

use serde_json::{Value, json};

use crate::common::{Policy, Stage};

const ON: &str = "[forward_auth]\npath = \"/check\"\n[routes.\"GET,POST /orders/{id}\"]\nto = \"up\"\n\
                  allow = \"role:editor\"\n[routes.\"/near/*\"]\nto = \"up\"\nallow = \"anyone\"\n\
                  from = [\"192.0.2.0/24\"]\n[routes.\"/few/*\"]\nto = \"up\"\nallow = \"anyone\"\n\
                  rate = \"1/h per ip\"\n";

async fn stage() -> Stage {
    Stage::with(|policy: Policy| policy.top("trust = [\"127.0.0.1\"]\n").and(ON)).await
}

/// What a proxy was told: identity headers are in no other answer of the gateway's.
#[derive(Debug)]
struct Told {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Told {
    fn all(&self, name: &str) -> Vec<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(':'));
        let named = fields.filter(|(found, _)| found.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.trim()).collect()
    }

    #[track_caller]
    fn one(&self, name: &str) -> &str {
        let [value] = self.all(name)[..] else { panic!("{name} is not there once: {self:?}") };
        value
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

async fn ask(stage: &Stage, request: impl AsRef<[u8]>) -> Told {
    let mut connection = stage.connect().await;
    connection.write(request).await;
    let head = connection.head().await;
    let mut told = Told { status: head[9..12].parse().unwrap(), head, body: Vec::new() };
    let length: usize = told.one("content-length").parse().unwrap();
    told.body = connection.exactly(length).await;
    told
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// What a proxy is told that asks about a request for `a.test` from 192.0.2.7, in fields.
async fn asked(stage: &Stage, method: &str, uri: &str, fields: &str) -> Told {
    let request = format!(
        "GET /check HTTP/1.1\r\nHost: gate\r\nX-Forwarded-Method: {method}\r\n\
         X-Forwarded-Proto: https\r\nX-Forwarded-Host: a.test\r\nX-Forwarded-Uri: {uri}\r\n\
         X-Forwarded-For: 192.0.2.7\r\n{fields}\r\n"
    );
    ask(stage, request).await
}

#[tokio::test]
async fn a_proxy_is_told_what_the_request_would_be() {
    let stage = stage().await;
    let (token, other) = (bearer(&stage.token), "Authorization: Bearer x\r\n".to_owned());
    let cases = [
        ("GET", "/app/x", token.as_str()),
        ("GET", "/app/x?a=/../b", token.as_str()),
        ("GET", "/app/x", ""),
        ("GET", "/app/x", other.as_str()),
        ("GET", "/public/x", ""),
        ("GET", "/public/x", other.as_str()),
        ("POST", "/orders/7", token.as_str()),
        ("PUT", "/orders/7", token.as_str()),
        ("TRACE", "/orders/7", token.as_str()),
        ("GET", "/admin-area/x", token.as_str()),
        ("GET", "/nowhere", token.as_str()),
        ("GET", "/app/x%2f..%2fy", token.as_str()),
        ("GET", "/app/%zz", token.as_str()),
        ("GET", "//app/x", token.as_str()),
        ("GET", "/near/x", ""),
    ];
    for (method, uri, fields) in cases {
        let itself = stage
            .send(format!(
                "{method} {uri} HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 192.0.2.7\r\n\
                 Content-Length: 0\r\n{fields}\r\n"
            ))
            .await;
        let told = asked(&stage, method, uri, fields).await;
        assert_eq!(told.status, itself.status, "{method} {uri} {fields}");
        if told.status >= 400 {
            assert_eq!(told.json(), itself.json(), "{method} {uri}");
            for name in ["www-authenticate", "allow"] {
                assert_eq!(told.all(name), itself.all(name), "{method} {uri}");
            }
        }
    }
    stage.finish().await;
}

#[tokio::test]
async fn a_yes_says_who_asks_and_nobody_else_can_say_it() {
    let stage = stage().await;
    let id = stage.alice.id.to_string();
    let fields = format!("{}X-User-Roles: admin\r\nx_user_id: 1\r\n", bearer(&stage.token));
    let told = asked(&stage, "GET", "/orders/7", &fields).await;
    assert_eq!((told.status, told.body.as_slice()), (200, &b""[..]));
    assert_eq!((told.one("x-user-id"), told.one("x-user-name")), (id.as_str(), "alice"));
    assert_eq!(told.one("x-user-roles"), "editor");
    assert_eq!(told.one("cache-control"), "no-store");
    // Of nobody in particular every header says so.
    let told = asked(&stage, "GET", "/public/x", "X-User-Id: 1\r\n").await;
    assert_eq!(told.status, 200);
    for name in ["id", "name", "email", "roles", "email-verified"] {
        assert_eq!(told.one(&format!("x-user-{name}")), "");
    }
    stage.finish_untouched().await;
}

#[tokio::test]
async fn the_request_itself_below_our_path_is_a_question_too() {
    let stage = stage().await;
    let below = |method: &str, rest: &str, fields: &str| {
        format!(
            "{method} /check{rest} HTTP/1.1\r\nHost: a.test\r\n{fields}Content-Length: 0\r\n\r\n"
        )
    };
    let token = bearer(&stage.token);
    for (method, rest, fields, status) in [
        ("POST", "/orders/7?x=1", token.as_str(), 200),
        ("PUT", "/orders/7", token.as_str(), 405),
        ("GET", "/orders/7", "", 401),
        ("GET", "/admin-area/x", token.as_str(), 403),
        // Fields of the other form count for nothing.
        ("GET", "/admin-area/x", &format!("{token}X-Forwarded-Uri: /public/x\r\n"), 403),
        ("GET", "/public/../admin-area/x", token.as_str(), 400),
    ] {
        let told = ask(&stage, below(method, rest, fields)).await;
        assert_eq!(told.status, status, "{method} {rest}");
    }
    stage.finish_untouched().await;
}

#[tokio::test]
async fn a_proxy_that_knows_two_refusals_gets_those() {
    let stage = stage().await;
    let softly = |uri: &str, fields: &str| {
        format!(
            "GET /check?denied=403 HTTP/1.1\r\nHost: gate\r\nX-Forwarded-Method: GET\r\n\
             X-Forwarded-Host: a.test\r\nX-Forwarded-Uri: {uri}\r\n{fields}\r\n"
        )
    };
    let token = bearer(&stage.token);
    for (uri, fields, status, code) in [
        ("/app/x", token.as_str(), 200, None),
        ("/app/x", "", 401, None),
        ("/nowhere", "", 403, Some("no_route")),
        ("/app/a%2f..%2fb", "", 403, Some("bad_path")),
        ("/app/../x", "", 403, Some("bad_question")),
    ] {
        let told = ask(&stage, softly(uri, fields)).await;
        assert_eq!(told.status, status, "{uri}");
        if let Some(code) = code {
            assert_eq!(told.json()["code"], code);
            stage.gateway.shows(&format!("portcullis_refusals_total{{code=\"{code}\"}} 1")).await;
        }
    }
    stage.finish_untouched().await;
}

#[tokio::test]
async fn what_is_asked_about_counts_for_its_limits_by_its_client() {
    let stage = stage().await;
    assert_eq!(asked(&stage, "GET", "/few/x", "").await.status, 200);
    let told = asked(&stage, "GET", "/few/x", "").await;
    assert_eq!((told.status, told.all("retry-after").len()), (429, 1));
    stage.gateway.shows("portcullis_requests_total{route=\"/few/*\",class=\"4xx\"} 1").await;
    stage.finish_untouched().await;
}

#[tokio::test]
async fn questions_that_nobody_can_read_or_may_ask_have_no_yes() {
    let stage = stage().await;
    let token = bearer(&stage.token);
    let told = stage.send(format!("GET /check HTTP/1.1\r\nHost: a.test\r\n{token}\r\n")).await;
    assert_eq!((told.status, told.json()["code"].clone()), (400, json!("bad_question")));
    let twice = "X-Forwarded-Uri: /public/x\r\n";
    assert_eq!(asked(&stage, "GET", "/admin-area/x", twice).await.status, 400);
    // The gateway's own endpoints are nothing to forward.
    for path in ["/api/auth/token/", "/%61pi/auth/profile/", "/.well-known/jwks.json"] {
        assert_eq!(asked(&stage, "POST", path, &token).await.status, 404, "{path}");
    }
    assert_eq!(asked(&stage, "GET", "/public/#/../../admin-area/x", "").await.status, 400);
    stage.finish_untouched().await;

    // Whoever is not trusted is told nothing, and nothing of it is forwarded.
    let policy = |policy: Policy| {
        policy.top("trust = [\"192.0.2.1\"]\n").and("[forward_auth]\npath = \"/app/check\"")
    };
    let stage = Stage::with(policy).await;
    for path in ["/app/check", "/app/check/public/x"] {
        let told = stage.get_as(path, &stage.token).await;
        assert_eq!((told.status, told.json()["code"].clone()), (403, json!("untrusted_proxy")));
        assert_eq!(told.all("x-user-id").len(), 0);
    }
    stage.finish_untouched().await;
}
