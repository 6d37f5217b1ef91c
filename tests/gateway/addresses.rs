//! A new address where an address is one account's: asked for, and confirmed.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::common::smtp::Smtp;
use crate::common::{PASSWORD, Policy, Reply, Setup, Stage, Upstream};

const LATER: &str = "The new address takes effect when it is confirmed by the mail to it.";

/// A gateway with mail; the address of alice is `alice@example.com`.
async fn stage(auth: &str) -> (Stage, Smtp) {
    limited(auth, "off").await
}

/// With a limit to registrations.
async fn limited(auth: &str, register: &str) -> (Stage, Smtp) {
    let smtp = Smtp::start().await;
    let upstream = Upstream::start().await;
    let policy = Policy::to(&upstream).top("public = \"http://a.test\"\n");
    let policy = policy.and(&format!("[auth]\nunique_email = true\n{auth}\n{}", smtp.policy()));
    let text = policy.to_string();
    let text = text.replace("register = \"off\"", &format!("register = \"{register}\""));
    (Stage::of(upstream, Setup::of_text(&text)).await, smtp)
}

async fn ask(stage: &Stage, token: &str, email: &str) -> Reply {
    let body = json!({ "email": email, "password": PASSWORD });
    stage.ask("PATCH", "profile/", Some(token), Some(&body)).await
}

async fn confirm(stage: &Stage, (uid, token): &(String, String)) -> Reply {
    let body = json!({ "uid": uid, "token": token });
    stage.ask("POST", "email/verify/confirm/", None, Some(&body)).await
}

/// The address that a user has now.
async fn email(stage: &Stage, name: &str) -> String {
    stage.gateway.accounts.find(name).await.unwrap().unwrap().email
}

fn taken() -> Value {
    json!({ "email": ["user with this email address already exists."] })
}

#[track_caller]
fn is(reply: &Reply, status: u16, body: &Value) {
    assert_eq!((reply.status, &reply.json()), (status, body));
}

#[tokio::test]
async fn an_address_of_somebody_else_is_refused_before_a_letter_goes_out() {
    let (stage, mut smtp) = stage("").await;
    stage.user("bob", &[]).await;
    let token = stage.token.clone();
    for email in ["bob@example.com", "BOB@example.com"] {
        is(&ask(&stage, &token, email).await, 400, &taken());
    }
    // Whoever has a token and not the password learns nothing.
    let body = json!({ "email": "bob@example.com", "password": "another horse battery" });
    let reply = stage.ask("PATCH", "profile/", Some(&token), Some(&body)).await;
    assert_eq!((reply.status, reply.json().get("email")), (400, None), "{reply:?}");
    assert!(smtp.is_empty());
    // The own one in another case is nobody else's.
    let reply = ask(&stage, &token, "ALICE@example.com").await;
    assert_eq!((reply.status, &reply.json()["detail"]), (200, &json!(LATER)));
    let letter = smtp.mail().await;
    assert_eq!(letter.to, ["ALICE@example.com"]);
    assert_eq!(confirm(&stage, &letter.link()).await.status, 200);
    assert_eq!(email(&stage, "alice").await, "ALICE@example.com");
    stage.finish_untouched().await;
}

#[tokio::test]
async fn of_those_who_confirm_one_address_at_once_one_gets_it() {
    let (stage, mut smtp) = stage("").await;
    let mut links = Vec::new();
    for number in 0..4 {
        let name = format!("user{number}");
        stage.user(&name, &[]).await;
        let (token, _) = stage.log_in(&name).await;
        let wanted = if number % 2 == 0 { "Shared@example.com" } else { "sHARED@example.com" };
        assert_eq!(ask(&stage, &token, wanted).await.status, 200);
        links.push(smtp.mail().await.link());
    }
    let replies = join_all(links.iter().map(|link| confirm(&stage, link))).await;
    let (done, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    assert_eq!((done.len(), refused.len()), (1, 3), "{replies:?}");
    for reply in refused {
        is(reply, 400, &taken());
    }
    let holders = stage.gateway.store().users_by_email("shared@example.com").await.unwrap();
    assert_eq!(holders.len(), 1);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn who_registers_an_address_first_has_it() {
    let (stage, mut smtp) = stage("").await;
    assert_eq!(ask(&stage, &stage.token, "new@example.com").await.status, 200);
    let link = smtp.mail().await.link();
    let body = json!({ "username": "carl", "password": PASSWORD, "email": "New@example.com" });
    assert_eq!(stage.post("/api/auth/register/", &body).await.status, 201);
    is(&confirm(&stage, &link).await, 400, &taken());
    assert_eq!(email(&stage, "alice").await, "alice@example.com", "and nothing was changed");
    // When it is free again, the letter is good as long as it says.
    let carl = stage.gateway.accounts.find("carl").await.unwrap().unwrap();
    assert!(stage.gateway.accounts.delete(carl.id).await.unwrap());
    assert_eq!(confirm(&stage, &link).await.status, 200);
    stage.finish_untouched().await;
}

/// Where nobody can find out by registering, nobody can by asking for an address.
#[tokio::test]
async fn only_the_letter_tells_where_registering_would_not() {
    for register in ["invite", "closed"] {
        let (stage, mut smtp) = stage(&format!("register = '{register}'")).await;
        stage.user("bob", &[]).await;
        let mut told = Vec::new();
        for wanted in ["bob@example.com", "nobody@example.com"] {
            let mut reply = ask(&stage, &stage.token, wanted).await;
            reply.headers.retain(|(name, _)| name != "date" && name != "x-request-id");
            told.push((reply.status, reply.headers, reply.body));
        }
        assert_eq!((told[0].0, &told[0]), (200, &told[1]), "{register}");
        let letter = smtp.mail().await;
        assert_eq!(letter.to, ["bob@example.com"]);
        is(&confirm(&stage, &letter.link()).await, 400, &taken());
        assert_eq!(email(&stage, "alice").await, "alice@example.com");
        stage.finish_untouched().await;
    }
}

/// Asking for addresses finds out no more than registering does, and counts with it.
#[tokio::test]
async fn asking_for_addresses_counts_as_registering() {
    let (stage, _smtp) = limited("", "3/h").await;
    stage.user("bob", &[]).await;
    let token = stage.token.clone();
    for _ in 0..2 {
        is(&ask(&stage, &token, "bob@example.com").await, 400, &taken());
    }
    let body = json!({ "username": "carl", "password": PASSWORD, "email": "bob@example.com" });
    is(&stage.post("/api/auth/register/", &body).await, 400, &taken());
    assert_eq!(ask(&stage, &token, "bob@example.com").await.status, 429);
    assert_eq!(stage.post("/api/auth/register/", &body).await.status, 429);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn an_address_may_be_shared_where_nobody_asks_for_more() {
    let smtp = Smtp::start().await;
    let upstream = Upstream::start().await;
    let policy = Policy::to(&upstream).top("public = \"http://a.test\"\n").and(&smtp.policy());
    let stage = Stage::of(upstream, Setup::new(&policy)).await;
    let mut smtp = smtp;
    stage.user("bob", &[]).await;
    assert_eq!(ask(&stage, &stage.token, "bob@example.com").await.status, 200);
    assert_eq!(confirm(&stage, &smtp.mail().await.link()).await.status, 200);
    assert_eq!(email(&stage, "alice").await, "bob@example.com");
    stage.finish_untouched().await;
}
