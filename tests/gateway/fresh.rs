//! Routes that ask for a recent login.

use std::time::Duration;

use portcullis::clock::Clock;
use serde_json::{Value, json};

use crate::common::{
    NOW, PASSWORD, Policy, Reply, Setup, Signer, Stage, Upstream, claims, header, mint,
};

const ROUTES: &str = "[routes.\"/danger/*\"]\nto = \"up\"\nfresh = \"15m\"\n\
                      [routes.\"/danger/admin/*\"]\nto = \"up\"\nfresh = \"15m\"\nallow = \"role:admin\"\n\
                      [routes.\"/danger/ws/*\"]\nto = \"up\"\nfresh = \"15m\"\nwebsocket = true\n";

async fn stage() -> Stage {
    let expect = "expect = [\"user GET /danger/x -> up\"]\n";
    let more = "[auth]\ntoken_scheme = true\n[auth.keys]\n";
    Stage::with(|policy| policy.top(expect).and(ROUTES).and(more)).await
}

fn is_too_old(reply: &Reply) {
    is_asked_for_more(reply, "A more recent login is required.", "max_age=900");
}

/// Refused, with a hint of what another login has to show (RFC 9470 section 3).
#[track_caller]
pub(crate) fn is_asked_for_more(reply: &Reply, detail: &str, hint: &str) {
    let told = json!({ "detail": detail, "code": "insufficient_user_authentication" });
    assert_eq!((reply.status, reply.json()), (401, told), "{reply:?}");
    let challenge = format!(
        "Bearer realm=\"api\", error=\"insufficient_user_authentication\", \
         error_description=\"{detail}\", {hint}"
    );
    assert_eq!(reply.one("www-authenticate"), challenge);
    assert_eq!(reply.one("cache-control"), "no-store");
}

#[tokio::test]
async fn a_login_opens_for_so_long_and_a_refresh_does_not_make_it_longer() {
    let stage = stage().await;
    let (access, refresh) = stage.log_in("alice").await;
    for wait in [0, 899, 1] {
        stage.gateway.clock().advance(Duration::from_secs(wait));
        assert_eq!(stage.get_as("/danger/x", &access).await.status, 200, "{wait}");
    }
    stage.gateway.clock().advance(Duration::from_secs(1));
    is_too_old(&stage.get_as("/danger/x", &access).await);
    assert_eq!(stage.get_as("/app/x", &access).await.status, 200, "good everywhere else");
    let renewed = stage.post("/api/auth/token/refresh/", &json!({ "refresh": refresh })).await;
    let renewed = renewed.json()["access"].as_str().unwrap().to_owned();
    is_too_old(&stage.get_as("/danger/x", &renewed).await);
    let (again, _) = stage.log_in("alice").await;
    assert_eq!(stage.get_as("/danger/x", &again).await.status, 200);
    // Knowing the old password is a login.
    stage.gateway.clock().advance(Duration::from_secs(901));
    is_too_old(&stage.get_as("/danger/x", &again).await);
    let body = json!({ "old_password": PASSWORD, "new_password": "another horse battery" });
    let changed = stage.ask("POST", "password/change/", Some(&again), Some(&body)).await.json();
    let changed = changed["access"].as_str().unwrap();
    assert_eq!(stage.get_as("/danger/x", changed).await.status, 200);
    stage.finish().await;
}

#[tokio::test]
async fn who_may_not_at_all_is_told_that_first() {
    let stage = stage().await;
    let (access, _) = stage.log_in("alice").await;
    stage.gateway.clock().advance(Duration::from_secs(901));
    let reply = stage.get_as("/danger/admin/x", &access).await;
    assert_eq!((reply.status, reply.all("www-authenticate").len()), (403, 0));
    let nobody = stage.get("/danger/x", "").await;
    assert_eq!((nobody.status, nobody.one("www-authenticate")), (401, "Bearer realm=\"api\""));
    assert_eq!(nobody.json(), json!({ "detail": "Authentication credentials were not provided." }));
    stage.finish_untouched().await;
}

