//! Second factors: routes that ask for one, and who meets that.

use std::time::{Duration, Instant};

use portcullis::clock::Clock;
use serde_json::json;

use super::{fresh, live, websocket};
use crate::common::{
    NOW, PASSWORD, Policy, Reply, Setup, Signer, Stage, Upstream, claims, header, mint, otp,
};

const ROUTES: &str = "[routes.\"/vault/*\"]\nto = \"up\"\nallow = \"mfa\"\n\
                      [routes.\"/vault/admin/*\"]\nto = \"up\"\nallow = \"role:admin & mfa\"\n\
                      [routes.\"/vault/ws/*\"]\nto = \"up\"\nallow = \"mfa\"\nwebsocket = true\n";
const MORE: &str = "[auth]\ntoken_scheme = true\n[auth.keys]\n[identity]\n\
                    X-User-Name = \"username\"\nX-User-Amr = \"amr\"\nX-User-Acr = \"acr\"\n";

async fn stage() -> Stage {
    let expect = "expect = [\n\
                  \"anyone GET /vault/x -> 401\",\n\
                  \"user GET /vault/x -> 401\",\n\
                  \"mfa GET /vault/x -> up\",\n\
                  \"role:admin GET /vault/admin/x -> 401\",\n\
                  \"mfa GET /vault/admin/x -> 403\",\n\
                  \"role:admin & mfa GET /vault/admin/x -> up\",\n]\n\
                  trust = [\"127.0.0.1\"]\n";
    let forward = "[forward_auth]\npath = \"/check\"\n";
    Stage::with(|policy| policy.top(expect).and(ROUTES).and(MORE).and(forward)).await
}

/// An authenticator app, and the codes for the day on which it is lost.
pub(super) struct App {
    pub(super) secret: String,
    pub(super) recovery: Vec<String>,
}

impl App {
    /// What it shows in so many steps.
    pub(super) fn code(&self, stage: &Stage, ahead: u64) -> String {
        otp::code(&self.secret, stage.gateway.clock().now().as_secs() + 30 * ahead)
    }
}

pub(super) async fn enrol(stage: &Stage, access: &str) -> App {
    let password = json!({ "password": PASSWORD });
    let offered = stage.ask("POST", "factors/totp/", Some(access), Some(&password)).await;
    let secret = offered.json()["secret"].as_str().unwrap().to_owned();
    let app = App { secret, recovery: Vec::new() };
    let code = json!({ "otp": app.code(stage, 0) });
    let confirmed = stage.ask("POST", "factors/totp/confirm/", Some(access), Some(&code)).await;
    let codes = confirmed.json()["recovery_codes"].as_array().unwrap().clone();
    let recovery = codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect();
    App { recovery, ..app }
}

/// A login with both: access and refresh token.
pub(super) async fn log_in(stage: &Stage, name: &str, otp: &str) -> (String, String) {
    let body = json!({ "username": name, "password": PASSWORD });
    let asked = stage.post("/api/auth/token/", &body).await;
    assert_eq!((asked.status, &asked.json()["code"]), (401, &json!("second_factor_required")));
    let body = json!({ "challenge": asked.json()["challenge"], "otp": otp });
    let reply = stage.post("/api/auth/token/factor/", &body).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let text = |key: &str| reply.json()[key].as_str().unwrap().to_owned();
    (text("access"), text("refresh"))
}

#[track_caller]
fn is_asked_for_more(reply: &Reply) {
    fresh::is_asked_for_more(reply, "A second factor is required.", "acr_values=\"mfa\"");
}

