//! What may be tried so often may be tried so often, at however many gateways.

use std::time::Duration;

use serde_json::{Value, json};

use super::factors::{enrol, log_in};
use super::many::{Many, ring};
use crate::common::{PASSWORD, Policy, Stage};
use crate::postgres::Cluster;

const ACCOUNT: &str = "6/15m";

/// Three gateways that let so many guesses through for an account, and two new API keys.
async fn three(account: &str) -> Many {
    let cluster = Cluster::start();
    let database = cluster.database().await;
    let mut way = cluster.settings(&database);
    way.timeout = Duration::from_secs(5);
    let limits = format!("{account}\"\nkeys = \"2/h");
    let policy = |policy: Policy, _| {
        policy.account_throttle(&limits).signing(&ring()).and("[auth.keys]\n[auth.factors]\n")
    };
    Many::lasting(cluster, vec![way.clone(), way.clone(), way], policy).await
}

async fn guess(stage: &Stage, name: &str, password: &str) -> u16 {
    let body = json!({ "username": name, "password": password });
    stage.post("/api/auth/token/", &body).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_are_counted_wherever_they_are_tried() {
    let many = three(ACCOUNT).await;
    many.stages[0].user("bob", &[]).await;
    for number in 0..6 {
        assert_eq!(guess(&many.stages[number % 3], "alice", "wrong").await, 400);
    }
    for stage in &many.stages {
        // Nobody learns which is the right one, and from nobody is more asked than a wait for the next guess.
        for password in ["wrong", PASSWORD] {
            let body = json!({ "username": " alice", "password": password });
            let reply = stage.post("/api/auth/token/", &body).await;
            assert_eq!((reply.status, &reply.json()["code"]), (429, &Value::Null), "{reply:?}");
            let wait: u64 = reply.one("retry-after").parse().unwrap();
            assert!((100..=150).contains(&wait), "{wait}");
        }
        assert_eq!(guess(stage, "bob", PASSWORD).await, 200);
    }
    many.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_guesses_at_once_no_more_are_looked_at_than_one_after_the_other() {
    let many = three(ACCOUNT).await;
    let guesses = (0..45).map(|number| guess(&many.stages[number % 3], "alice", "wrong"));
    let replies = futures_util::future::join_all(guesses).await;
    let looked_at = replies.iter().filter(|status| **status == 400).count();
    let refused = replies.iter().filter(|status| **status == 429).count();
    assert_eq!((looked_at, refused), (6, 39), "{replies:?}");
    many.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_did_not_fail_does_not_count() {
    let many = three("2/15m").await;
    for number in 0..9 {
        assert_eq!(guess(&many.stages[number % 3], "alice", PASSWORD).await, 200);
    }
    assert_eq!(guess(&many.stages[0], "alice", "wrong").await, 400);
    assert_eq!(guess(&many.stages[1], "alice", PASSWORD).await, 200);
    assert_eq!(guess(&many.stages[2], "alice", "wrong").await, 400);
    assert_eq!(guess(&many.stages[0], "alice", PASSWORD).await, 429);
    many.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_and_keys_are_counted_together_as_well() {
    let many = three("3/15m").await;
    let (access, _) = many.stages[0].log_in("alice").await;
    let app = enrol(&many.stages[0], &access).await;
    let (access, _) = log_in(&many.stages[0], "alice", &app.code(&many.stages[0], 1)).await;
    let login = json!({ "username": "alice", "password": PASSWORD });
    let challenge = many.stages[0].post("/api/auth/token/", &login).await.json();
    let code = async |number: usize| {
        let body = json!({ "challenge": challenge["challenge"], "otp": "000000" });
        many.stages[number].post("/api/auth/token/factor/", &body).await.status
    };
    assert_eq!([code(0).await, code(1).await, code(2).await], [400; 3]);
    assert_eq!([code(0).await, code(1).await, code(2).await], [429; 3]);

    let key = json!({ "name": "ci" });
    let make = async |number: usize| {
        many.stages[number].ask("POST", "keys/", Some(&access), Some(&key)).await.status
    };
    assert_eq!([make(0).await, make(1).await, make(2).await], [201, 201, 429]);
    many.finish().await;
}

/// Nobody knows how many there were, so none is looked at; and none counts.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_there_is_no_guess() {
    let mut many = three("2/15m").await;
    many.cluster.stop();
    for _ in 0..3 {
        for stage in &many.stages {
            assert_eq!(guess(stage, "alice", "wrong").await, 503);
        }
    }
    many.cluster.run();
    for stage in &many.stages {
        let back = async {
            loop {
                match guess(stage, "alice", PASSWORD).await {
                    503 => tokio::time::sleep(Duration::from_millis(20)).await,
                    other => return other,
                }
            }
        };
        assert_eq!(tokio::time::timeout(Duration::from_secs(20), back).await.unwrap(), 200);
    }
    many.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_goes_on_at_a_shut_door_does_not_come_as_far_as_the_database() {
    let mut many = three("2/15m").await;
    for number in 0..2 {
        assert_eq!(guess(&many.stages[number], "alice", "wrong").await, 400);
    }
    let last = &many.stages[2];
    assert_eq!(guess(last, "alice", "wrong").await, 429);
    many.cluster.stop();
    last.gateway.clock().advance(Duration::from_millis(999));
    assert_eq!(guess(last, "alice", PASSWORD).await, 429);
    last.gateway.clock().advance(Duration::from_millis(1));
    assert_eq!(guess(last, "alice", PASSWORD).await, 503, "it may be open by now");
    many.finish().await;
}
