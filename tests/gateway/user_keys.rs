//! API keys that users make for their programs.

use std::time::{Duration, Instant};

use portcullis::store::UserChange;
use serde_json::{Value, json};

use super::{live, websocket};
use crate::common::{Policy, Reply, Setup, Stage, Upstream};

const KEYS: &str = "[auth.keys]\n";
const DAY: u64 = 24 * 60 * 60;

async fn stage() -> Stage {
    Stage::with(|policy| policy.and(KEYS)).await
}

/// A key of that login's owner: its number, and its text.
async fn make(stage: &Stage, access: &str, body: Value) -> (u64, String) {
    let made = stage.ask("POST", "keys/", Some(access), Some(&body)).await;
    assert_eq!((made.status, made.one("cache-control")), (201, "no-store"), "{made:?}");
    let json = made.json();
    (json["id"].as_u64().unwrap(), json["key"].as_str().unwrap().to_owned())
}

async fn revoke(stage: &Stage, access: &str, id: u64) {
    let gone = stage.ask("DELETE", &format!("keys/{id}/"), Some(access), None).await;
    assert_eq!(gone.status, 204, "{gone:?}");
}

async fn change(stage: &Stage, change: UserChange) {
    stage.gateway.accounts.change(stage.alice.id, change).await.unwrap().unwrap();
}

fn role(name: &str) -> String {
    name.to_owned()
}

#[track_caller]
fn is_refused(reply: &Reply, code: &str) {
    assert_eq!((reply.status, &reply.json()["code"]), (401, &json!(code)), "{reply:?}");
    assert_eq!(reply.one("www-authenticate"), "Bearer realm=\"api\", error=\"invalid_token\"");
    assert_eq!(reply.one("cache-control"), "no-store");
}

#[tokio::test]
async fn a_key_opens_what_its_owner_may_and_says_who_that_is() {
    let stage = stage().await;
    let (access, _) = stage.log_in("alice").await;
    let (_, key) = make(&stage, &access, json!({ "name": "backup" })).await;
    let (prefix, rest) = key.split_once('_').unwrap();
    assert_eq!((prefix, rest.len()), ("pck", 36));
    assert!(rest.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{key}");
    let fields = format!("Authorization: bearer {key}\r\nX-User-Name: mallory\r\n");
    for _ in 0..2 {
        let reply = stage.get("/app/x", &fields).await;
        assert_eq!((reply.status, reply.one("cache-control")), (200, "private"), "{reply:?}");
    }
    // On a route for anyone a good one says who asks, and a broken one is refused.
    assert_eq!(stage.get_as("/public/x", &key).await.status, 200);
    is_refused(&stage.get_as("/public/x", &format!("{key}x")).await, "api_key_not_valid");
    let profile = stage.ask("GET", "profile/", Some(&key), None).await;
    assert_eq!(profile.json(), json!({ "username": "alice", "email": "alice@example.com" }));
    let seen = stage.finish().await;
    assert_eq!(seen.len(), 3);
    for request in seen {
        assert_eq!(request.all("x-user-id"), ["1"]);
        assert_eq!(request.all("x-user-name"), ["alice"]);
        assert_eq!(request.all("x-user-roles"), ["editor"]);
        assert!(!request.has("authorization"));
    }
}

#[tokio::test]
async fn a_key_is_never_wider_than_its_owner() {
    let stage = stage().await;
    change(&stage, UserChange::AddRole(role("admin"))).await;
    let (access, _) = stage.log_in("alice").await;
    let (_, all) = make(&stage, &access, json!({ "name": "all" })).await;
    let (_, admin) = make(&stage, &access, json!({ "name": "a", "scopes": ["admin"] })).await;
    let (_, editor) = make(&stage, &access, json!({ "name": "e", "scopes": ["editor"] })).await;
    let (_, none) = make(&stage, &access, json!({ "name": "n", "scopes": [] })).await;
    let wide = json!({ "name": "w", "scopes": ["admin", "root"] });
    let refused = stage.ask("POST", "keys/", Some(&access), Some(&wide)).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json(), json!({ "scopes": ["You do not have the role \"root\"."] }));
    let statuses = async || {
        let mut statuses = Vec::new();
        for key in [&all, &admin, &editor, &none] {
            statuses.push(stage.get_as("/admin-area/x", key).await.status);
        }
        statuses
    };
    assert_eq!(statuses().await, [200, 200, 403, 403]);
    // At the next request, each way.
    change(&stage, UserChange::RemoveRole(role("admin"))).await;
    assert_eq!(statuses().await, [403; 4]);
    change(&stage, UserChange::AddRole(role("admin"))).await;
    assert_eq!(statuses().await, [200, 200, 403, 403]);
    for key in [&editor, &none] {
        assert_eq!(stage.get_as("/app/x", key).await.status, 200);
    }
    let seen = stage.finish().await;
    let roles: Vec<_> = seen.iter().map(|request| request.all("x-user-roles").join("|")).collect();
    assert_eq!(roles, ["admin,editor", "admin", "admin,editor", "admin", "editor", ""]);
}

