//! `"@signed"`: who calls, signed for the one request, for the upstream alone.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Request;
use jsonwebtoken::jwk::JwkSet;
use serde_json::{Value, json};

use crate::common::{Policy, Seen, Setup, Stage, Upstream, is_signed_by};
use crate::verifier::signed_identity;

const IDENTITY: &str = r#"
[identity]
X-User-Id = "user_id"
X-User-Roles = "roles"
X-Tenant = "tenant"
X-User-Token = "@signed"
"#;

/// Before an upstream called `shop`, and another one that is the same server.
async fn stage_with(signing: &str) -> Stage {
    let upstream = Upstream::start().await;
    let more = format!(
        "{IDENTITY}[upstreams.shop]\nto = \"http://{0}\"\n[routes.\"/shop/*\"]\nto = \"shop\"\n\
         [routes.\"/v1/*\"]\nto = \"shop\"\nstrip = \"/v1\"\nprefix = \"/shop\"\n\
         [routes.\"/open/*\"]\nto = \"shop\"\nallow = \"anyone\"\n",
        upstream.addr
    );
    let policy = Policy::to(&upstream).signing(signing).and(&more);
    Stage::of(upstream, Setup::new(&policy)).await
}

fn part(token: &str, at: usize) -> Value {
    let text = token.split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

async fn key_set(stage: &Stage) -> Value {
    stage.get("/.well-known/jwks.json", "").await.json()
}

/// The request as the upstream had it.
fn as_request(seen: &Seen) -> Request<()> {
    let method = seen.line.split(' ').next().unwrap();
    let mut request = Request::builder().method(method).uri(seen.target());
    for (name, value) in &seen.headers {
        request = request.header(name, value);
    }
    request.body(()).unwrap()
}

#[tokio::test]
async fn an_upstream_is_told_who_calls_for_this_request_alone() {
    for algorithm in ["ES256", "EdDSA", "RS256"] {
        let stage = stage_with(&format!("algorithm = \"{algorithm}\"")).await;
        let (access, _) = stage.log_in("alice").await;
        let reply = stage.get_as("/v1/%61%2Fb?x=1", &access).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let keys = key_set(&stage).await;
        let id = stage.alice.id.to_string();
        let seen = stage.finish().await;
        let token = seen[0].one("x-user-token");
        assert!(is_signed_by(token, &keys["keys"][0]), "{algorithm}");
        let head = part(token, 0);
        assert_eq!((&head["typ"], &head["alg"]), (&json!("identity+jwt"), &json!(algorithm)));
        let said = part(token, 1);
        let issued = said["iat"].as_u64().unwrap();
        let expected = json!({
            "user_id": id, "roles": ["editor"], "token_type": "identity", "aud": "shop",
            "sub": id, "iat": issued, "exp": issued + 30, "method": "GET", "host": "a.test",
            "path": "/shop/a%2Fb", "request_id": seen[0].one("x-request-id"),
        });
        assert_eq!(said, expected);
    }
}

#[tokio::test]
async fn the_verifier_of_the_page_lets_in_what_came_and_nothing_else() {
    let stage = stage_with("algorithm = \"ES256\"").await;
    let (access, _) = stage.log_in("alice").await;
    for path in ["/shop/x", "/app/x"] {
        assert_eq!(stage.get_as(path, &access).await.status, 200);
    }
    let keys: JwkSet = serde_json::from_value(key_set(&stage).await).unwrap();
    let other = stage_with("algorithm = \"ES256\"").await;
    let other_keys: JwkSet = serde_json::from_value(key_set(&other).await).unwrap();
    other.finish_untouched().await;
    let seen = stage.finish().await;
    let at_shop = |change: &dyn Fn(&mut Request<()>)| {
        let mut request = as_request(&seen[0]);
        change(&mut request);
        signed_identity(&keys, &request)
    };
    // The clock of these tests is ahead of the machine's, by which the verifier goes.
    let who = at_shop(&|_| ()).unwrap();
    assert_eq!(who["sub"], "1");
    let set = |name: &'static str, value: String| {
        move |request: &mut Request<()>| {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
    };
    let token = seen[0].one("x-user-token");
    let mut altered = token.to_owned();
    altered.insert(token.len() / 2, 'A');
    assert_eq!(at_shop(&set("host", "b.test".to_owned())), None);
    assert_eq!(at_shop(&set("x-request-id", "0".to_owned())), None);
    assert_eq!(at_shop(&set("x-user-token", access.clone())), None);
    assert_eq!(at_shop(&set("x-user-token", altered)), None);
    assert_eq!(at_shop(&|request| *request.method_mut() = http::Method::POST), None);
    assert_eq!(at_shop(&|request| *request.uri_mut() = "/shop/y".parse().unwrap()), None);
    assert_eq!(at_shop(&|request| request.headers_mut().clear()), None);
    assert_eq!(signed_identity(&other_keys, &as_request(&seen[0])), None);
    assert_eq!(signed_identity(&keys, &as_request(&seen[1])), None, "for another upstream");
}

/// It is signed by our key, and speaks of our user; and yet it is no credential here.
#[tokio::test]
async fn a_signed_identity_opens_nothing_here() {
    let stage = stage_with("algorithm = \"ES256\"").await;
    let (access, _) = stage.log_in("alice").await;
    assert_eq!(stage.get_as("/shop/x", &access).await.status, 200);
    let token = stage.upstream.seen()[0].one("x-user-token").to_owned();
    for path in ["/shop/x", "/open/x", "/app/x", "/api/auth/profile/"] {
        assert_eq!(stage.get_as(path, &token).await.status, 401, "{path}");
    }
    for (path, field) in [
        ("/api/auth/token/verify/", "token"),
        ("/api/auth/token/refresh/", "refresh"),
        ("/api/auth/token/blacklist/", "refresh"),
    ] {
        let reply = stage.post(path, &json!({ field: token })).await;
        assert_eq!(reply.status, 401, "{path}: {reply:?}");
    }
    assert_eq!(stage.get_as("/shop/x", &access).await.status, 200, "nothing was ended");
    stage.finish().await;
}

#[tokio::test]
async fn nobody_else_sends_one() {
    let stage = stage_with("algorithm = \"ES256\"").await;
    let (access, _) = stage.log_in("alice").await;
    let forged = "X-User-Token: forged\r\nX_User_Token: forged\r\nx-USER-token: forged\r\n";
    assert_eq!(stage.get("/open/x", forged).await.status, 200);
    let fields = format!("{forged}Authorization: Bearer {access}\r\n");
    assert_eq!(stage.get("/shop/x", &fields).await.status, 200);
    let seen = stage.finish().await;
    assert!(!seen[0].has("x-user-token") && !seen[0].has("x_user_token"), "{:?}", seen[0]);
    assert_eq!(part(seen[1].one("x-user-token"), 1)["sub"], "1");
}
