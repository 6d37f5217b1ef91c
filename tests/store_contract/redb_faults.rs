//! redb: commits are shared, a broken disk is reported, and no promise is lost with it.

use std::sync::Arc;

use futures_util::future::{join_all, poll_immediate};
use portcullis::store::{Creation, OpenError, RedbStore, Store, StoreError};
use redb::{Database, TableDefinition};

use crate::build::{logged_in, new_session, new_user, user};
use crate::disk::Disk;

fn open(disk: &Disk) -> Arc<dyn Store> {
    Arc::new(RedbStore::with_backend(disk.clone()).unwrap())
}

#[tokio::test]
async fn calls_that_wait_share_one_commit() {
    let disk = Disk::default();
    let store = open(&disk);
    let before = disk.syncs();
    user(&store, "alone").await;
    let one_commit = disk.syncs() - before;

    disk.close_gate();
    let mut first = Box::pin(store.create_user(new_user("first")));
    assert!(poll_immediate(&mut first).await.is_none());
    disk.wait_for_sync();
    let before = disk.syncs();
    let names: Vec<_> = (0..64).map(|number| format!("user{number}")).collect();
    let mut rest = Box::pin(join_all(names.iter().map(|name| store.create_user(new_user(name)))));
    assert!(poll_immediate(&mut rest).await.is_none());
    disk.open_gate();

    assert!(matches!(first.await.unwrap(), Creation::Created(_)));
    for outcome in rest.await {
        assert!(matches!(outcome.unwrap(), Creation::Created(_)));
    }
    // That of the first, and one for all the others, which may have to make the file grow.
    assert!(disk.syncs() - before <= 3 * one_commit, "{}", disk.syncs() - before);
}

#[tokio::test]
async fn a_call_that_changes_nothing_costs_no_commit() {
    let disk = Disk::default();
    let store = open(&disk);
    user(&store, "ada").await;
    let before = disk.syncs();
    assert_eq!(store.create_user(new_user("ada")).await.unwrap(), Creation::NameTaken);
    assert_eq!(disk.syncs(), before);
}

#[tokio::test]
async fn an_answer_waits_for_the_disk() {
    let disk = Disk::default();
    let store = open(&disk);
    // The file grows now and not later: while it does, nobody reads.
    store.create_user(new_user("first")).await.unwrap();
    disk.close_gate();
    let mut call = Box::pin(store.create_user(new_user("ada")));
    assert!(poll_immediate(&mut call).await.is_none());
    disk.wait_for_sync();
    assert!(poll_immediate(&mut call).await.is_none());
    assert_eq!(store.user_by_name("ada").await.unwrap(), None);
    disk.open_gate();
    assert!(matches!(call.await.unwrap(), Creation::Created(_)));
    assert!(store.user_by_name("ada").await.unwrap().is_some());
}

#[tokio::test]
async fn dropping_the_store_finishes_what_is_queued() {
    let disk = Disk::default();
    let store = open(&disk);
    disk.close_gate();
    {
        let names: Vec<_> = (0..20).map(|number| format!("user{number}")).collect();
        let calls = join_all(names.iter().map(|name| store.create_user(new_user(name))));
        assert!(poll_immediate(Box::pin(calls)).await.is_none());
    }
    disk.open_gate();
    drop(store);
    assert_eq!(open(&disk).users(None, 100).await.unwrap().len(), 20);
}

/// All of these users are there.
async fn all_there(store: &Arc<dyn Store>, names: &[String], good: usize) {
    for name in names {
        assert!(store.user_by_name(name).await.unwrap().is_some(), "{name} at {good}");
    }
}

/// Breaks the disk at each of its next operations in turn; whatever the store acknowledged
/// before and meanwhile must be there in both kinds of wreck.
#[tokio::test]
async fn a_broken_disk_is_unavailable_and_loses_no_promise() {
    let mut survived = false;
    for good in 0..400 {
        let disk = Disk::default();
        let store = open(&disk);
        let ada = user(&store, "ada").await;
        disk.fail_after(good);
        let mut kept = vec!["ada".to_owned()];
        let mut failed = false;
        for number in 0..4 {
            let name = format!("user{number}");
            match store.create_user(new_user(&name)).await {
                Ok(_) => {
                    assert!(!failed, "a write succeeded after one that had failed");
                    kept.push(name);
                }
                Err(error) => {
                    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
                    failed = true;
                }
            }
        }
        if failed {
            let error = store.start_session(new_session(ada.id)).await.unwrap_err();
            assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        }
        let wrecks = [disk.after_power_loss(), disk.after_kill()];
        drop(store);
        for wreck in wrecks {
            let store = open(&wreck);
            all_there(&store, &kept, good).await;
            // Whatever became of the others, it became of all of each.
            let users = store.users(None, 100).await.unwrap();
            for user in &users {
                let named = store.user_by_name(&user.username).await.unwrap();
                assert_eq!(named.as_ref(), Some(user));
            }
            let newest = users.last().unwrap().id;
            assert!(user(&store, "later").await.id > newest);
        }
        survived = !failed;
        if survived {
            break;
        }
    }
    assert!(survived, "the disk never got to the end");
}

