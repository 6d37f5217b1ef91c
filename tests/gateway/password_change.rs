//! `POST password/change/`: what it takes, what it ends, and what goes on.

use std::time::Duration;

use portcullis::clock::Clock;
use serde_json::{Value, json};

use crate::common::{PASSWORD, Reply, Stage, claims, mint};

const NEW: &str = "another horse battery";
const OLD_WRONG: &str = "Your old password was entered incorrectly. Please enter it again.";

async fn change(stage: &Stage, token: &str, old: &str, new: &str) -> Reply {
    let body = json!({ "old_password": old, "new_password": new });
    stage.ask("POST", "password/change/", Some(token), Some(&body)).await
}

async fn log_in(stage: &Stage, password: &str) -> Reply {
    let body = json!({ "username": "alice", "password": password });
    stage.post("/api/auth/token/", &body).await
}

async fn refresh(stage: &Stage, token: &str) -> Reply {
    stage.post("/api/auth/token/refresh/", &json!({ "refresh": token })).await
}

fn pair(reply: &Reply) -> (String, String) {
    assert_eq!(reply.status, 200, "{reply:?}");
    let json = reply.json();
    let text = |name: &str| json[name].as_str().expect("no token").to_owned();
    (text("access"), text("refresh"))
}

async fn changed(stage: &Stage, token: &str) {
    let reply = stage.get_as("/app/x", token).await;
    assert_eq!((reply.status, &reply.json()["code"]), (401, &json!("password_changed")));
}

#[tokio::test]
async fn a_new_password_leaves_one_new_session_and_none_from_before() {
    let mut stage = Stage::start().await;
    let (own, own_refresh) = stage.log_in("alice").await;
    let (other, other_refresh) = stage.log_in("alice").await;
    for token in [&own, &other, &stage.token] {
        assert_eq!(stage.get_as("/app/x", token).await.status, 200, "remembered");
    }
    let (access, token) = pair(&change(&stage, &own, PASSWORD, NEW).await);
    for restarted in [false, true] {
        for old in [&own, &other, &stage.token] {
            changed(&stage, old).await;
        }
        for old in [&own_refresh, &other_refresh] {
            assert_eq!(refresh(&stage, old).await.status, 401);
        }
        assert_eq!(stage.get_as("/app/x", &access).await.status, 200);
        let list = stage.ask("GET", "sessions/", Some(&access), None).await.json();
        assert_eq!((list.as_array().unwrap().len(), &list[0]["current"]), (1, &json!(true)));
        assert_eq!(log_in(&stage, PASSWORD).await.status, 400);
        if !restarted {
            stage.gateway = stage.gateway.restart().await;
        }
    }
    assert_eq!(log_in(&stage, NEW).await.status, 200);
    let (renewed, _) = pair(&refresh(&stage, &token).await);
    // The one that goes on is over with the next change.
    let (last, _) = pair(&change(&stage, &renewed, NEW, PASSWORD).await);
    changed(&stage, &access).await;
    assert_eq!(stage.get_as("/app/x", &last).await.status, 200);
    stage.finish().await;
}

#[tokio::test]
async fn what_is_wrong_is_told_by_field_and_changes_nothing() {
    let stage = Stage::start().await;
    let (access, _) = stage.log_in("alice").await;
    let required = "This field is required.";
    let (short, digits) = (
        "This password is too short. It must contain at least 8 characters.",
        "This password is entirely numeric.",
    );
    for (body, faults) in [
        (json!({}), json!({ "old_password": [required], "new_password": [required] })),
        (json!({ "new_password": NEW }), json!({ "old_password": [required] })),
        (
            json!({ "old_password": null, "new_password": ["x"] }),
            json!({
                "old_password": ["This field may not be null."],
                "new_password": ["Not a valid string."],
            }),
        ),
        (
            json!({ "old_password": " ", "new_password": "" }),
            json!({
                "old_password": ["This field may not be blank."],
                "new_password": ["This field may not be blank."],
            }),
        ),
        (
            json!({ "old_password": PASSWORD, "new_password": "12345" }),
            json!({ "new_password": [short, digits] }),
        ),
        (
            json!({ "old_password": "wrong", "new_password": "alice@example" }),
            json!({ "new_password": ["The password is too similar to the email address."] }),
        ),
        (
            json!({ "old_password": PASSWORD, "new_password": "x".repeat(129) }),
            json!({ "new_password": ["Ensure this field has no more than 128 characters."] }),
        ),
        (
            json!({ "old_password": "wrong", "new_password": NEW, "username": "bob", "id": 2 }),
            json!({ "old_password": [OLD_WRONG] }),
        ),
    ] {
        let reply = stage.ask("POST", "password/change/", Some(&access), Some(&body)).await;
        assert_eq!((reply.status, reply.json()), (400, faults), "{body}");
    }
    let body = json!({ "old_password": PASSWORD, "new_password": NEW });
    let nobody = stage.ask("POST", "password/change/", None, Some(&body)).await;
    assert_eq!((nobody.status, nobody.one("www-authenticate")), (401, "Bearer realm=\"api\""));
    for method in ["GET", "PUT", "DELETE"] {
        let reply = stage.ask(method, "password/change/", Some(&access), None).await;
        assert_eq!((reply.status, reply.one("allow")), (405, "POST, OPTIONS"));
    }
    assert_eq!(stage.get_as("/app/x", &access).await.status, 200);
    assert_eq!(log_in(&stage, PASSWORD).await.status, 200);
    stage.finish().await;
}

