//! Where somebody is logged in, and how that ends: `logout/`, `logout/all/`, `sessions/`.

use std::time::Duration;

use portcullis::clock::Clock;
use serde_json::{Value, json};

use crate::common::{NOW, PASSWORD, Policy, Reply, Setup, Stage, Upstream, claims, mint};

const SPENT: &str = "[auth]\ngrace = \"0s\"\n";

fn is(reply: &Reply, status: u16, body: &Value) {
    assert_eq!((reply.status, &reply.json()), (status, body), "{reply:?}");
}

fn is_over(reply: &Reply) {
    assert_eq!(reply.status, 401, "{reply:?}");
    let told = reply.json();
    let message = told["messages"][0]["message"].as_str().or_else(|| told["detail"].as_str());
    assert_eq!(message, Some("Token is blacklisted"), "{reply:?}");
}

async fn refresh(stage: &Stage, token: &str) -> Reply {
    stage.post("/api/auth/token/refresh/", &json!({ "refresh": token })).await
}

async fn log_out(stage: &Stage, access: Option<&str>, refresh: Option<&str>) -> Reply {
    let body = refresh.map(|token| json!({ "refresh": token }));
    stage.ask("POST", "logout/", access, body.as_ref()).await
}

async fn sessions(stage: &Stage, token: &str) -> Vec<Value> {
    let reply = stage.ask("GET", "sessions/", Some(token), None).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json().as_array().expect("a list").clone()
}

fn text<'a>(session: &'a Value, member: &str) -> &'a str {
    session[member].as_str().expect("text")
}

#[tokio::test]
async fn a_logout_by_either_credential_ends_its_session_and_no_other() {
    let stage = Stage::start().await;
    let (other, other_refresh) = stage.log_in("alice").await;
    for (by_access, by_refresh) in [(true, false), (false, true), (true, true)] {
        let (access, token) = stage.log_in("alice").await;
        assert_eq!(stage.get_as("/app/x", &access).await.status, 200);
        let credentials = (by_access.then_some(&*access), by_refresh.then_some(&*token));
        is(&log_out(&stage, credentials.0, credentials.1).await, 200, &json!({}));
        is_over(&stage.get_as("/app/x", &access).await);
        is_over(&refresh(&stage, &token).await);
        is_over(&log_out(&stage, credentials.0, credentials.1).await);
    }
    assert_eq!(stage.get_as("/app/x", &other).await.status, 200);
    assert_eq!(refresh(&stage, &other_refresh).await.status, 200);
    stage.finish().await;
}

/// The newest of a chain takes every older one with it, and any older one the newest.
#[tokio::test]
async fn a_logout_by_any_token_of_a_chain_ends_all_of_it() {
    let stage = Stage::with(|policy| policy.and(SPENT)).await;
    for by in 0..3 {
        let (access, first) = stage.log_in("alice").await;
        let mut chain = vec![first];
        let mut accesses = vec![access];
        for _ in 0..2 {
            let renewed = refresh(&stage, chain.last().unwrap()).await.json();
            chain.push(renewed["refresh"].as_str().unwrap().to_owned());
            accesses.push(renewed["access"].as_str().unwrap().to_owned());
        }
        is(&log_out(&stage, None, Some(&chain[by])).await, 200, &json!({}));
        for token in &chain {
            is_over(&refresh(&stage, token).await);
            is_over(&log_out(&stage, None, Some(token)).await);
        }
        for access in &accesses {
            is_over(&stage.get_as("/app/x", access).await);
        }
    }
    for by in 0..2 {
        let (access, first) = stage.log_in("alice").await;
        let renewed = refresh(&stage, &first).await.json();
        let accesses = [access, renewed["access"].as_str().unwrap().to_owned()];
        is(&log_out(&stage, Some(&accesses[by]), None).await, 200, &json!({}));
        for access in &accesses {
            is_over(&stage.get_as("/app/x", access).await);
        }
        is_over(&refresh(&stage, renewed["refresh"].as_str().unwrap()).await);
    }
    stage.finish().await;
}

