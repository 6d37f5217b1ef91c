//! What an operator or a user ends has ended at the very next request, also where the token was
//! used a moment before.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::Secret;
use portcullis::store::{GroupChange, UserChange};
use serde_json::json;

use crate::common::{Policy, Setup, Stage, TestGateway, Upstream, claims, mint};

/// Logs alice in and uses the token, so that everything about it is remembered.
async fn warm(stage: &Stage) -> (String, String) {
    let (access, refresh) = stage.log_in("alice").await;
    for _ in 0..2 {
        assert_eq!(stage.get_as("/app/x", &access).await.status, 200);
        assert_eq!(stage.get_as("/app/x", &stage.token).await.status, 200);
    }
    (access, refresh)
}

async fn refused(stage: &Stage, token: &str, code: &str) {
    let reply = stage.get_as("/app/x", token).await;
    assert_eq!((reply.status, reply.json()["code"].as_str()), (401, Some(code)), "{reply:?}");
}

#[tokio::test]
async fn a_logout_ends_its_session_and_no_other() {
    let stage = Stage::start().await;
    let (access, refresh) = warm(&stage).await;
    let (other, _) = warm(&stage).await;
    let reply = stage.post("/api/auth/token/blacklist/", &json!({ "refresh": refresh })).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    refused(&stage, &access, "token_not_valid").await;
    assert_eq!(stage.get_as("/app/x", &other).await.status, 200);
    let renewed = stage.post("/api/auth/token/refresh/", &json!({ "refresh": refresh })).await;
    assert_eq!(renewed.status, 401);
    stage.finish().await;
}

#[tokio::test]
async fn a_disabled_user_is_out_and_back_when_enabled() {
    let stage = Stage::start().await;
    let (access, refresh) = warm(&stage).await;
    let active = async |on| {
        stage.gateway.accounts.change(stage.alice.id, UserChange::Active(on)).await.unwrap();
    };
    active(false).await;
    refused(&stage, &access, "user_inactive").await;
    refused(&stage, &stage.token, "user_inactive").await;
    let body = json!({ "refresh": refresh });
    assert_eq!(stage.post("/api/auth/token/refresh/", &body).await.status, 401);
    active(true).await;
    assert_eq!(stage.get_as("/app/x", &access).await.status, 200);
    stage.finish().await;
}

#[tokio::test]
async fn a_deleted_user_is_out_and_its_id_is_nobodys() {
    let stage = Stage::start().await;
    let (access, _) = warm(&stage).await;
    assert!(stage.gateway.accounts.delete(stage.alice.id).await.unwrap());
    refused(&stage, &access, "user_not_found").await;
    refused(&stage, &stage.token, "user_not_found").await;
    let again = stage.user("alice", &[]).await;
    assert_ne!(again.id, stage.alice.id);
    refused(&stage, &access, "user_not_found").await;
    stage.finish().await;
}

#[tokio::test]
async fn a_new_password_ends_every_session_from_before() {
    let stage = Stage::start().await;
    let (access, refresh) = warm(&stage).await;
    let password = Secret::from("another horse battery".to_owned());
    assert!(stage.gateway.accounts.set_password(stage.alice.id, password).await.unwrap());
    refused(&stage, &access, "password_changed").await;
    refused(&stage, &stage.token, "password_changed").await;
    let body = json!({ "refresh": refresh });
    assert_eq!(stage.post("/api/auth/token/refresh/", &body).await.status, 401);
    stage.finish().await;
}

#[tokio::test]
async fn a_role_is_given_and_taken_at_once() {
    let stage = Stage::start().await;
    let (access, _) = warm(&stage).await;
    let change = async |change| {
        stage.gateway.accounts.change(stage.alice.id, change).await.unwrap();
    };
    assert_eq!(stage.get_as("/admin-area/x", &access).await.status, 403);
    change(UserChange::AddRole("admin".to_owned())).await;
    assert_eq!(stage.get_as("/admin-area/x", &access).await.status, 200);
    change(UserChange::RemoveRole("admin".to_owned())).await;
    assert_eq!(stage.get_as("/admin-area/x", &access).await.status, 403);
    change(UserChange::RemoveRole("editor".to_owned())).await;
    assert_eq!(stage.get_as("/app/last", &access).await.status, 200);
    let seen = stage.finish().await;
    let roles = |target: &str| {
        let request = seen.iter().find(|request| request.target() == target).unwrap();
        request.all("x-user-roles").join("|")
    };
    assert_eq!(
        (roles("/admin-area/x").as_str(), roles("/app/last").as_str()),
        ("admin,editor", "")
    );
}

/// What one user loses, another keeps: also in the cache.
#[tokio::test]
async fn a_change_is_about_one_user() {
    let stage = Stage::start().await;
    let bob = stage.user("bob", &[]).await;
    let bob = mint(&claims(&bob.id.to_string()));
    assert_eq!(stage.get_as("/app/x", &bob).await.status, 200);
    stage.gateway.accounts.change(stage.alice.id, UserChange::Active(false)).await.unwrap();
    refused(&stage, &stage.token, "user_inactive").await;
    assert_eq!(stage.get_as("/app/x", &bob).await.status, 200);
    stage.finish().await;
}

