//! What is owed of limits that several processes spend together.

use std::sync::Arc;
use std::time::Duration;

use portcullis::store::{Charge, Charged, Store};

use crate::build::at;
use crate::postgres::Cluster;
use crate::postgres_contract::open;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// One event of so many an hour.
fn one_of(count: u32, key: u8) -> Charge {
    Charge { key: [key; 32], cost: HOUR / count, burst: HOUR }
}

async fn charge(store: &Arc<dyn Store>, charge: Charge) -> Charged {
    store.charges().unwrap().charge(charge).await.unwrap()
}

#[track_caller]
fn is_to_wait(charged: Charged, at_most: Duration) {
    let Charged::Exceeded(wait) = charged else { panic!("{charged:?}") };
    let least = at_most.saturating_sub(Duration::from_secs(60));
    assert!(least < wait && wait <= at_most, "{wait:?} of {at_most:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_are_taken_whoever_takes_them() {
    let cluster = Cluster::start();
    let database = cluster.database().await;
    let mut stores = Vec::new();
    for _ in 0..3 {
        stores.push(open(cluster.settings(&database)).await);
    }
    let all = (0..30).map(|number| charge(&stores[number % 3], one_of(4, 7)));
    let charged = futures_util::future::join_all(all).await;
    assert_eq!(charged.iter().filter(|it| **it == Charged::Taken).count(), 4, "{charged:?}");
    is_to_wait(charge(&stores[1], one_of(4, 7)).await, HOUR / 4);
    assert_eq!(charge(&stores[1], one_of(4, 8)).await, Charged::Taken, "another one");

    // What is given back can be taken again, once.
    stores[0].charges().unwrap().refund(one_of(4, 7)).await.unwrap();
    assert_eq!(charge(&stores[2], one_of(4, 7)).await, Charged::Taken);
    is_to_wait(charge(&stores[0], one_of(4, 7)).await, HOUR / 4);
    // The only one, and one that would cost less than can be counted.
    assert_eq!(charge(&stores[0], one_of(1, 9)).await, Charged::Taken);
    is_to_wait(charge(&stores[1], one_of(1, 9)).await, HOUR);
    let tiny =
        Charge { key: [10; 32], cost: Duration::from_nanos(1), burst: Duration::from_nanos(9) };
    assert_eq!(charge(&stores[0], tiny).await, Charged::Taken);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_paid_off_is_forgotten_and_a_clock_that_was_set_back_shuts_nobody_out() {
    let cluster = Cluster::start();
    let database = cluster.database().await;
    let store = open(cluster.settings(&database)).await;
    let rows = async || {
        let client = cluster.client(&database).await;
        let count = client.query_one("SELECT count(*) FROM portcullis.charges", &[]).await.unwrap();
        count.get::<_, i64>(0)
    };
    // As if time had passed, forwards or backwards.
    let pass = async |seconds: i64| {
        let later =
            format!("UPDATE portcullis.charges SET paid = paid - {seconds} * 1000000::bigint");
        cluster.command(&database, &later).await;
    };
    for _ in 0..2 {
        assert_eq!(charge(&store, one_of(2, 7)).await, Charged::Taken);
    }
    pass(29 * 60).await;
    is_to_wait(charge(&store, one_of(2, 7)).await, Duration::from_secs(60));
    pass(60).await;
    assert_eq!(charge(&store, one_of(2, 7)).await, Charged::Taken, "half an hour later");
    is_to_wait(charge(&store, one_of(2, 7)).await, HOUR / 2);
    store.sweep(at(0)).await.unwrap();
    assert_eq!(rows().await, 1, "it is owed");

    pass(-30 * 24 * 60 * 60).await;
    assert_eq!(charge(&store, one_of(2, 7)).await, Charged::Taken);
    is_to_wait(charge(&store, one_of(2, 7)).await, HOUR / 2);
    pass(60 * 60).await;
    store.sweep(at(0)).await.unwrap();
    assert_eq!(rows().await, 0);
}