#[tokio::test]
async fn what_is_no_good_key_opens_nothing() {
    let stage = stage().await;
    let bob = stage.user("bob", &[]).await;
    let (access, theirs) = (stage.log_in("alice").await.0, stage.log_in("bob").await.0);
    let (id, revoked) = make(&stage, &access, json!({ "name": "revoked" })).await;
    let (_, short) = make(&stage, &access, json!({ "name": "short", "expires_in": DAY })).await;
    let (_, kept) = make(&stage, &access, json!({ "name": "kept" })).await;
    let (_, orphan) = make(&stage, &theirs, json!({ "name": "orphan" })).await;
    for key in [&revoked, &short, &kept, &orphan] {
        assert_eq!(stage.get_as("/app/x", key).await.status, 200);
    }
    // Of another form, or with another checksum.
    let swapped: String = kept.chars().rev().collect();
    for wrong in [
        "pck_".to_owned(),
        "pck_x".to_owned(),
        format!("{kept}0"),
        kept[..39].to_owned(),
        format!("pck_{}", "0".repeat(36)),
        format!("pck_{}", &swapped[..36]),
        kept.replacen("pck_", "pck__", 1),
        format!("{kept}.a.b"),
    ] {
        is_refused(&stage.get_as("/app/x", &wrong).await, "api_key_not_valid");
    }
    // In another place than after `Bearer` it is nothing at all.
    for field in [format!("Authorization: Token {kept}"), format!("X-Api-Key: {kept}")] {
        let reply = stage.get("/app/x", &format!("{field}\r\n")).await;
        assert_eq!(reply.json()["detail"], "Authentication credentials were not provided.");
    }
    let twice = format!("Authorization: Bearer {kept}\r\nAuthorization: Bearer {kept}\r\n");
    is_refused(&stage.get("/app/x", &twice).await, "bad_authorization_header");

    revoke(&stage, &access, id).await;
    is_refused(&stage.get_as("/app/x", &revoked).await, "api_key_not_valid");
    change(&stage, UserChange::Active(false)).await;
    is_refused(&stage.get_as("/app/x", &kept).await, "user_inactive");
    change(&stage, UserChange::Active(true)).await;
    assert_eq!(stage.get_as("/app/x", &kept).await.status, 200, "it comes back with its owner");
    stage.gateway.accounts.delete(bob.id).await.unwrap();
    is_refused(&stage.get_as("/app/x", &orphan).await, "api_key_not_valid");
    stage.gateway.clock().advance(Duration::from_secs(DAY - 1));
    assert_eq!(stage.get_as("/app/x", &short).await.status, 200);
    stage.gateway.clock().advance(Duration::from_secs(1));
    is_refused(&stage.get_as("/app/x", &short).await, "api_key_expired");
    assert_eq!(stage.get_as("/app/x", &kept).await.status, 200);
    assert_eq!(stage.finish().await.len(), 7);
}