#[tokio::test]
async fn a_restart_forgets_no_revocation() {
    let mut stage = Stage::start().await;
    let (ended, refresh) = warm(&stage).await;
    let (kept, _) = warm(&stage).await;
    stage.post("/api/auth/token/blacklist/", &json!({ "refresh": refresh })).await;
    let bob = stage.user("bob", &[]).await;
    let (bobs, _) = stage.log_in("bob").await;
    let foreign = mint(&claims(&bob.id.to_string()));
    stage.gateway.clock().advance(Duration::from_secs(2));
    let password = Secret::from("another horse battery".to_owned());
    stage.gateway.accounts.set_password(bob.id, password).await.unwrap();
    let carol = stage.user("carol", &[]).await;
    let carols = mint(&claims(&carol.id.to_string()));
    stage.gateway.accounts.change(carol.id, UserChange::Active(false)).await.unwrap();

    stage.gateway = stage.gateway.restart().await;
    refused(&stage, &ended, "token_not_valid").await;
    refused(&stage, &bobs, "password_changed").await;
    refused(&stage, &foreign, "password_changed").await;
    refused(&stage, &carols, "user_inactive").await;
    assert_eq!(stage.get_as("/app/x", &kept).await.status, 200);
    let renewed = stage.post("/api/auth/token/refresh/", &json!({ "refresh": refresh })).await;
    assert_eq!(renewed.status, 401);
    stage.finish().await;
}

#[tokio::test]
async fn a_new_key_leaves_old_tokens_good_and_a_restart_forgets_neither() {
    let upstream = Upstream::start().await;
    let policy = Policy::to(&upstream).signing("algorithm = \"ES256\"");
    let mut stage = Stage::of(upstream, Setup::new(&policy).keeps_keys()).await;
    let kid = |token: &str| {
        use base64::Engine;
        let head = token.split('.').next().unwrap();
        let head = URL_SAFE_NO_PAD.decode(head).unwrap();
        let head: serde_json::Value = serde_json::from_slice(&head).unwrap();
        head["kid"].as_str().unwrap().to_owned()
    };
    let keys = async |gateway: &TestGateway| {
        let request = "GET /.well-known/jwks.json HTTP/1.1\r\nHost: a.test\r\n\r\n";
        gateway.send(request).await.json()["keys"].as_array().unwrap().len()
    };
    let (old, refresh) = stage.log_in("alice").await;
    assert_eq!(stage.get_as("/app/x", &old).await.status, 200);
    let now = portcullis::clock::Clock::now(stage.gateway.clock());
    let info = stage.gateway.keys.rotate(now).unwrap();
    let (new, _) = stage.log_in("alice").await;
    assert_eq!(kid(&new), info.kid);
    assert_ne!(kid(&old), kid(&new));
    for _restart in 0..2 {
        assert_eq!(keys(&stage.gateway).await, 2);
        for token in [&old, &new] {
            assert_eq!(stage.get_as("/app/x", token).await.status, 200);
        }
        stage.gateway = stage.gateway.restart().await;
    }
    let renewed = stage.post("/api/auth/token/refresh/", &json!({ "refresh": refresh })).await;
    assert_eq!(renewed.status, 200);
    assert_eq!(kid(renewed.json()["access"].as_str().unwrap()), info.kid);
    stage.finish().await;
}

#[tokio::test]
async fn a_change_of_a_group_is_in_force_for_its_members_at_once() {
    let stage = Stage::start().await;
    let bob = stage.user("bob", &[]).await;
    let (alice, accounts) = (&stage.alice, &stage.gateway.accounts);
    let bobs = mint(&claims(&bob.id.to_string()));
    let admin = async |token: &str| stage.get_as("/admin-area/x", token).await.status;
    accounts.create_group("staff").await.unwrap().unwrap();
    for id in [alice.id, bob.id] {
        accounts.change(id, UserChange::JoinGroup("staff".to_owned())).await.unwrap();
    }
    assert_eq!((admin(&stage.token).await, admin(&bobs).await), (403, 403));
    let give = GroupChange::AddRole("admin".to_owned());
    accounts.change_group("staff", give.clone()).await.unwrap();
    assert_eq!((admin(&stage.token).await, admin(&bobs).await), (200, 200));
    // In a token of the user's as well.
    let (access, _) = stage.log_in("alice").await;
    let payload = URL_SAFE_NO_PAD.decode(access.split('.').nth(1).unwrap()).unwrap();
    let payload: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(payload["roles"], json!(["admin", "editor"]));

    accounts.change(bob.id, UserChange::LeaveGroup("staff".to_owned())).await.unwrap();
    assert_eq!((admin(&stage.token).await, admin(&bobs).await), (200, 403));
    accounts.change_group("staff", GroupChange::RemoveRole("admin".to_owned())).await.unwrap();
    assert_eq!(admin(&stage.token).await, 403);
    accounts.change_group("staff", give).await.unwrap();
    assert_eq!(admin(&stage.token).await, 200);
    assert!(accounts.delete_group("staff").await.unwrap());
    assert_eq!(admin(&stage.token).await, 403);
    let seen = stage.finish().await;
    let roles: Vec<_> = seen.iter().map(|request| request.all("x-user-roles").join("|")).collect();
    assert_eq!(roles, ["admin,editor", "admin", "admin,editor", "admin,editor"]);
}
