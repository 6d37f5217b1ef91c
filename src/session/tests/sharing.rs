//! Logins that are under way at once share a commit.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Instant;

use super::*;
use crate::store::OpenMode;

/// How many logins are announced while one is checked, at most. Who `leaves` goes away as soon as
/// that is known.
async fn announced_by(world: &World, password: &str, leaves: bool) -> usize {
    let commits = world.store.commits().unwrap();
    let mut most = 0;
    // A small hash may be there before anybody looks.
    for _ in 0..100 {
        let password = Secret::from(password.to_owned());
        let mut check = pin!(world.accounts.check_login("ada", password));
        poll_fn(|cx| {
            let polled = check.as_mut().poll(cx);
            most = most.max(commits.announced());
            if leaves && most > 0 { Poll::Ready(()) } else { polled.map(drop) }
        })
        .await;
        if most > 0 {
            break;
        }
    }
    most
}

#[tokio::test]
async fn a_login_is_announced_as_long_as_its_password_is_checked() {
    let world = world(rotating(10));
    world.user("ada").await;
    let commits = world.store.commits().unwrap();
    for (password, leaves) in [("first-Phrase", false), ("another", false), ("first-Phrase", true)]
    {
        assert_eq!(announced_by(&world, password, leaves).await, 1, "{password}");
        assert_eq!(commits.announced(), 0, "{password}, {leaves}");
    }
}

/// Whether the hashing thread of a login rests for the commit that follows.
async fn rests(world: &World) -> bool {
    let password = Secret::from("first-Phrase".to_owned());
    world.accounts.check_login("ada", password).await.unwrap().unwrap().turn.is_some()
}

#[tokio::test]
async fn the_hashing_thread_rests_where_a_commit_follows_at_once() {
    let world = world(rotating(10));
    world.user("ada").await;
    assert!(rests(&world).await, "nothing is gathered in memory");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.redb");
    let store = RedbStore::open(&path, OpenMode::CreateIfMissing).unwrap();
    let world = world_over(rotating(10), store);
    let ada = world.user("ada").await;
    // While others are gathered for the next commit; the machine may have been away for that long.
    for _ in 0..100 {
        let change = UserChange::LoggedIn(world.clock.now());
        world.accounts.change(ada.id, change).await.unwrap();
        if !rests(&world).await {
            return;
        }
    }
    panic!("it always rests");
}

#[tokio::test]
async fn a_login_waits_for_those_that_are_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.redb");
    let store = RedbStore::open(&path, OpenMode::CreateIfMissing).unwrap();
    let world = world_over(rotating(10), store);
    let begun = Instant::now();
    // Its commit is a moment ago then.
    let ada = world.user("ada").await;
    let another = world.store.commits().unwrap().announce();
    world.log_in(&ada).await;
    assert!(begun.elapsed() >= Duration::from_millis(200), "it did not wait");
    drop(another);
}
