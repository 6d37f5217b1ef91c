//! Gateways that lose their database: for how long what they remember is believed, and that nothing is
//! lost when it is back.

use std::time::{Duration, Instant};

use portcullis::store::{PostgresSettings, UserChange};
use serde_json::json;

use super::many::{Many, comes_to, open};
use super::websocket;
use crate::common::{PASSWORD, Policy, Reply, Setup, Stage, Upstream, claims, mint, soon};
use crate::postgres::{Cluster, patient};
use crate::relay::Relay;

/// As short as it may be.
const STALENESS: Duration = Duration::from_secs(2);

/// A way to a database that can be cut, and is not waited for long.
pub(super) async fn far(cluster: &Cluster, database: &str) -> (Relay, PostgresSettings) {
    let url = cluster.url(database);
    let (account, place) = url.split_once("@localhost:").unwrap();
    let (port, database) = place.split_once('/').unwrap();
    let relay = Relay::to(([127, 0, 0, 1], port.parse().unwrap()).into()).await;
    let mut settings = patient(&format!("{account}@{}/{database}", relay.addr)).in_clear();
    settings.timeout = Duration::from_secs(1);
    (relay, settings)
}

/// Two gateways that can be cut off, of which one refuses and one serves then, and one that cannot.
async fn parted() -> (Many, Relay) {
    let cluster = Cluster::start();
    let database = cluster.database().await;
    let (relay, far) = far(&cluster, &database).await;
    let ways = vec![far.clone(), cluster.settings(&database), far];
    let many = Many::over(cluster, ways, |policy, number| {
        let then = if number == 2 { "serve" } else { "refuse" };
        policy.and(&format!("[store]\nstaleness = \"2s\"\nwhen_stale = \"{then}\"\n"))
    });
    (many.await, relay)
}

#[track_caller]
fn is_told_to_come_again(reply: &Reply) {
    assert_eq!((reply.status, &reply.json()["code"]), (503, &json!("unavailable")), "{reply:?}");
    assert_eq!(reply.one("retry-after"), "1");
}

/// A gateway that hears nothing lets nobody in for longer than the bound who was shut out meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_who_was_shut_out_is_let_in_for_longer_than_the_bound() {
    let (many, relay) = parted().await;
    let (access, _) = many.logged_in().await;
    let bob = many.stages[1].user("bob", &[]).await;
    let bob = mint(&claims(&bob.id.to_string()));
    for stage in &many.stages {
        assert_eq!(stage.get_as("/app/x", &bob).await.status, 200);
    }
    let [refuses, whole, serves] = &many.stages[..] else { panic!("three of them") };
    relay.cut();
    let change = UserChange::Active(false);
    whole.gateway.accounts.change(whole.alice.id, change).await.unwrap().unwrap();
    let shut_out = Instant::now();
    comes_to(whole, "/app/x", &access, 401, Some("user_inactive")).await;
    let bound = async {
        loop {
            let begun = shut_out.elapsed();
            let reply = refuses.get_as("/app/x", &access).await;
            if reply.status != 200 {
                return reply;
            }
            assert!(begun < STALENESS, "let in {begun:?} after it was shut out");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    is_told_to_come_again(&soon("the bound", bound).await);
    // Nobody else is believed either; who needs no identity goes on.
    is_told_to_come_again(&refuses.get_as("/app/x", &bob).await);
    is_told_to_come_again(&refuses.get_as("/public/x", &bob).await);
    assert_eq!(refuses.get("/public/x", "").await.status, 200);
    refuses.gateway.shows("portcullis_store_stale 1.0").await;
    whole.gateway.shows("portcullis_store_stale 0.0").await;

    // Where the operator has chosen so, who was known is let in, and nobody else.
    serves.gateway.shows("portcullis_store_stale 1.0").await;
    for token in [&access, &bob] {
        assert_eq!(serves.get_as("/app/x", token).await.status, 200);
    }
    let new = mint(&claims(&many.stages[1].user("eve", &[]).await.id.to_string()));
    is_told_to_come_again(&serves.get_as("/app/x", &new).await);

    relay.mend();
    for stage in [refuses, serves] {
        let known = async {
            loop {
                let reply = stage.get_as("/app/x", &access).await;
                if reply.status == 401 {
                    return reply.json();
                }
                let serves = std::ptr::eq(stage, serves);
                assert!(reply.status == 503 || (serves && reply.status == 200), "{reply:?}");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let told = tokio::time::timeout(Duration::from_secs(20), known).await.unwrap();
        assert_eq!(told["code"], "user_inactive");
        comes_to(stage, "/app/x", &bob, 200, None).await;
        stage.gateway.shows("portcullis_store_stale 0.0").await;
    }
    many.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_stream_ends_when_nobody_can_be_believed() {
    let cluster = Cluster::start();
    let database = cluster.database().await;
    let (relay, far) = far(&cluster, &database).await;
    let upstream = Upstream::by_hand().await;
    let route = "[routes.\"/ws/*\"]\nto = \"up\"\nwebsocket = true\n[store]\nstaleness = \"2s\"\n";
    let setup = Setup::new(&Policy::to(&upstream).and(route)).over(open(far).await);
    let stage = Stage::of(upstream, setup).await;
    let (mut client, mut server) = websocket::open(&stage, &stage.token).await;
    websocket::talk(&mut client, &mut server).await;
    relay.cut();
    soon("the end", client.rest()).await;
    relay.mend();
    comes_to(&stage, "/api/auth/profile/", &stage.token, 200, None).await;
    websocket::end(stage).await;
}

/// Nothing that was acknowledged is lost by an outage, and those who are known notice nothing of it.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_database_keeps_out_only_those_who_log_in() {
    let cluster = Cluster::start();
    let database = cluster.database().await;
    let mut way = cluster.settings(&database);
    way.timeout = Duration::from_secs(2);
    let ways = vec![way.clone(), way.clone(), way];
    let mut many =
        Many::over(cluster, ways, |policy, _| policy.and("[store]\nstaleness = \"5m\"\n")).await;
    let (access, refresh) = many.logged_in().await;
    let body = json!({ "username": "alice", "password": PASSWORD });
    let log_in = async |stage: &Stage| stage.post("/api/auth/token/", &body).await;
    for _ in 0..2 {
        many.cluster.stop();
        for stage in &many.stages {
            is_told_to_come_again(&log_in(stage).await);
            assert_eq!(stage.get_as("/app/x", &access).await.status, 200);
        }
        many.cluster.run();
        let misses = many.stages[0].gateway.metrics.text();
        let misses = misses.lines().find(|line| line.contains("cache=\"miss\"")).unwrap();
        for stage in &many.stages {
            let back = async {
                while log_in(stage).await.status != 200 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(20), back).await.unwrap();
            assert_eq!(stage.get_as("/app/x", &access).await.status, 200);
        }
        // Who was known is not read again: nobody falls upon a database that has just come back.
        many.stages[0].gateway.shows(misses).await;
    }
    let renew = json!({ "refresh": refresh });
    assert_eq!(many.stages[1].post("/api/auth/token/refresh/", &renew).await.status, 200);
    let change = UserChange::Active(false);
    let alice = many.stages[2].alice.id;
    many.stages[2].gateway.accounts.change(alice, change).await.unwrap().unwrap();
    for stage in &many.stages {
        comes_to(stage, "/app/x", &access, 401, Some("user_inactive")).await;
    }
    many.finish().await;
}