/// Breaks the disk at each of its next operations in turn, and mends it: what is stored can be
/// read all the time, and from then on the store is as good as before.
#[tokio::test]
async fn a_store_comes_back_when_its_disk_does() {
    let mut survived = false;
    for good in 0..400 {
        let disk = Disk::default();
        let store = open(&disk);
        let ada = user(&store, "ada").await;
        disk.fail_after(good);
        let mut kept = vec!["ada".to_owned()];
        let mut failed = false;
        for number in 0..6 {
            let name = format!("user{number}");
            match store.create_user(new_user(&name)).await {
                Ok(_) => kept.push(name),
                Err(_) => failed = true,
            }
            all_there(&store, &kept, good).await;
            assert_eq!(store.user(ada.id).await.unwrap(), Some(ada.clone()), "at {good}");
        }
        survived = !failed;
        disk.mend();
        kept.push("later".to_owned());
        let later = logged_in(user(&store, "later").await);
        assert!(store.start_session(new_session(later.id)).await.unwrap().is_some());
        for disk in [disk.after_power_loss(), disk.after_kill()] {
            let store = open(&disk);
            all_there(&store, &kept, good).await;
            assert_eq!(store.users(None, 100).await.unwrap().last(), Some(&later));
        }
        if survived {
            break;
        }
    }
    assert!(survived, "the disk never got to the end");
}

/// A file of the first version lacks tables that are made when it is opened, and may have to grow
/// for them: a disk that has no room is no damage.
#[tokio::test]
async fn a_disk_that_fails_an_old_store_is_told_from_damage() {
    let disk = Disk::default();
    let store = open(&disk);
    let names: Vec<_> = (0..300).map(|number| format!("user{number}")).collect();
    let made = join_all(names.iter().map(|name| store.create_user(new_user(name)))).await;
    assert!(made.iter().all(Result::is_ok));
    drop(store);
    let db = Database::builder().create_with_backend(disk.clone()).unwrap();
    let txn = db.begin_write().unwrap();
    let recipes: TableDefinition<'_, &str, u64> = TableDefinition::new("recipes");
    assert!(txn.delete_table(recipes).unwrap());
    for name in ["emails", "looks"] {
        let index: TableDefinition<'_, (&str, u64), ()> = TableDefinition::new(name);
        assert!(txn.delete_table(index).unwrap());
    }
    let meta: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
    txn.open_table(meta).unwrap().insert("portcullis", 1).unwrap();
    txn.commit().unwrap();
    drop(db);
    let mut failures = 0;
    loop {
        let disk = disk.after_kill();
        disk.fail_after(failures);
        match RedbStore::with_backend(disk) {
            Ok(store) => {
                assert_eq!(store.password_recipes().await.unwrap(), ["first$m=1"]);
                break;
            }
            Err(OpenError::Io { .. }) => failures += 1,
            Err(error) => panic!("at {failures}: {error:?}"),
        }
    }
    assert!(failures > 5, "{failures}");
}

/// Readers are many, and the one who meets the bad sector is not the only one who would suffer.
#[tokio::test]
async fn a_read_that_fails_once_is_no_failure() {
    let disk = Disk::default();
    let store = open(&disk);
    for number in 0..100 {
        user(&store, &format!("user{number}")).await;
    }
    drop(store);
    // Nothing is in memory yet.
    let store = open(&disk);
    for number in 0..100 {
        disk.fail_a_read();
        let name = format!("user{number}");
        assert!(store.user_by_name(&name).await.unwrap().is_some(), "{name}");
    }
    user(&store, "later").await;
}

/// A disk that is full for long makes the file no larger with each call that fails.
#[tokio::test]
async fn calls_that_fail_leave_nothing_behind() {
    let disk = Disk::default();
    let store = open(&disk);
    user(&store, "ada").await;
    let mut sizes = Vec::new();
    for round in 0..60 {
        // It breaks in the middle of a commit.
        disk.fail_after(3);
        assert!(store.create_user(new_user("bob")).await.is_err());
        disk.mend();
        if round % 10 == 9 {
            user(&store, &format!("user{round}")).await;
            sizes.push(disk.after_kill().size());
        }
    }
    // The users that were made take some room.
    assert!(sizes.last() <= sizes.first().map(|first| 2 * first).as_ref(), "{sizes:?}");
}

#[tokio::test]
async fn a_kill_between_writes_loses_no_promise() {
    let disk = Disk::default();
    let store = open(&disk);
    for number in 0..20 {
        user(&store, &format!("user{number}")).await;
        for wreck in [disk.after_power_loss(), disk.after_kill()] {
            assert_eq!(open(&wreck).users(None, 100).await.unwrap().len(), number + 1);
        }
    }
}