#[tokio::test]
async fn who_has_a_dead_access_token_can_still_log_out() {
    let stage = Stage::start().await;
    let (access, token) = stage.log_in("alice").await;
    stage.gateway.clock().advance(Duration::from_secs(31 * 60));
    let refused = log_out(&stage, Some(&access), None).await;
    assert_eq!((refused.status, &refused.json()["code"]), (401, &json!("token_not_valid")));
    is(&log_out(&stage, Some(&access), Some(&token)).await, 200, &json!({}));
    is_over(&refresh(&stage, &token).await);
    // And the other way round.
    let (access, token) = stage.log_in("alice").await;
    is(&log_out(&stage, Some(&access), Some("x.y.z")).await, 200, &json!({}));
    is_over(&refresh(&stage, &token).await);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn a_token_made_elsewhere_is_a_session_of_itself() {
    let stage = Stage::start().await;
    let mut other = claims(&stage.alice.id.to_string());
    other["jti"] = json!("another");
    let other = mint(&other);
    is(&log_out(&stage, Some(&stage.token), None).await, 200, &json!({}));
    is_over(&stage.get_as("/app/x", &stage.token).await);
    is_over(&log_out(&stage, Some(&stage.token), None).await);
    assert_eq!(stage.get_as("/app/x", &other).await.status, 200);
    let (mut old, id) = (claims(&stage.alice.id.to_string()), "an-old-refresh-token");
    old["token_type"] = json!("refresh");
    old["jti"] = json!(id);
    let old = mint(&old);
    is(&log_out(&stage, None, Some(&old)).await, 200, &json!({}));
    is_over(&refresh(&stage, &old).await);
    stage.finish().await;
}

#[tokio::test]
async fn what_is_no_credential_logs_nobody_out() {
    let stage = Stage::with(|policy| policy.and("[auth]\ntoken_scheme = true\n")).await;
    let (access, _) = stage.log_in("alice").await;
    let login = json!({ "username": "alice", "password": PASSWORD });
    let key = stage.post("/api/auth/api-token-auth/", &login).await.json();
    let key = key["token"].as_str().unwrap();
    let nobody = json!({ "detail": "Authentication credentials were not provided." });
    is(&log_out(&stage, None, None).await, 401, &nobody);
    is(&log_out(&stage, None, Some("")).await, 401, &nobody);
    let invalid = json!({ "detail": "Token is invalid", "code": "token_not_valid" });
    is(&log_out(&stage, None, Some("x.y.z")).await, 401, &invalid);
    let kind = json!({ "detail": "Token has wrong type", "code": "token_not_valid" });
    is(&log_out(&stage, None, Some(&access)).await, 401, &kind);
    for (refresh, told) in [
        (json!(null), "This field may not be null."),
        (json!(["x"]), "Not a valid string."),
        (json!("a\u{0}b"), "Null characters are not allowed."),
    ] {
        let body = json!({ "refresh": refresh });
        let reply = stage.ask("POST", "logout/", Some(&access), Some(&body)).await;
        is(&reply, 400, &json!({ "refresh": [told] }));
    }
    let list = stage.ask("POST", "logout/", Some(&access), Some(&json!(["x"]))).await;
    assert_eq!(list.status, 400);
    for path in ["logout/", "logout/all/"] {
        for method in ["GET", "PUT", "DELETE"] {
            let reply = stage.ask(method, path, Some(&access), None).await;
            assert_eq!((reply.status, reply.one("allow")), (405, "POST, OPTIONS"), "{path}");
        }
    }
    for path in ["logout/all/", "sessions/"] {
        let method = if path == "sessions/" { "GET" } else { "POST" };
        is(&stage.ask(method, path, None, None).await, 401, &nobody);
        assert_eq!(stage.ask(method, path, Some("x.y.z"), None).await.status, 401);
    }
    let by_key = format!(
        "POST /api/auth/logout/ HTTP/1.1\r\nHost: a.test\r\nAuthorization: Token {key}\r\n\
         Content-Length: 0\r\n\r\n"
    );
    let told = json!({ "detail": "This credential has no session that could be ended." });
    is(&stage.send(by_key).await, 400, &told);
    assert_eq!(stage.get_as("/app/x", &access).await.status, 200);
    stage.finish().await;
}

#[tokio::test]
async fn of_many_logouts_at_once_none_fails() {
    let stage = Stage::start().await;
    let (access, token) = stage.log_in("alice").await;
    let all = (0..24).map(|number| {
        let access = (number % 3 != 0).then_some(&*access);
        log_out(&stage, access, (number % 3 != 1).then_some(&*token))
    });
    let statuses: Vec<_> =
        futures_util::future::join_all(all).await.iter().map(|reply| reply.status).collect();
    assert!(statuses.iter().all(|status| [200, 401].contains(status)), "{statuses:?}");
    assert!(statuses.contains(&200));
    is_over(&refresh(&stage, &token).await);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn a_logout_from_everywhere_ends_what_was_and_not_what_comes() {
    let stage = Stage::start().await;
    stage.user("bob", &[]).await;
    let (bob, _) = stage.log_in("bob").await;
    let (one, its_refresh) = stage.log_in("alice").await;
    let (other, _) = stage.log_in("alice").await;
    for token in [&one, &other, &stage.token] {
        assert_eq!(stage.get_as("/app/x", token).await.status, 200);
    }
    is(&stage.ask("POST", "logout/all/", Some(&other), None).await, 200, &json!({}));
    for token in [&one, &other, &stage.token] {
        is_over(&stage.get_as("/app/x", token).await);
    }
    is_over(&refresh(&stage, &its_refresh).await);
    is_over(&stage.ask("POST", "logout/all/", Some(&other), None).await);
    let (new, _) = stage.log_in("alice").await;
    assert_eq!(sessions(&stage, &new).await.len(), 1);
    assert_eq!(stage.get_as("/app/x", &new).await.status, 200);
    assert_eq!(stage.get_as("/app/x", &bob).await.status, 200);
    stage.finish().await;
}

#[tokio::test]
async fn the_list_has_the_living_sessions_of_the_caller_alone() {
    let stage = Stage::start().await;
    stage.user("bob", &[]).await;
    stage.log_in("bob").await;
    let body = json!({ "username": "alice", "password": PASSWORD }).to_string();
    let login = format!(
        "POST /api/auth/token/ HTTP/1.1\r\nHost: a.test\r\nUser-Agent: Grüße/1 x\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let reply = stage.send(login).await;
    let first = reply.json()["access"].as_str().unwrap().to_owned();
    stage.gateway.clock().advance(Duration::from_secs(90));
    let (second, token) = stage.log_in("alice").await;
    let (_, ended) = stage.log_in("alice").await;
    assert_eq!(log_out(&stage, None, Some(&ended)).await.status, 200);

    let list = sessions(&stage, &second).await;
    assert_eq!(list.len(), 2, "{list:?}");
    let members = ["address", "current", "device", "id", "last_used", "started"];
    for session in &list {
        let mut names: Vec<_> = session.as_object().unwrap().keys().collect();
        names.sort_unstable();
        assert_eq!(names, members);
    }
    assert_eq!((&list[0]["current"], &list[1]["current"]), (&json!(true), &json!(false)));
    assert_eq!((text(&list[1], "device"), text(&list[1], "address")), ("Grüße/1 x", "127.0.0.1"));
    let at = |seconds| portcullis::clock::Timestamp::from_secs(NOW + seconds).to_string();
    assert_eq!(text(&list[1], "started"), at(0));
    assert_eq!(text(&list[0], "started"), at(90));
    let turned = sessions(&stage, &first).await;
    assert_eq!((&turned[0]["current"], &turned[1]["current"]), (&json!(false), &json!(true)));
    assert_eq!(text(&turned[0], "id"), text(&list[0], "id"));

    // Whom nobody renews ends by itself; a token made elsewhere has no session here.
    assert_eq!(sessions(&stage, &stage.token).await.len(), 2);
    stage.gateway.clock().advance(Duration::from_secs(23 * 60 * 60));
    let renewed = refresh(&stage, &token).await.json()["access"].as_str().unwrap().to_owned();
    stage.gateway.clock().advance(Duration::from_secs(29 * 60));
    let late = sessions(&stage, &renewed).await;
    assert_eq!(late.len(), 2, "its last access token could still live");
    stage.gateway.clock().advance(Duration::from_secs(2 * 60 * 60));
    let (fresh, _) = stage.log_in("alice").await;
    let ids: Vec<_> = sessions(&stage, &fresh).await;
    assert_eq!(ids.len(), 2, "{ids:?}");
    assert_eq!(text(&ids[1], "id"), text(&list[0], "id"));
    stage.finish_untouched().await;
}

#[tokio::test]
async fn the_last_use_is_known_to_the_minute_and_kept_over_a_restart() {
    let mut stage = Stage::start().await;
    let (access, _) = stage.log_in("alice").await;
    let (idle, _) = stage.log_in("alice").await;
    stage.gateway.clock().advance(Duration::from_secs(300));
    assert_eq!(stage.get_as("/app/x", &access).await.status, 200);
    let used = stage.gateway.clock().now().to_string();
    stage.gateway.clock().advance(Duration::from_secs(59));
    assert_eq!(stage.get_as("/app/x", &access).await.status, 200);
    let last_uses = async |stage: &Stage| {
        let list = sessions(stage, &stage.token).await;
        [0, 1].map(|at| text(&list[at], "last_used").to_owned())
    };
    let never = portcullis::clock::Timestamp::from_secs(NOW).to_string();
    assert_eq!(last_uses(&stage).await, [never.clone(), used.clone()]);
    stage.gateway.clock().advance(Duration::from_secs(1));
    assert_eq!(stage.get_as("/app/x", &access).await.status, 200);
    let used = stage.gateway.clock().now().to_string();
    assert_eq!(last_uses(&stage).await, [never.clone(), used.clone()]);
    stage.gateway = stage.gateway.restart().await;
    assert_eq!(last_uses(&stage).await, [never, used]);
    assert_eq!(sessions(&stage, &idle).await[0]["current"], true);
    stage.finish().await;
}

#[tokio::test]
async fn the_list_is_bounded_and_has_the_newest() {
    let stage = Stage::start().await;
    let mut newest = String::new();
    for _ in 0..101 {
        newest = stage.log_in("alice").await.0;
    }
    let list = sessions(&stage, &newest).await;
    assert_eq!((list.len(), &list[0]["current"]), (100, &json!(true)));
    stage.finish_untouched().await;
}

#[tokio::test]
async fn a_session_is_ended_by_its_user_alone() {
    let stage = Stage::start().await;
    stage.user("bob", &[]).await;
    let (bob, _) = stage.log_in("bob").await;
    let (phone, its_refresh) = stage.log_in("alice").await;
    let (laptop, _) = stage.log_in("alice").await;
    let list = sessions(&stage, &laptop).await;
    let (own, other) = (text(&list[0], "id"), text(&list[1], "id"));
    let end = async |token: Option<&str>, id: &str| {
        stage.ask("DELETE", &format!("sessions/{id}/"), token, None).await
    };
    let none = json!({ "detail": "Not found." });
    is(&end(Some(&bob), other).await, 404, &none);
    assert_eq!(end(None, other).await.status, 401);
    let guessed = format!("{}-{:016x}", other.split('-').next().unwrap(), 7);
    for id in [&*guessed, "1", "x", "0-0", "9999-0000000000000000", "-", "%20", "a%2Fb"] {
        is(&end(Some(&laptop), id).await, 404, &none);
    }
    assert_eq!(stage.get_as("/app/x", &phone).await.status, 200, "nobody ended it so far");

    let done = end(Some(&laptop), other).await;
    assert_eq!((done.status, done.body.len(), done.one("allow")), (204, 0, "DELETE, OPTIONS"));
    is_over(&stage.get_as("/app/x", &phone).await);
    is_over(&refresh(&stage, &its_refresh).await);
    is(&end(Some(&laptop), other).await, 404, &none);
    assert_eq!(sessions(&stage, &laptop).await.len(), 1);
    assert_eq!(end(Some(&laptop), own).await.status, 204);
    is_over(&stage.get_as("/app/x", &laptop).await);
    for (path, allow) in [("sessions/", "GET, HEAD, OPTIONS"), ("sessions/1/", "DELETE, OPTIONS")] {
        let reply = stage.ask("PATCH", path, Some(&bob), None).await;
        assert_eq!((reply.status, reply.one("allow")), (405, allow));
        let told = stage.ask("OPTIONS", path, Some(&bob), None).await;
        assert_eq!((told.status, told.json().get("actions")), (200, None));
    }
    stage.finish().await;
}

/// Nothing of it is forgotten by a restart.
#[tokio::test]
async fn a_restart_forgets_no_logout() {
    let upstream = Upstream::start().await;
    let policy = Policy::to(&upstream);
    let mut stage = Stage::of(upstream, Setup::new(&policy)).await;
    let (one, _) = stage.log_in("alice").await;
    let (other, token) = stage.log_in("alice").await;
    is(&log_out(&stage, Some(&one), None).await, 200, &json!({}));
    stage.gateway = stage.gateway.restart().await;
    is_over(&stage.get_as("/app/x", &one).await);
    assert_eq!(stage.get_as("/app/x", &other).await.status, 200);
    is(&stage.ask("POST", "logout/all/", Some(&other), None).await, 200, &json!({}));
    stage.gateway = stage.gateway.restart().await;
    is_over(&stage.get_as("/app/x", &other).await);
    is_over(&refresh(&stage, &token).await);
    stage.finish().await;
}