#[tokio::test]
async fn a_key_is_no_login_and_outlives_them() {
    let fresh = "[routes.\"/danger/*\"]\nto = \"up\"\nfresh = \"15m\"\n";
    let stage = Stage::with(|policy| policy.and(KEYS).and(fresh)).await;
    let (access, _) = stage.log_in("alice").await;
    let (_, key) = make(&stage, &access, json!({ "name": "n" })).await;
    assert_eq!(stage.get_as("/danger/x", &access).await.status, 200);
    let late = stage.get_as("/danger/x", &key).await;
    let code = json!("insufficient_user_authentication");
    assert_eq!((late.status, &late.json()["code"]), (401, &code));
    let more = json!({ "name": "more" });
    let refused = stage.ask("POST", "keys/", Some(&key), Some(&more)).await;
    assert_eq!((refused.status, &refused.json()["code"]), (403, &json!("api_key_not_allowed")));
    // A token that was minted elsewhere says nothing of a login either.
    let refused = stage.ask("POST", "keys/", Some(&stage.token), Some(&more)).await;
    assert_eq!((refused.status, &refused.json()["code"]), (401, &code));
    let out = stage.ask("POST", "logout/all/", Some(&access), None).await;
    assert_eq!(out.status, 200);
    assert_eq!(stage.get_as("/app/x", &access).await.status, 401);
    let password = portcullis::Secret::from("another horse battery".to_owned());
    assert!(stage.gateway.accounts.set_password(stage.alice.id, password).await.unwrap());
    assert_eq!(stage.get_as("/app/x", &key).await.status, 200);
    assert_eq!(stage.finish().await.len(), 2);
}

#[tokio::test]
async fn a_key_is_counted_with_its_owner() {
    let route = "[routes.\"/limited/*\"]\nto = \"up\"\nrate = \"2/h per user\"\n";
    let stage = Stage::with(|policy| policy.and(KEYS).and(route)).await;
    let (access, _) = stage.log_in("alice").await;
    let (_, key) = make(&stage, &access, json!({ "name": "n" })).await;
    let mut statuses = Vec::new();
    for credential in [&key, &access, &key, &access] {
        statuses.push(stage.get_as("/limited/x", credential).await.status);
    }
    assert_eq!(statuses, [200, 200, 429, 429]);
    stage.finish().await;
}

#[tokio::test]
async fn what_a_key_opened_ends_with_it() {
    let stage = live::stage(KEYS).await;
    let (access, _) = stage.log_in("alice").await;
    let (_, kept) = make(&stage, &access, json!({ "name": "kept" })).await;
    let (mut other, mut other_server) = live::open(&stage, "/app/x", &kept, live::EVENTS).await;
    for ends_by_time in [false, true] {
        let body = json!({ "name": "n", "expires_in": 600 });
        let (id, key) = make(&stage, &access, body).await;
        let (mut events, mut server) = live::open(&stage, "/app/x", &key, live::EVENTS).await;
        live::passes(&mut events, &mut server).await;
        if ends_by_time {
            stage.gateway.clock().advance(Duration::from_secs(600));
        } else {
            revoke(&stage, &access, id).await;
        }
        let since = Instant::now();
        assert_eq!(events.chunk().await, b"", "by time: {ends_by_time}");
        server.closed().await;
        assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    }
    live::passes(&mut other, &mut other_server).await;
    drop((other, other_server));
    live::end(stage).await;
}

#[tokio::test]
async fn a_websocket_that_a_key_opened_ends_with_it() {
    let stage = websocket::stage("", KEYS).await;
    let (access, _) = stage.log_in("alice").await;
    let (id, key) = make(&stage, &access, json!({ "name": "n", "scopes": ["editor"] })).await;
    let (mut client, mut server) = websocket::open(&stage, &key).await;
    websocket::talk(&mut client, &mut server).await;
    revoke(&stage, &access, id).await;
    // A close frame with 1008.
    assert_eq!(client.exactly(4).await, [0x88, 2, 3, 0xf0]);
    drop((client, server));
    websocket::end(stage).await;
}

