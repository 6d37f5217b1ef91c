//! What is told of each change, to whoever listens: all of it, whatever commits when.

use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis::identity::UserId;
use portcullis::store::{
    EndReason, GroupChange, Hearing, KeyAdded, PostgresSettings, Rotation, Store, StoreEvent,
    UserChange,
};

use crate::build::{at, hash, new_key, new_session, request, session, user};
use crate::postgres::{Bouncer, Cluster};
use crate::postgres_contract::open;

/// A store, and one who listens to it.
pub(crate) async fn listening(settings: PostgresSettings) -> (Arc<dyn Store>, Box<dyn Hearing>) {
    let store = open(settings).await;
    let mut hearing = store.hearing().unwrap();
    let first = hearing.look().await.unwrap();
    assert!(first.gap.is_none() && first.gateways >= 1, "{first:?}");
    (store, hearing)
}

async fn heard(hearing: &mut Box<dyn Hearing>) -> Vec<StoreEvent> {
    let heard = hearing.look().await.unwrap();
    assert_eq!(heard.gap, None);
    heard.events
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_that_somebody_may_have_to_notice_is_told() {
    let cluster = Cluster::start();
    let database = cluster.database().await;
    let (_, mut hearing) = listening(cluster.settings(&database)).await;
    // Whoever makes it: another process with the same database.
    let store = open(cluster.settings(&database)).await;
    let ada = user(&store, "ada").await.id;
    let running = session(&store, ada).await;
    let other = session(&store, ada).await;
    let KeyAdded::Added(key) = store.add_key(new_key(ada, 7), 9).await.unwrap() else { panic!() };
    assert!(store.create_group("staff").await.unwrap().is_some());
    assert_eq!(heard(&mut hearing).await, [], "nobody was let in by any of it");

    let changes = [
        UserChange::AddRole("editor".to_owned()),
        UserChange::RemoveRole("editor".to_owned()),
        UserChange::Active(false),
        UserChange::Active(true),
        UserChange::SetClaim { name: "tenant".to_owned(), value: "acme".to_owned() },
        UserChange::RemoveClaim("tenant".to_owned()),
        UserChange::Email { email: "b@example.com".to_owned(), verified: true },
        UserChange::JoinGroup("staff".to_owned()),
        UserChange::LeaveGroup("staff".to_owned()),
        UserChange::Password { hash: hash("second"), at: at(1) },
        UserChange::LoggedOutEverywhere(at(2)),
    ];
    for change in changes {
        store.change_user(ada, change.clone()).await.unwrap();
        assert_eq!(heard(&mut hearing).await, [StoreEvent::User(ada)], "{change:?}");
    }
    // What nobody has to notice costs nobody anything.
    store.change_user(ada, UserChange::LoggedIn(at(3))).await.unwrap();
    store.change_user(ada, UserChange::Active(true)).await.unwrap();
    let rotated = store.rotate(request(running.id, "r0", "r1", 5)).await.unwrap();
    assert!(matches!(rotated, Rotation::Rotated(_)));
    assert_eq!(heard(&mut hearing).await, []);
    let reused = store.rotate(request(running.id, "r0", "r2", 90)).await.unwrap();
    assert_eq!(
        (reused, heard(&mut hearing).await),
        (Rotation::Reused, vec![StoreEvent::User(ada)])
    );
    assert!(store.end_session(other.id, at(6), EndReason::LoggedOut).await.unwrap());
    assert_eq!(heard(&mut hearing).await, [StoreEvent::User(ada)]);
    assert!(!store.end_session(other.id, at(6), EndReason::LoggedOut).await.unwrap());
    assert_eq!(heard(&mut hearing).await, []);
    let mark = store.user(ada).await.unwrap().unwrap().password_mark;
    let new = portcullis::store::NewSession { password_mark: mark, ..new_session(ada) };
    assert!(store.change_password(hash("third"), new).await.unwrap().is_some());
    assert_eq!(heard(&mut hearing).await, [StoreEvent::User(ada)]);
    assert!(store.remove_key(ada, key.id).await.unwrap());
    assert_eq!(heard(&mut hearing).await, [StoreEvent::User(ada)]);
    let gives = GroupChange::AddRole("editor".to_owned());
    assert!(store.change_group("staff", gives).await.unwrap().is_some());
    assert_eq!(heard(&mut hearing).await, [StoreEvent::Everybody]);
    assert!(store.delete_group("staff").await.unwrap());
    assert_eq!(heard(&mut hearing).await, [StoreEvent::Everybody]);
    assert!(store.delete_user(ada).await.unwrap());
    assert_eq!(heard(&mut hearing).await, [StoreEvent::User(ada)]);
    assert_eq!(heard(&mut hearing).await, []);
}

/// A change that began before another one, and commits after that was heard of.
#[tokio::test(flavor = "multi_thread")]
async fn what_commits_late_is_not_missed() {
    let cluster = Cluster::start();
    let database = cluster.database().await;
    let (store, mut hearing) = listening(cluster.settings(&database)).await;
    let (ada, bob) = (user(&store, "ada").await.id, user(&store, "bob").await.id);
    let mut other = cluster.client(&database).await;
    let slow = other.transaction().await.unwrap();
    let told = format!(
        "INSERT INTO portcullis.events (id, at, kind, user_id) VALUES \
         (1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint, 1, {})",
        ada.0
    );
    slow.batch_execute(&told).await.unwrap();
    store.change_user(bob, UserChange::Active(false)).await.unwrap();
    assert_eq!(heard(&mut hearing).await, [StoreEvent::User(bob)]);
    assert_eq!(heard(&mut hearing).await, []);
    slow.commit().await.unwrap();
    assert_eq!(heard(&mut hearing).await, [StoreEvent::User(ada)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_is_told_and_only_once() {
    let cluster = Cluster::start();
    let database = cluster.database().await;
    let (store, mut hearing) = listening(cluster.settings(&database)).await;
    let ada = user(&store, "ada").await.id;
    store.change_user(ada, UserChange::Active(false)).await.unwrap();
    assert_eq!(heard(&mut hearing).await, [StoreEvent::User(ada)]);
    // The database is one from before that.
    cluster.command(&database, "DELETE FROM portcullis.events").await;
    assert!(hearing.look().await.unwrap().gap.is_some());
    assert_eq!(heard(&mut hearing).await, []);
    // It is one from before this gateway, and has no event that could be missing.
    cluster.command(&database, "DELETE FROM portcullis.gateways").await;
    let (begun, mut gaps) = (Instant::now(), Vec::new());
    // That long it takes until it has said twice that it lives.
    while begun.elapsed() < Duration::from_secs(11) {
        hearing.due().await;
        gaps.extend(hearing.look().await.unwrap().gap);
    }
    assert_eq!(gaps.len(), 1, "{gaps:?}");
}

/// How long it takes to be woken by a change, at best.
async fn woken_after(
    store: &Arc<dyn Store>,
    hearing: &mut Box<dyn Hearing>,
    ada: UserId,
) -> Duration {
    let mut best = Duration::MAX;
    for round in 0..6 {
        store.change_user(ada, UserChange::Active(round % 2 == 1)).await.unwrap();
        let begun = Instant::now();
        hearing.due().await;
        best = best.min(begun.elapsed());
        assert!(hearing.look().await.unwrap().events.contains(&StoreEvent::User(ada)));
    }
    best
}

const AT_ONCE: Duration = Duration::from_millis(600);

#[tokio::test(flavor = "multi_thread")]
async fn a_change_wakes_those_who_listen_and_past_a_pool_too() {
    let cluster = Cluster::start();
    let bouncer = Bouncer::before(&cluster);
    let database = cluster.database().await;
    let (store, mut hearing) = listening(cluster.settings(&database)).await;
    let ada = user(&store, "ada").await.id;
    let direct = woken_after(&store, &mut hearing, ada).await;
    assert!(direct < AT_ONCE, "{direct:?}");
    drop((store, hearing));

    // Through the pool nothing comes, and the change is found all the same.
    let (store, mut hearing) = listening(bouncer.settings(&database)).await;
    let through = woken_after(&store, &mut hearing, ada).await;
    assert!(through > AT_ONCE, "{through:?}");
    drop((store, hearing));

    let past = bouncer.settings(&database).woken_by(cluster.settings(&database));
    let (store, mut hearing) = listening(past).await;
    let past = woken_after(&store, &mut hearing, ada).await;
    assert!(past < AT_ONCE, "{past:?}");
}

/// Requests that have all connections make nobody deaf.
#[tokio::test(flavor = "multi_thread")]
async fn who_listens_waits_behind_no_request() {
    let cluster = Cluster::start();
    let database = cluster.database().await;
    let mut settings = cluster.settings(&database);
    settings.connections = std::num::NonZeroUsize::MIN;
    let (store, mut hearing) = listening(settings).await;
    let ada = user(&store, "ada").await.id;
    let (mut other, sees) = (cluster.client(&database).await, cluster.client(&database).await);
    let holds = other.transaction().await.unwrap();
    holds.batch_execute("SELECT * FROM portcullis.users FOR UPDATE").await.unwrap();
    let change = UserChange::Active(false);
    let waits = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.change_user(ada, change).await })
    };
    let locked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    while sees.query_one(locked, &[]).await.unwrap().get::<_, i64>(0) == 0 {}
    assert_eq!(heard(&mut hearing).await, []);
    holds.rollback().await.unwrap();
    waits.await.unwrap().unwrap();
    assert_eq!(heard(&mut hearing).await, [StoreEvent::User(ada)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_and_gateways_are_swept_when_nobody_needs_them() {
    let cluster = Cluster::start();
    let database = cluster.database().await;
    let (store, mut hearing) = listening(cluster.settings(&database)).await;
    let ada = user(&store, "ada").await.id;
    store.change_user(ada, UserChange::Active(false)).await.unwrap();
    let old = "INSERT INTO portcullis.events (id, at, kind, user_id) \
                   SELECT n, (extract(epoch FROM now()) * 1000)::bigint - 3700000, 1, 1 \
                   FROM generate_series(1, 5000) n; \
               INSERT INTO portcullis.gateways (id, beats, seen) VALUES (1, 1, 1)";
    cluster.command(&database, old).await;
    assert_eq!(heard(&mut hearing).await, [StoreEvent::User(ada)]);
    store.sweep(at(0)).await.unwrap();
    let client = cluster.client(&database).await;
    for table in ["events", "gateways"] {
        let count = format!("SELECT count(*) FROM portcullis.{table}");
        let left = client.query_one(&count, &[]).await.unwrap();
        assert_eq!(left.get::<_, i64>(0), 1, "{table}");
    }
    assert_eq!(heard(&mut hearing).await, []);
}