#[tokio::test]
async fn a_route_that_asks_for_a_factor_is_opened_by_a_login_with_one() {
    let stage = stage().await;
    let (plain, _) = stage.log_in("alice").await;
    is_asked_for_more(&stage.get_as("/vault/x", &plain).await);
    assert_eq!(stage.get_as("/app/x", &plain).await.status, 200, "good everywhere else");
    // Whom a factor would not help is not asked for one.
    assert_eq!(stage.get_as("/vault/admin/x", &plain).await.status, 403);
    let nobody = stage.get("/vault/x", "").await;
    assert_eq!((nobody.status, nobody.one("www-authenticate")), (401, "Bearer realm=\"api\""));
    let (other, _) = stage.log_in("alice").await;
    let app = enrol(&stage, &plain).await;
    // Neither session is more than it was: a copy of its tokens has shown no code.
    is_asked_for_more(&stage.get_as("/vault/x", &plain).await);
    is_asked_for_more(&stage.get_as("/vault/x", &other).await);
    let (access, refresh) = log_in(&stage, "alice", &app.code(&stage, 1)).await;
    assert_eq!(stage.get_as("/vault/x", &access).await.status, 200);
    let renewed = stage.post("/api/auth/token/refresh/", &json!({ "refresh": refresh })).await;
    let renewed = renewed.json()["access"].as_str().unwrap().to_owned();
    assert_eq!(stage.get_as("/vault/x", &renewed).await.status, 200);
    let (by_recovery, _) = log_in(&stage, "alice", &app.recovery[0]).await;
    assert_eq!(stage.get_as("/vault/x", &by_recovery).await.status, 200);
    // Without the factor a session has what it has by the password.
    let both = json!({ "password": PASSWORD, "otp": app.recovery[1] });
    let gone = stage.ask("POST", "factors/remove/", Some(&access), Some(&both)).await;
    assert_eq!(gone.status, 200, "{gone:?}");
    for token in [&plain, &access, &renewed, &by_recovery] {
        is_asked_for_more(&stage.get_as("/vault/x", token).await);
    }
    let seen = stage.finish().await;
    for request in &seen[1..] {
        assert_eq!((request.one("x-user-amr"), request.one("x-user-acr")), ("pwd,otp,mfa", "mfa"));
    }
    assert!(!seen[0].has("x-user-amr") && !seen[0].has("x-user-acr"), "{:?}", seen[0]);
    assert_eq!(seen.len(), 4);
}

#[tokio::test]
async fn what_is_no_login_with_a_factor_never_meets_it() {
    let stage = stage().await;
    let (access, _) = stage.log_in("alice").await;
    let login = json!({ "username": "alice", "password": PASSWORD });
    let key = stage.post("/api/auth/api-token-auth/", &login).await.json();
    let key = format!("Authorization: Token {}\r\n", key["token"].as_str().unwrap());
    let made = stage.ask("POST", "keys/", Some(&access), Some(&json!({ "name": "n" }))).await;
    let made = made.json()["key"].as_str().unwrap().to_owned();
    enrol(&stage, &access).await;
    is_asked_for_more(&stage.get_as("/vault/x", &access).await);
    // Keys and tokens of projects that share our key, whatever they say of themselves.
    assert_eq!(stage.get("/app/x", &key).await.status, 200);
    is_asked_for_more(&stage.get("/vault/x", &key).await);
    is_asked_for_more(&stage.get_as("/vault/x", &made).await);
    let mut forged = claims(&stage.alice.id.to_string());
    (forged["amr"], forged["acr"]) = (json!(["pwd", "otp", "mfa"]), json!("mfa"));
    is_asked_for_more(&stage.get_as("/vault/x", &mint(&forged)).await);
    forged["jti"] = json!("another");
    (forged["mfa"], forged["amr"]) = (json!(true), json!("mfa"));
    is_asked_for_more(&stage.get_as("/vault/x", &mint(&forged)).await);
    // Nor does a header, or a claim that an operator has set.
    let set = |name: &str| portcullis::store::UserChange::SetClaim {
        name: name.to_owned(),
        value: "mfa".to_owned(),
    };
    for name in ["amr", "acr"] {
        stage.gateway.accounts.change(stage.alice.id, set(name)).await.unwrap();
    }
    let fields = format!("Authorization: Bearer {}\r\nX-User-Amr: mfa\r\n", stage.token);
    is_asked_for_more(&stage.get("/vault/x", &fields).await);
    let seen = stage.finish().await;
    assert_eq!(seen.len(), 1);
    assert!(!seen[0].has("x-user-amr"), "{:?}", seen[0]);
}

#[tokio::test]
async fn another_issuers_word_counts_where_it_is_signed_and_a_list() {
    let signer = Signer::ed_dsa();
    let keys = json!({ "keys": [signer.jwk("ed")] });
    let issuer = "[[issuers]]\nname = \"corp\"\nissuer = \"https://id.corp.test\"\n\
                  audience = \"gateway\"\njwks = { file = \"corp.json\" }\nclaims = { amr = \"said\" }\n";
    let upstream = Upstream::start().await;
    let policy = Policy::to(&upstream).and(ROUTES).and(issuer);
    let stage = Stage::of(upstream, Setup::new(&policy).file("corp.json", &keys.to_string())).await;
    let mut head = header();
    head["alg"] = json!("EdDSA");
    head["kid"] = json!("ed");
    for (amr, status) in [
        (Some(json!(["pwd", "mfa"])), 200),
        (Some(json!(["mfa"])), 200),
        (Some(json!(["pwd", "otp"])), 401),
        (Some(json!("mfa")), 401),
        (Some(json!(["mfa", 1])), 401),
        (Some(json!(["MFA"])), 401),
        (Some(json!({ "mfa": true })), 401),
        (None, 401),
    ] {
        let mut token = json!({
            "iss": "https://id.corp.test", "aud": "gateway", "sub": "carol", "exp": NOW + 3600,
            "said": ["mfa"], "acr": "mfa",
        });
        if let Some(amr) = &amr {
            token["amr"] = amr.clone();
        }
        let token = signer.mint(&head, &token);
        // The second time from memory.
        for _ in 0..2 {
            let reply = stage.get_as("/vault/x", &token).await;
            assert_eq!(reply.status, status, "{amr:?}");
            if status == 401 {
                is_asked_for_more(&reply);
            }
        }
    }
    stage.finish().await;
}

