use std::path::Path;
use std::time::Duration;

use http::Request;
use serde_json::{Value, json};

use super::*;
use crate::config::Config;
use crate::store::UserChange;

const POLICY: &str = r#"
public = "https://shop.test"
[upstreams]
api = { to = "http://192.0.2.1:1", health = "/healthz" }
files = { dir = "docs" }
[routes]
"/api/*" = { to = "api" }
"/static/*" = { to = "files", allow = "anyone" }
"/team/*" = { to = "api", allow = "claim:team=red" }
"/near/*" = { to = "api", allow = "anyone", from = ["192.0.2.0/24"] }
[auth]
prefix = "/auth"
access = "10m"
"#;

fn gateway() -> TestGateway {
    let config =
        Config::parse("policy", POLICY, Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap().config;
    TestGateway::new(config).unwrap()
}

#[tokio::test]
async fn a_user_is_who_the_test_says_and_what_it_says_last() {
    let gateway = gateway();
    let alice = gateway.sign_in("alice", &["editor", "admin"]).await.unwrap();
    let roles = async || {
        let seen: Value = alice.get("/api/x?y=1").await.json().unwrap();
        (seen["path"].clone(), seen["headers"]["x-user-roles"].clone())
    };
    assert_eq!(roles().await, (json!("/api/x?y=1"), json!("admin,editor")));
    let again = gateway.user("alice", &["viewer"]).await.unwrap();
    assert_eq!(roles().await, (json!("/api/x?y=1"), json!("viewer")));
    assert_eq!(gateway.user("alice", &["viewer"]).await.unwrap(), again);

    assert_eq!(alice.get("/team/x").await.status, 403);
    let red = UserChange::SetClaim { name: "team".to_owned(), value: "red".to_owned() };
    gateway.gateway().accounts().change(again.id, red).await.unwrap();
    assert_eq!(alice.get("/team/x").await.status, 200);
    gateway.gateway().accounts().change(again.id, UserChange::Active(false)).await.unwrap();
    assert_eq!(alice.get("/team/x").await.status, 401);

    let no_role = gateway.user("bob", &["Not A Role"]).await.unwrap_err();
    assert!(matches!(no_role, TestError::Role(_)), "{no_role}");
    assert!(matches!(gateway.token("a b", &[]).await, Err(TestError::Name(..))));
}

#[tokio::test]
async fn no_server_and_no_folder_is_asked() {
    let gateway = gateway();
    let seen = gateway.stranger().get("/static/a.css").await;
    assert_eq!(seen.json::<Value>().unwrap()["path"], "/static/a.css");
}

#[tokio::test]
async fn a_session_lasts_as_long_as_the_policy_says_by_the_clock_of_the_test() {
    let gateway = gateway();
    let mut alice = gateway.sign_in("alice", &[]).await.unwrap();
    let (first, other) = (alice.clone(), gateway.sign_in("alice", &[]).await.unwrap());
    gateway.clock().advance(Duration::from_secs(599));
    assert_eq!(alice.get("/api/x").await.status, 200);
    gateway.clock().advance(Duration::from_secs(2));
    assert_eq!(alice.get("/api/x").await.status, 401);

    assert_eq!(alice.renew().await.status, 200);
    assert_ne!(alice.token(), first.token());
    assert_eq!(alice.get("/api/x").await.status, 200);
    assert_eq!(alice.log_out().await.status, 200);
    assert_eq!(alice.get("/api/x").await.status, 401);
    assert_eq!(alice.renew().await.status, 401);
    // Another session of the same user goes on.
    let mut other = other;
    assert_eq!(other.renew().await.status, 200);
    assert_eq!(other.get("/api/x").await.status, 200);
}

#[tokio::test]
async fn a_client_asks_from_where_and_how_the_test_says() {
    let gateway = gateway();
    let stranger = gateway.stranger();
    assert_eq!(stranger.get("/near/x").await.status, 403);
    let near = stranger.clone().from([192, 0, 2, 7].into());
    assert_eq!(near.get("/near/x").await.status, 200);
    // Of a host that is not served there is nothing, whoever asks.
    let other = || Request::get("/near/x").header("host", "other.test").body(String::new());
    assert_eq!(near.ask(other().unwrap()).await.status, 421);
    let token = gateway.token("alice", &[]).await.unwrap();
    let bearer = format!("Bearer {token}");
    let request = Request::put("/api/x").header("authorization", bearer).body("body".to_owned());
    let seen = stranger.ask(request.unwrap()).await.json::<Value>().unwrap();
    assert_eq!(
        (&seen["method"], &seen["headers"]["x-user-name"]),
        (&json!("PUT"), &json!("alice"))
    );
}

#[tokio::test]
async fn a_registration_is_one_without_waiting_for_its_hash() {
    let gateway = gateway();
    let account = json!({ "username": "carol", "password": "Tr1cky-Phrase-77" });
    let stranger = gateway.stranger();
    assert_eq!(stranger.post("/auth/register/", &account).await.status, 201);
    let tokens = stranger.post("/auth/token/", &account).await.json::<Value>().unwrap();
    assert!(tokens["access"].is_string());
}

#[test]
fn lines_that_do_not_hold_are_told_all_at_once() {
    let config =
        Config::parse("policy", POLICY, Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap().config;
    expect(&config, ["user GET /api/x -> api", "anyone GET /static/x -> files"]).unwrap();
    let lines =
        ["user GET /api/x -> 403", "user GET /api/x -> api", "nonsense", "anyone GET /x -> api"];
    let unmet = expect(&config, lines).unwrap_err();
    let told = "`user GET /api/x -> 403`: forwarded to `api`, by the route `/api/*`, which allows user\n\
                `nonsense`: write `WHO METHOD [host]/path -> OUTCOME`, as in `user GET /admin -> 403`\n\
                `anyone GET /x -> api`: answered 404, for no route matches";
    assert_eq!(unmet.to_string(), told);
    assert_eq!(format!("{unmet:?}"), format!("\n{told}"));
}

#[tokio::test]
async fn a_token_is_not_shown() {
    let gateway = gateway();
    let alice = gateway.sign_in("alice", &[]).await.unwrap();
    assert!(!format!("{alice:?} {gateway:?}").contains(alice.token().unwrap()));
}
