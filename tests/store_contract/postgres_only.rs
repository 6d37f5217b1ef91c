//! What a database must do besides: who it is, its tables, and its troubles.

use std::error::Error;
use std::time::{Duration, Instant};

use portcullis::Secret;
use portcullis::rooms::tls::{Roots, certificates};
use portcullis::store::{
    OpenError, OpenMode, PostgresSettings, PostgresStore, Store, StoreError, StoreSettings,
};

use crate::build::{at, user};
use crate::postgres::{Cluster, PASSWORD, patient};
use crate::postgres_contract::open;

/// Opens a store off the threads that would wait for it.
async fn opened(settings: &PostgresSettings, mode: OpenMode) -> Result<PostgresStore, OpenError> {
    let settings = settings.clone();
    tokio::task::spawn_blocking(move || PostgresStore::open(&settings, mode)).await.unwrap()
}

/// An error with all its causes, as it would be logged.
fn told(error: &dyn Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    assert!(!told.contains(PASSWORD), "{told}");
    told
}

fn trusted(cluster: &Cluster) -> Roots {
    Roots::Only(certificates(&std::fs::read(cluster.authority()).unwrap()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_of_the_database_is_checked() {
    let cluster = Cluster::start();
    let url = cluster.url(&cluster.database().await);
    let good = patient(&url).trusting(trusted(&cluster));
    assert!(!format!("{good:?}").contains(PASSWORD));
    let store = opened(&good, OpenMode::CreateIfMissing).await.unwrap();
    assert_eq!(store.users(None, 9).await.unwrap(), []);
    let another_name = url.replace("localhost", "127.0.0.1");
    let other = Cluster::start();
    for (settings, cause) in [
        (patient(&another_name).trusting(trusted(&cluster)), "not valid for name"),
        (patient(&url).trusting(trusted(&other)), "invalid peer certificate"),
        (patient(&url), "UnknownIssuer"),
    ] {
        let refused = opened(&settings, OpenMode::CreateIfMissing).await.unwrap_err();
        let OpenError::Database { .. } = &refused else { panic!("{refused:?}") };
        let refused = told(&refused);
        assert!(refused.contains(cause), "{refused}");
    }
    // Without TLS the server would take it; it is never asked for unless somebody says so.
    assert!(opened(&patient(&url).in_clear(), OpenMode::Existing).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_let_in_is_told_so_without_the_password() {
    let cluster = Cluster::start();
    let database = cluster.database().await;
    let wrong = cluster.url(&database).replace(PASSWORD, "only-for-tests-wrong");
    let nowhere = cluster.url("nowhere");
    for (url, cause) in
        [(wrong, "password authentication failed"), (nowhere, "\"nowhere\" does not exist")]
    {
        let settings = patient(&url).trusting(trusted(&cluster));
        let refused = told(&opened(&settings, OpenMode::CreateIfMissing).await.unwrap_err());
        assert!(refused.contains(cause) && !refused.contains("tests-wrong"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn of_many_who_start_together_one_makes_the_tables() {
    let cluster = Cluster::start();
    let settings = cluster.settings(&cluster.database().await);
    let missing = opened(&settings, OpenMode::Existing).await.unwrap_err();
    assert!(matches!(missing, OpenError::Layout { newer: false, .. }), "{missing:?}");
    let before = PostgresStore::layout(&settings).unwrap();
    assert_eq!(before.version, 0);
    let starting: Vec<_> = (0..8)
        .map(|_| {
            let settings = settings.clone();
            tokio::task::spawn_blocking(move || PostgresStore::migrate(&settings).unwrap().len())
        })
        .collect();
    let mut done = Vec::new();
    for started in starting {
        done.push(started.await.unwrap());
    }
    done.sort_unstable();
    assert_eq!(done, [0, 0, 0, 0, 0, 0, 0, before.pending.len()]);
    let after = PostgresStore::layout(&settings).unwrap();
    assert_eq!((after.version, after.pending.len()), (before.pending.len() as u64, 0));
    let settings = StoreSettings::Postgres(Box::new(settings));
    assert!(settings.open(OpenMode::Existing).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_a_newer_version_are_left_alone() {
    let cluster = Cluster::start();
    let database = cluster.database().await;
    let settings = cluster.settings(&database);
    user(&open(settings.clone()).await, "ada").await;
    cluster.command(&database, "UPDATE portcullis.layout SET version = 99").await;
    for mode in [OpenMode::Existing, OpenMode::CreateIfMissing] {
        let refused = opened(&settings, mode).await.unwrap_err();
        assert!(matches!(refused, OpenError::Layout { newer: true, .. }), "{refused:?}");
    }
    PostgresStore::migrate(&settings).unwrap_err();
    let row = cluster.client(&database).await;
    let row = row.query_one("SELECT version FROM portcullis.layout", &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 99);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_comes_back_is_used_again() {
    let mut cluster = Cluster::start();
    let store = open(cluster.settings(&cluster.database().await)).await;
    let ada = user(&store, "ada").await;
    cluster.stop();
    for _ in 0..2 {
        let refused = store.user(ada.id).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
        told(&refused);
    }
    cluster.run();
    assert_eq!(store.user(ada.id).await.unwrap(), Some(ada.clone()));
    assert!(store.delete_user(ada.id).await.unwrap());
    // Stopped and started while nobody looked: the first call finds a connection that is gone.
    cluster.stop();
    cluster.run();
    assert_eq!(store.user(ada.id).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_longer_than_the_limit_and_the_database_forgets_the_call() {
    let cluster = Cluster::start();
    let database = cluster.database().await;
    let mut settings = cluster.settings(&database);
    user(&open(settings.clone()).await, "ada").await;
    settings.timeout = Duration::from_millis(400);
    let store = open(settings).await;
    let watch = cluster.client(&database).await;
    let mut other = cluster.client(&database).await;
    let held = other.transaction().await.unwrap();
    held.batch_execute("LOCK TABLE portcullis.users IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let begun = Instant::now();
    let found = store.user_by_name("ada").await.unwrap_err();
    let changed = store.sweep(at(0)).await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(told(&found).contains("no answer within the time limit"), "{found:?}");
    assert_eq!(changed.unwrap(), 0, "nothing that this one is about was locked");
    // Whoever waited in the database is gone from there, too: cancelled, not left behind.
    let waiting = "SELECT count(*) FROM pg_stat_activity \
                   WHERE application_name = 'portcullis' AND state = 'active'";
    let until = Instant::now() + Duration::from_secs(10);
    while watch.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) > 0 {
        assert!(Instant::now() < until, "a call still waits in the database");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    held.rollback().await.unwrap();
    assert!(store.user_by_name("ada").await.unwrap().is_some());
}

#[test]
fn a_url_that_is_none_is_refused() {
    PostgresSettings::of_url(&Secret::from("sqlite:///x".to_owned())).unwrap_err();
}

/// Another account has made the tables, and has not let this one use all of them.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_use_a_table_is_told_which_and_what_to_grant() {
    let cluster = Cluster::start();
    let database = cluster.database().await;
    drop(opened(&cluster.settings(&database), OpenMode::CreateIfMissing).await.unwrap());
    let rights = format!(
        "CREATE ROLE other LOGIN PASSWORD '{PASSWORD}'; GRANT USAGE ON SCHEMA portcullis TO other; \
         GRANT SELECT ON portcullis.layout TO other"
    );
    cluster.command(&database, &rights).await;
    let url = cluster.url(&database);
    let (_, place) = url.split_once('@').unwrap();
    let gate = patient(&format!("postgres://other:{PASSWORD}@{place}")).trusting(trusted(&cluster));
    let all = "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA portcullis";
    cluster.command(&database, &format!("GRANT {all} TO other")).await;
    cluster
        .command(&database, "REVOKE UPDATE, DELETE, INSERT ON portcullis.layout FROM other")
        .await;
    assert!(opened(&gate, OpenMode::Existing).await.is_ok());
    cluster.command(&database, "REVOKE INSERT ON portcullis.events FROM other").await;
    let refused = opened(&gate, OpenMode::Existing).await.unwrap_err();
    let refused = told(&refused);
    let grant = "GRANT SELECT, INSERT, UPDATE, DELETE ON portcullis.events TO";
    assert!(refused.contains(grant), "{refused}");
}