#[tokio::test]
async fn whoever_asks_for_a_second_opinion_hears_the_same() {
    let stage = stage().await;
    let (plain, _) = stage.log_in("alice").await;
    let ask = |token: &str| {
        let fields = format!(
            "X-Forwarded-Method: GET\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a.test\r\n\
             X-Forwarded-Uri: /vault/x\r\nX-Forwarded-For: 192.0.2.7\r\n\
             Authorization: Bearer {token}\r\n"
        );
        let stage = &stage;
        async move {
            let mut proxy = stage.connect().await;
            proxy.write(format!("GET /check HTTP/1.1\r\nHost: gate\r\n{fields}\r\n")).await;
            proxy.head().await
        }
    };
    let told = ask(&plain).await;
    assert!(told.starts_with("HTTP/1.1 401 ") && told.contains("acr_values=\"mfa\""), "{told}");
    let app = enrol(&stage, &plain).await;
    let (access, _) = log_in(&stage, "alice", &app.code(&stage, 1)).await;
    let told = ask(&access).await;
    assert!(told.starts_with("HTTP/1.1 200 ") && told.contains("pwd,otp,mfa"), "{told}");
    stage.finish_untouched().await;
}

#[tokio::test]
async fn what_a_factor_opened_ends_with_it() {
    let more = format!("{ROUTES}[routes.\"/vault/live/*\"]\nto = \"up\"\nallow = \"mfa\"\n");
    let stage = live::stage(&more).await;
    let (access, _) = stage.log_in("alice").await;
    let app = enrol(&stage, &access).await;
    let (access, _) = log_in(&stage, "alice", &app.code(&stage, 1)).await;
    let (mut client, mut server) =
        live::open(&stage, "/vault/live/x", &access, live::CHUNKED).await;
    live::passes(&mut client, &mut server).await;
    let mut socket = stage.connect().await;
    let fields = format!("Authorization: Bearer {access}\r\n");
    socket.write(websocket::handshake("/vault/ws/x", &fields)).await;
    let mut other = stage.upstream.accept().await;
    other.head().await;
    other.write(websocket::switching(websocket::PROOF)).await;
    assert_eq!(socket.reply_head().await.status, 101);
    let since = Instant::now();
    assert!(stage.gateway.accounts.remove_factors(stage.alice.id).await.unwrap());
    client.rest().await;
    // With the time in which a peer may still read what it was told.
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
    assert_eq!(socket.rest().await, b"\x88\x02\x03\xf0", "1008");
    is_asked_for_more(&stage.get_as("/vault/x", &access).await);
    drop((server, other, app));
    live::end(stage).await;
}

#[tokio::test]
async fn a_ticket_has_what_its_owner_has_when_it_is_used() {
    let stage = stage().await;
    let (access, _) = stage.log_in("alice").await;
    let ticket = async |access: &str| {
        let body = json!({ "path": "/vault/ws/x" });
        let made = stage.ask("POST", "ticket/", Some(access), Some(&body)).await;
        made.json()["ticket"].as_str().unwrap().to_owned()
    };
    let early = ticket(&access).await;
    is_asked_for_more(&stage.get(&format!("/vault/ws/x?ticket={early}"), "").await);
    let app = enrol(&stage, &access).await;
    let (access, _) = log_in(&stage, "alice", &app.code(&stage, 1)).await;
    let good = ticket(&access).await;
    assert_eq!(stage.get(&format!("/vault/ws/x?ticket={good}"), "").await.status, 200);
    let late = ticket(&access).await;
    assert!(stage.gateway.accounts.remove_factors(stage.alice.id).await.unwrap());
    is_asked_for_more(&stage.get(&format!("/vault/ws/x?ticket={late}"), "").await);
    stage.finish().await;
}
