//! What is good once is good once, at whichever of three gateways, and however many come at once.

use std::collections::HashSet;
use std::time::Duration;

use portcullis::store::{NewToken, PasswordHash, Purpose, TokenRef};
use serde_json::{Value, json};

use super::many::Many;
use crate::common::passkey::{Device, Kind};
use crate::common::{NOW, PASSWORD, Reply, Stage, claims, mint};

/// So many questions at once, to one gateway after the other.
async fn at_once<T>(many: &Many, count: usize, ask: impl AsyncFn(&Stage) -> T) -> Vec<T> {
    let asked = (0..count).map(|number| ask(&many.stages[number % 3]));
    futures_util::future::join_all(asked).await
}

fn payload(token: &str) -> Value {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let part = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&part).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_refreshes_at_three_gateways_comes_one_family_and_one_successor() {
    let many = Many::start().await;
    let (access, refresh) = many.logged_in().await;
    let body = json!({ "refresh": refresh });
    let renew = async |stage: &Stage| stage.post("/api/auth/token/refresh/", &body).await;
    let replies = at_once(&many, 20, renew).await;
    let mut successors = HashSet::new();
    let mut families = HashSet::new();
    for reply in &replies {
        assert_eq!(reply.status, 200, "{reply:?}");
        let (json, text) = (reply.json(), |value: &Value| value.as_str().unwrap().to_owned());
        let successor = payload(json["refresh"].as_str().unwrap());
        let access = payload(json["access"].as_str().unwrap());
        assert_eq!(successor["sid"], access["sid"]);
        families.insert(text(&successor["sid"]));
        successors.insert((text(&successor["jti"]), successor["exp"].as_u64().unwrap()));
    }
    assert_eq!((families.len(), successors.len()), (1, 1), "{successors:?}");
    // The successor is good anywhere, and what was spent ends all of it anywhere after the grace.
    let last = json!({ "refresh": replies[0].json()["refresh"] });
    assert_eq!(many.stages[2].post("/api/auth/token/refresh/", &last).await.status, 200);
    for stage in &many.stages {
        stage.gateway.clock().advance(Duration::from_secs(60));
    }
    assert_eq!(renew(&many.stages[1]).await.status, 401);
    for stage in &many.stages {
        super::many::comes_to(stage, "/app/x", &access, 401, Some("token_not_valid")).await;
    }
    many.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_of_one_gateway_is_signed_once_at_any() {
    let many = Many::with("public = \"https://a.test\"\n").await;
    let (access, _) = many.logged_in().await;
    let [one, other, last] = &many.stages[..] else { panic!() };
    let password = json!({ "password": PASSWORD });
    let offered = one.ask("POST", "factors/passkeys/add/", Some(&access), Some(&password)).await;
    let mut device = Device::new("https://a.test", Kind::Es256);
    let made = device.create(&offered.json()["publicKey"]).to_string();
    let body = json!({ "name": "phone", "credential": made });
    let added = other.ask("POST", "factors/passkeys/confirm/", Some(&access), Some(&body)).await;
    assert_eq!(added.status, 201, "{added:?}");
    let asked = last.post("/api/auth/token/passkey/", &json!({})).await.json();
    let signed = json!({ "credential": device.get(&asked["publicKey"]).to_string() });
    let sign_in =
        async |stage: &Stage| stage.post("/api/auth/token/passkey/confirm/", &signed).await.status;
    let mut replies = at_once(&many, 12, sign_in).await;
    replies.sort_unstable();
    assert_eq!((replies[0], &replies[1..]), (200, &[400; 11][..]));
    many.finish().await;
}

async fn ticket(stage: &Stage, token: &str) -> String {
    let body = json!({ "path": "/events/x" });
    let reply = stage.ask("POST", "ticket/", Some(token), Some(&body)).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let ticket = reply.json()["ticket"].as_str().unwrap().to_owned();
    assert_eq!(ticket.len(), 43, "256 bits in base64url");
    ticket
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_of_one_gateway_opens_its_route_once_at_any() {
    let many = Many::start().await;
    let alice = &many.stages[0].alice;
    let (access, _) = many.logged_in().await;
    let show = async |stage: &Stage, ticket: &str| -> Reply {
        stage.get(&format!("/events/x?ticket={ticket}"), "").await
    };
    for token in [&access, &mint(&claims(&alice.id.to_string()))] {
        let one = ticket(&many.stages[0], token).await;
        let replies = at_once(&many, 12, async |stage| show(stage, &one).await.status).await;
        let good = replies.iter().filter(|status| **status == 200).count();
        let refused = replies.iter().filter(|status| **status == 401).count();
        assert_eq!((good, refused), (1, 11), "{replies:?}");
    }
    // Elsewhere it opens nothing, and is used up all the same.
    let wasted = ticket(&many.stages[1], &access).await;
    let other = many.stages[2].get(&format!("/other-events/x?ticket={wasted}"), "").await;
    assert_eq!((other.status, &other.json()["code"]), (401, &json!("ticket_not_valid")));
    assert_eq!(show(&many.stages[1], &wasted).await.status, 401);
    // Too old, also by another gateway's clock.
    let old = ticket(&many.stages[0], &access).await;
    many.stages[2].gateway.clock().advance(Duration::from_secs(31));
    assert_eq!(show(&many.stages[2], &old).await.status, 401);
    // It is no more than its owner is when it is shown.
    let last = ticket(&many.stages[0], &access).await;
    let change = portcullis::store::UserChange::Active(false);
    many.stages[1].gateway.accounts.change(alice.id, change).await.unwrap().unwrap();
    let reply = show(&many.stages[0], &last).await;
    assert_eq!((reply.status, &reply.json()["code"]), (401, &json!("user_inactive")));
    many.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_has_only_so_many_tickets() {
    let many = Many::start().await;
    let (access, _) = many.logged_in().await;
    let first = ticket(&many.stages[0], &access).await;
    for number in 0..64 {
        ticket(&many.stages[number % 3], &access).await;
    }
    let reply = many.stages[0].get(&format!("/events/x?ticket={first}"), "").await;
    assert_eq!((reply.status, &reply.json()["code"]), (401, &json!("ticket_not_valid")));
    many.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_for_a_new_password_is_good_once_at_any() {
    let many = Many::start().await;
    let alice = many.stages[0].alice.clone();
    let at = portcullis::clock::Timestamp::from_secs(NOW);
    let token = NewToken {
        user: alice.id,
        purpose: Purpose::Password,
        hash: [7; 32],
        basis: alice.basis(),
        address: alice.email.clone(),
        expires: at.plus(Duration::from_secs(600)),
        at,
    };
    assert!(many.stages[0].gateway.store().add_token(token).await.unwrap());
    let shown = TokenRef { user: alice.id, purpose: Purpose::Password, hash: [7; 32], at };
    let redeem = async |stage: &Stage| {
        let hash = PasswordHash::new("$argon2id$none".to_owned());
        stage.gateway.store().redeem_password(shown, hash).await.unwrap().is_some()
    };
    let redeemed = at_once(&many, 12, redeem).await;
    assert_eq!(redeemed.iter().filter(|done| **done).count(), 1, "{redeemed:?}");
    many.finish().await;
}