#[tokio::test]
async fn wrong_old_passwords_are_counted_apart_from_logins() {
    let stage = Stage::with(|policy| policy.account_throttle("3/15m")).await;
    stage.user("bob", &[]).await;
    let (bob, _) = stage.log_in("bob").await;
    let (access, _) = stage.log_in("alice").await;
    for _ in 0..3 {
        assert_eq!(log_in(&stage, "wrong").await.status, 400);
    }
    assert_eq!(log_in(&stage, PASSWORD).await.status, 429, "strangers have locked the name");
    for _ in 0..2 {
        assert_eq!(change(&stage, &access, "wrong", NEW).await.status, 400);
    }
    let (access, _) = pair(&change(&stage, &access, PASSWORD, NEW).await);
    assert_eq!(change(&stage, &access, "wrong", NEW).await.status, 400);
    for old in ["wrong", NEW] {
        let reply = change(&stage, &access, old, PASSWORD).await;
        assert_eq!((reply.status, reply.one("retry-after")), (429, "300"), "{old}");
    }
    assert_eq!(stage.get_as("/app/x", &access).await.status, 200, "the session is unharmed");
    assert_eq!(change(&stage, &bob, "wrong", NEW).await.status, 400, "bob has a count of his own");
    stage.gateway.clock().advance(Duration::from_secs(301));
    assert_eq!(change(&stage, &access, NEW, PASSWORD).await.status, 200);
    stage.finish().await;
}

#[tokio::test]
async fn of_many_changes_at_once_one_wins() {
    let stage = Stage::start().await;
    let (access, _) = stage.log_in("alice").await;
    let news: Vec<_> = (0..8).map(|number| format!("another horse battery {number}")).collect();
    let all = news.iter().map(|new| change(&stage, &access, PASSWORD, new));
    let replies = futures_util::future::join_all(all).await;
    let won: Vec<_> = (0..8).filter(|at| replies[*at].status == 200).collect();
    assert_eq!(won.len(), 1, "{replies:?}");
    assert!(replies.iter().all(|reply| [200, 400, 401].contains(&reply.status)), "{replies:?}");
    assert_eq!(log_in(&stage, &news[won[0]]).await.status, 200);
    let (access, _) = pair(&replies[won[0]]);
    assert_eq!(stage.get_as("/app/x", &access).await.status, 200);
    stage.finish().await;
}

#[tokio::test]
async fn every_credential_of_ours_may_change_the_password_and_gets_its_kind() {
    let more = "[auth]\ntoken_scheme = true\nsliding = true\n";
    let stage = Stage::with(|policy| policy.and(more)).await;
    let login = json!({ "username": "alice", "password": PASSWORD });
    let sliding = stage.post("/api/auth/token/sliding/", &login).await.json();
    let sliding = sliding["token"].as_str().unwrap();
    let reply = change(&stage, sliding, PASSWORD, NEW).await;
    let members: Vec<Value> = reply.json().as_object().unwrap().keys().map(|k| json!(k)).collect();
    assert_eq!((reply.status, members), (200, vec![json!("token")]));
    let token = reply.json()["token"].as_str().unwrap().to_owned();
    changed(&stage, sliding).await;
    let body = json!({ "token": token });
    assert_eq!(stage.post("/api/auth/token/sliding/refresh/", &body).await.status, 200);
    assert_eq!(stage.get_as("/app/x", &token).await.status, 200);

    // One that was made elsewhere with our key, after the change.
    stage.gateway.clock().advance(Duration::from_secs(2));
    let mut foreign = claims(&stage.alice.id.to_string());
    foreign["iat"] = json!(stage.gateway.clock().now().as_secs());
    let (access, _) = pair(&change(&stage, &mint(&foreign), NEW, PASSWORD).await);
    assert_eq!(stage.get_as("/app/x", &access).await.status, 200);
    stage.finish().await;
}
