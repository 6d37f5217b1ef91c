//! Whoever is woken glances at what is newest, and looks at all of it each second.

use std::time::{Duration, Instant};

use portcullis::identity::UserId;
use portcullis::store::{Heard, Hearing, StoreEvent, UserChange};

use crate::build::user;
use crate::postgres::Cluster;
use crate::postgres_events::listening;

/// The answers until one fits.
async fn until(hearing: &mut Box<dyn Hearing>, fits: impl Fn(&Heard) -> bool) -> Vec<Heard> {
    let (begun, mut all) = (Instant::now(), Vec::new());
    while begun.elapsed() < Duration::from_secs(20) {
        hearing.due().await;
        let heard = hearing.look().await.unwrap();
        assert_eq!(heard.gap, None);
        let last = fits(&heard);
        all.push(heard);
        if last {
            return all;
        }
    }
    panic!("not heard: {all:?}");
}

fn tells(heard: &Heard, user: UserId) -> bool {
    heard.events.contains(&StoreEvent::User(user))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_became_visible_late_is_left_to_the_next_look_and_nothing_is_told_twice() {
    let cluster = Cluster::start();
    let database = cluster.database().await;
    let (store, mut hearing) = listening(cluster.settings(&database)).await;
    let ada = user(&store, "ada").await.id;
    // Until the database wakes it.
    let (mut is_glance, mut active) = (false, true);
    while !is_glance {
        active = !active;
        store.change_user(ada, UserChange::Active(active)).await.unwrap();
        is_glance = until(&mut hearing, |heard| tells(heard, ada)).await.last().unwrap().glance;
    }
    let late = UserId(77);
    let all = loop {
        until(&mut hearing, |heard| !heard.glance).await;
        // As a transaction leaves it that took two seconds to commit.
        let sql = "INSERT INTO portcullis.events (id, at, kind, user_id) SELECT \
                   (random() * 1e15)::bigint, (extract(epoch FROM now()) * 1000)::bigint - 2000, 1, 77";
        cluster.command(&database, sql).await;
        active = !active;
        store.change_user(ada, UserChange::Active(active)).await.unwrap();
        let all = until(&mut hearing, |heard| tells(heard, late)).await;
        // On a machine that is busy it was time for a look by then.
        if all.first().is_some_and(|heard| heard.glance) {
            break all;
        }
    };
    assert!(tells(&all[0], ada) && !tells(&all[0], late), "{all:?}");
    assert!(!all.last().unwrap().glance, "{all:?}");
    assert_eq!(all.iter().filter(|heard| tells(heard, ada)).count(), 1, "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_that_come_all_the_time_keep_no_look_from_coming() {
    let cluster = Cluster::start();
    let database = cluster.database().await;
    let (store, mut hearing) = listening(cluster.settings(&database)).await;
    let ada = user(&store, "ada").await.id;
    let changing = tokio::spawn(async move {
        for round in 0.. {
            store.change_user(ada, UserChange::Active(round % 2 == 0)).await.unwrap();
        }
    });
    until(&mut hearing, |heard| heard.glance).await;
    for _ in 0..3 {
        let begun = Instant::now();
        let all = until(&mut hearing, |heard| !heard.glance).await;
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        assert!(all.len() > 2, "it was woken in between: {all:?}");
    }
    changing.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_down_is_asked_once_a_second() {
    let mut cluster = Cluster::start();
    let database = cluster.database().await;
    let (store, mut hearing) = listening(cluster.settings(&database)).await;
    let ada = user(&store, "ada").await.id;
    cluster.stop();
    let begun = Instant::now();
    for _ in 0..3 {
        hearing.due().await;
        hearing.look().await.unwrap_err();
    }
    assert!(begun.elapsed() > Duration::from_millis(1_800), "{:?}", begun.elapsed());
    cluster.run();
    store.change_user(ada, UserChange::Active(false)).await.unwrap();
    let found = async {
        loop {
            hearing.due().await;
            if let Ok(heard) = hearing.look().await {
                return heard;
            }
        }
    };
    assert!(tells(&found.await, ada));
}
