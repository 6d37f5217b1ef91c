//! The contract against a real PostgreSQL: each case begins with an empty store, of one cluster.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use portcullis::store::{OpenMode, PostgresSettings, PostgresStore, Store};

use crate::postgres::{Bouncer, Cluster};

/// Cases that run at once.
const AT_ONCE: usize = 4;

type Run = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    run: fn(Arc<dyn Store>) -> Run,
}

macro_rules! list {
    (; $($room:ident: $($case:ident)+;)+) => {
        [$($(Case {
            name: stringify!($case),
            run: |store| Box::pin(async move { crate::$room::$case(&store).await }),
        },)+)+]
    };
}

/// Opens the store, which blocks until the database has answered.
pub(crate) async fn open(settings: PostgresSettings) -> Arc<dyn Store> {
    let opened = tokio::task::spawn_blocking(move || {
        PostgresStore::open(&settings, OpenMode::CreateIfMissing)
    });
    Arc::new(opened.await.unwrap().unwrap())
}

/// Forgets what a case has left. Whoever was still at it is waited for.
const CLEAN: &str = "
    DO $$ BEGIN
        EXECUTE (SELECT 'TRUNCATE ' || string_agg('portcullis.' || tablename, ', ') FROM pg_tables
                 WHERE schemaname = 'portcullis' AND tablename NOT IN ('layout', 'counters'));
    END $$;
    UPDATE portcullis.counters SET last = 0";

/// Runs every case, and says which ones failed.
async fn hold(cluster: &Cluster, settings: impl Fn(&str) -> PostgresSettings) {
    let waiting = Mutex::new(whole! { list! {} }.into_iter());
    let one = async || {
        let database = cluster.database().await;
        let mut failed = Vec::new();
        loop {
            let case = waiting.lock().unwrap().next();
            let Some(case) = case else { break failed };
            let store = open(settings(&database)).await;
            // A task of its own: its panic is its own, too.
            let kept = tokio::spawn((case.run)(store)).await;
            failed.extend(kept.err().map(|_panic| case.name));
            cluster.command(&database, CLEAN).await;
        }
    };
    let failed = futures_util::future::join_all((0..AT_ONCE).map(|_| one())).await.concat();
    assert!(failed.is_empty(), "these cases failed: {failed:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_keeps_the_whole_contract() {
    let cluster = Cluster::start();
    hold(&cluster, |database| cluster.settings(database)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_keeps_it_behind_a_bouncer_that_hands_connections_on() {
    let cluster = Cluster::start();
    let bouncer = Bouncer::before(&cluster);
    hold(&cluster, |database| bouncer.settings(database)).await;
}
