//! A name that strangers have locked stays open on the devices that its owner has logged in on.

use std::time::Duration;

use portcullis::Secret;
use serde_json::json;

use crate::common::{PASSWORD, Policy, Reply, Setup, Stage, Upstream};

const NEW: &str = "another horse battery";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn stage() -> Stage {
    Stage::with(|policy| policy.account_throttle("3/15m")).await
}

/// A login with these cookies.
async fn log_in(stage: &Stage, path: &str, name: &str, password: &str, cookies: &str) -> Reply {
    let body = json!({ "username": name, "password": password }).to_string();
    let cookies = if cookies.is_empty() { String::new() } else { format!("Cookie: {cookies}\r\n") };
    stage
        .send(format!(
            "POST /api/auth/{path} HTTP/1.1\r\nHost: a.test\r\n{cookies}\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await
}

async fn status(stage: &Stage, password: &str, cookies: &str) -> u16 {
    log_in(stage, "token/", "alice", password, cookies).await.status
}

/// The cookie that an answer sets, as it is sent back.
fn cookie(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.one("set-cookie").split(';').next().expect("a pair").to_owned()
}

/// Strangers guess until the name is locked.
async fn lock(stage: &Stage) {
    while status(stage, "wrong", "").await != 429 {}
    assert_eq!(status(stage, PASSWORD, "").await, 429);
}

#[tokio::test]
async fn a_known_device_gets_in_while_strangers_lock_the_name() {
    let upstream = Upstream::start().await;
    let policy = Policy::to(&upstream).account_throttle("3/15m").signing("algorithm = \"ES256\"");
    let mut stage = Stage::of(upstream, Setup::new(&policy).keeps_keys()).await;
    let first = log_in(&stage, "token/", "alice", PASSWORD, "").await;
    let attributes = "Path=/api/auth; Max-Age=7776000; HttpOnly; SameSite=Lax";
    let pair = cookie(&first);
    assert_eq!(first.one("set-cookie"), format!("{pair}; {attributes}"));
    let members: Vec<_> = first.json().as_object().unwrap().keys().cloned().collect();
    assert_eq!(members, ["access", "refresh"]);
    for restarted in [false, true] {
        lock(&stage).await;
        assert_eq!(status(&stage, PASSWORD, &format!("a=b; {pair}; c=d")).await, 200);
        assert_eq!(status(&stage, PASSWORD, "").await, 429, "nobody else gains by it");
        for path in ["token/", "api-token-auth/"] {
            let reply = log_in(&stage, path, "ＡＬＩＣＥ", PASSWORD, &pair).await;
            assert_eq!((reply.status, reply.all("set-cookie").len()), (400, 0), "another name");
            let reply = log_in(&stage, path, "ａｌｉｃｅ", PASSWORD, &pair).await;
            assert_ne!(cookie(&reply), pair, "the same name in other letters, a token of its own");
        }
        if !restarted {
            stage.gateway = stage.gateway.restart().await;
        }
    }
    stage.finish_untouched().await;
}

#[tokio::test]
async fn a_device_has_as_many_guesses_as_a_name_and_no_more() {
    let stage = stage().await;
    let [one, other] = [
        cookie(&log_in(&stage, "token/", "alice", PASSWORD, "").await),
        cookie(&log_in(&stage, "token/", "alice", PASSWORD, "").await),
    ];
    for _ in 0..3 {
        assert_eq!(status(&stage, "wrong", &one).await, 400);
    }
    let locked = log_in(&stage, "token/", "alice", PASSWORD, &one).await;
    assert_eq!((locked.status, locked.one("retry-after")), (429, "300"));
    assert_eq!(locked.all("set-cookie").len(), 0);
    assert_eq!(status(&stage, PASSWORD, &other).await, 200);
    assert_eq!(status(&stage, PASSWORD, "").await, 200, "the name itself was not guessed at");
    stage.gateway.clock().advance(Duration::from_secs(301));
    assert_eq!(status(&stage, PASSWORD, &one).await, 200);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn only_a_living_token_of_the_very_account_counts() {
    let stage = stage().await;
    stage.user("bob", &[]).await;
    let own = cookie(&log_in(&stage, "token/", "alice", PASSWORD, "").await);
    let bobs = cookie(&log_in(&stage, "token/", "bob", PASSWORD, "").await);
    lock(&stage).await;
    let (name, value) = own.split_once('=').unwrap();
    let flipped = if value.starts_with('A') { "B" } else { "A" };
    for bad in [
        bobs.clone(),
        format!("{name}={flipped}{}", &value[1..]),
        format!("{name}={}", &value[..value.len() - 2]),
        format!("{name}={value}="),
        format!("{name}=\"{value}\""),
        format!("{name}="),
        format!("{name}2={value}"),
        format!("{};{own}", format!("{name}=x;").repeat(4)),
        "\u{e9}".to_owned(),
    ] {
        assert_eq!(status(&stage, PASSWORD, &bad).await, 429, "{bad}");
    }
    assert_eq!(status(&stage, PASSWORD, &format!("{bobs}; {own}")).await, 200);
    stage.gateway.clock().advance(89 * DAY + Duration::from_secs(86_399));
    lock(&stage).await;
    assert_eq!(status(&stage, PASSWORD, &own).await, 200);
    stage.gateway.clock().advance(Duration::from_secs(1));
    assert_eq!(status(&stage, PASSWORD, &own).await, 429);
    stage.finish_untouched().await;
}

/// Who logged in by a password that was stolen is a stranger again when it is replaced.
#[tokio::test]
async fn another_password_makes_strangers_of_all_devices() {
    let stage = stage().await;
    let first = log_in(&stage, "token/", "alice", PASSWORD, "").await;
    let (old, access) = (cookie(&first), first.json()["access"].as_str().unwrap().to_owned());
    let body = json!({ "old_password": PASSWORD, "new_password": NEW });
    let changed = stage.ask("POST", "password/change/", Some(&access), Some(&body)).await;
    let new = cookie(&changed);
    while status(&stage, "wrong", "").await != 429 {}
    assert_eq!(status(&stage, NEW, &old).await, 429);
    assert_eq!(status(&stage, NEW, &new).await, 200);
    let password = Secret::from(PASSWORD.to_owned());
    assert!(stage.gateway.accounts.set_password(stage.alice.id, password).await.unwrap());
    assert_eq!(status(&stage, PASSWORD, &new).await, 429);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn a_cookie_is_set_where_it_is_of_use_and_for_https_where_that_is_all_there_is() {
    let secure = |policy: Policy| policy.top("public = \"https://a.test\"\n");
    let stage = Stage::with(|policy| secure(policy.account_throttle("3/15m"))).await;
    let reply = log_in(&stage, "token/", "alice", PASSWORD, "").await;
    assert!(reply.one("set-cookie").ends_with("; HttpOnly; SameSite=Lax; Secure"), "{reply:?}");
    for path in ["token/refresh/", "register/"] {
        let body = json!({ "refresh": reply.json()["refresh"], "username": "x", "password": NEW });
        let other = stage.ask("POST", path, None, Some(&body)).await;
        assert!(other.status < 300 && other.all("set-cookie").is_empty(), "{path}: {other:?}");
    }
    stage.finish_untouched().await;
    let off = Stage::start().await;
    assert!(log_in(&off, "token/", "alice", PASSWORD, "").await.all("set-cookie").is_empty());
    off.finish_untouched().await;
    let off = Stage::with(|policy| policy.account_throttle("3/15m\"\ndevice = \"off")).await;
    assert!(log_in(&off, "token/", "alice", PASSWORD, "").await.all("set-cookie").is_empty());
    off.finish_untouched().await;
}