#[tokio::test]
async fn a_ticket_of_a_key_is_as_narrow_as_the_key() {
    let route = "[routes.\"/events/*\"]\nto = \"up\"\ntickets = true\n";
    let stage = Stage::with(|policy| policy.and(KEYS).and(route)).await;
    change(&stage, UserChange::AddRole(role("admin"))).await;
    let (access, _) = stage.log_in("alice").await;
    let body = json!({ "name": "n", "scopes": ["editor"] });
    let (id, key) = make(&stage, &access, body).await;
    let path = json!({ "path": "/events/a" });
    let mut tickets = Vec::new();
    for _ in 0..2 {
        let made = stage.ask("POST", "ticket/", Some(&key), Some(&path)).await;
        assert_eq!(made.status, 201, "{made:?}");
        tickets.push(made.json()["ticket"].as_str().unwrap().to_owned());
    }
    let used = stage.get(&format!("/events/a?ticket={}", tickets[0]), "").await;
    assert_eq!(used.status, 200);
    revoke(&stage, &access, id).await;
    let late = stage.get(&format!("/events/a?ticket={}", tickets[1]), "").await;
    assert_eq!(late.status, 401, "{late:?}");
    let seen = stage.finish().await;
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].all("x-user-roles"), ["editor"]);
}

#[tokio::test]
async fn keys_begin_as_the_file_says_and_are_off_unless_it_speaks_of_them() {
    let upstream = Upstream::start().await;
    let policy = Policy::to(&upstream).and("[auth.keys]\nprefix = \"acme\"\nlife = \"off\"\n");
    let stage = Stage::of(upstream, Setup::new(&policy)).await;
    let (access, _) = stage.log_in("alice").await;
    let (_, key) = make(&stage, &access, json!({ "name": "n" })).await;
    assert!(key.starts_with("acme_"), "{key}");
    stage.gateway.clock().advance(Duration::from_secs(1000 * DAY));
    assert_eq!(stage.get_as("/app/x", &key).await.status, 200);
    is_refused(&stage.get_as("/app/x", "pck_x").await, "token_not_valid");
    stage.finish().await;

    let stage = Stage::start().await;
    let (access, _) = stage.log_in("alice").await;
    is_refused(&stage.get_as("/app/x", &key).await, "token_not_valid");
    let body = json!({ "name": "n" });
    for (method, path) in [("GET", "keys/"), ("POST", "keys/"), ("DELETE", "keys/1/")] {
        let reply = stage.ask(method, path, Some(&access), Some(&body)).await;
        assert_eq!(
            (reply.status, reply.json()),
            (404, json!({ "detail": "Not found." })),
            "{path}"
        );
    }
    stage.finish_untouched().await;
}

#[tokio::test]
async fn the_record_says_who_made_and_revoked_which_key_and_never_the_key() {
    let upstream = Upstream::start().await;
    let setup = Setup::new(&Policy::to(&upstream).and(KEYS)).keeps_keys();
    let stage = Stage::of(upstream, setup).await;
    let (access, _) = stage.log_in("alice").await;
    let body = json!({ "name": "backup", "scopes": ["editor"] });
    let (id, key) = make(&stage, &access, body).await;
    revoke(&stage, &access, id).await;
    let path = stage.gateway.folder().join("portcullis.audit");
    let held = stage.gateway.setup().clone();
    stage.finish_untouched().await;
    let text = std::fs::read_to_string(path).unwrap();
    drop(held);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |event: &str| lines.iter().find(|line| line["event"] == event).unwrap();
    let (made, gone) = (of("api-key.added"), of("api-key.revoked"));
    let facts = json!({ "key": id.to_string(), "name": "backup", "scopes": "editor" });
    assert_eq!(
        (&made["user"], &made["name"], &made["actor"]),
        (&json!(1), &json!("alice"), &json!("user:1"))
    );
    assert_eq!(made["facts"], facts);
    assert_eq!((&gone["user"], &gone["facts"]["key"]), (&json!(1), &json!(id.to_string())));
    assert!(!text.contains(&key[9..]), "{text}");
}