#[tokio::test]
async fn what_says_nothing_of_a_login_is_refused() {
    let stage = stage().await;
    is_too_old(&stage.get_as("/danger/x", &stage.token).await);
    for (number, auth_time) in [
        json!(NOW.to_string()),
        json!(true),
        json!(null),
        json!([NOW]),
        json!(NOW - 901),
        json!(NOW + 60),
        json!(1e300),
        json!(-5),
    ]
    .into_iter()
    .enumerate()
    {
        let mut other = claims(&stage.alice.id.to_string());
        other["jti"] = json!(format!("token-{number}"));
        other["auth_time"] = auth_time.clone();
        let reply = stage.get_as("/danger/x", &mint(&other)).await;
        assert_eq!(reply.status, 401, "{auth_time}");
        is_too_old(&reply);
    }
    let login = json!({ "username": "alice", "password": PASSWORD });
    let key = stage.post("/api/auth/api-token-auth/", &login).await.json();
    let key = format!("Authorization: Token {}\r\n", key["token"].as_str().unwrap());
    assert_eq!(stage.get("/app/x", &key).await.status, 200);
    is_too_old(&stage.get("/danger/x", &key).await);
    // No ticket is made for such a route.
    let (access, _) = stage.log_in("alice").await;
    let body = json!({ "path": "/danger/ws/x" });
    let ticket = stage.ask("POST", "ticket/", Some(&access), Some(&body)).await;
    assert_eq!(ticket.status, 400, "{ticket:?}");
    assert_eq!(stage.get("/danger/ws/x?ticket=x", "").await.json()["code"], Value::Null);
    stage.finish().await;
}

/// Nor what it was renewed from: those who share the key issue refresh tokens as well.
#[tokio::test]
async fn a_refresh_token_from_elsewhere_makes_no_login() {
    let stage = stage().await;
    let mut other = claims(&stage.alice.id.to_string());
    other["token_type"] = json!("refresh");
    let mut refresh = mint(&other);
    for _ in 0..2 {
        let renewed = stage.post("/api/auth/token/refresh/", &json!({ "refresh": refresh })).await;
        assert_eq!(renewed.status, 200, "{renewed:?}");
        let renewed = renewed.json();
        let access = renewed["access"].as_str().unwrap();
        assert_eq!(stage.get_as("/app/x", access).await.status, 200);
        is_too_old(&stage.get_as("/danger/x", access).await);
        let body = json!({ "name": "deploy", "password": PASSWORD });
        let key = stage.ask("POST", "keys/", Some(access), Some(&body)).await;
        assert_eq!(
            (key.status, &key.json()["code"]),
            (401, &json!("insufficient_user_authentication"))
        );
        renewed["refresh"].as_str().unwrap().clone_into(&mut refresh);
    }
    let (access, _) = stage.log_in("alice").await;
    assert_eq!(stage.get_as("/danger/x", &access).await.status, 200);
    stage.finish().await;
}

#[tokio::test]
async fn another_issuers_word_on_the_login_counts_as_a_number() {
    let signer = Signer::ed_dsa();
    let keys = json!({ "keys": [signer.jwk("ed")] });
    let issuer = "[[issuers]]\nname = \"corp\"\nissuer = \"https://id.corp.test\"\n\
                  audience = \"gateway\"\njwks = { file = \"corp.json\" }\n";
    let upstream = Upstream::start().await;
    let policy = Policy::to(&upstream).and(ROUTES).and(issuer);
    let stage = Stage::of(upstream, Setup::new(&policy).file("corp.json", &keys.to_string())).await;
    let mut head = header();
    head["alg"] = json!("EdDSA");
    head["kid"] = json!("ed");
    for (auth_time, status) in [
        (Some(json!(NOW)), 200),
        (Some(json!(NOW - 900)), 200),
        (Some(json!(1_799_999_999.5)), 200),
        // A clock that is ahead within the leeway of 30 s.
        (Some(json!(NOW + 30)), 200),
        (Some(json!(NOW + 31)), 401),
        (Some(json!(NOW - 901)), 401),
        (Some(json!(NOW.to_string())), 401),
        (None, 401),
    ] {
        let mut token = json!({
            "iss": "https://id.corp.test", "aud": "gateway", "sub": "carol", "exp": NOW + 3600,
        });
        if let Some(at) = &auth_time {
            token["auth_time"] = at.clone();
        }
        let token = signer.mint(&head, &token);
        assert_eq!(stage.get_as("/app/x", &token).await.status, 200);
        // The second time from memory.
        for _ in 0..2 {
            let reply = stage.get_as("/danger/x", &token).await;
            assert_eq!(reply.status, status, "{auth_time:?}");
            if status == 401 {
                is_too_old(&reply);
            }
        }
    }
    assert!(stage.gateway.clock().now().as_secs() == NOW);
    stage.finish().await;
}
