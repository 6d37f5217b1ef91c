//! When sessions and keys were last used: noted once a minute, and written together.

use super::keys::allow;
use super::*;

#[tokio::test]
async fn a_use_is_noted_once_a_minute() {
    let world = world(rotating(10));
    let ada = world.user("ada").await;
    let begun = world.clock.now();
    let access = world.log_in(&ada).await.access;
    let session = world.open(&access).await.unwrap().identity.session.unwrap();
    let minute = begun.plus(Duration::from_secs(60));
    for (passed, noted) in [(59_999, begun), (1, minute), (59_999, minute)] {
        world.clock.advance(Duration::from_millis(passed));
        world.open(&access).await.unwrap();
        assert_eq!(world.sessions.last_use(session), Some(noted), "{passed}");
    }
}

#[tokio::test]
async fn a_store_is_told_of_no_more_than_there_is() {
    let user_keys = Some(UserKeySettings::default());
    let world = world(SessionSettings { user_keys: user_keys.clone(), ..rotating(10) });
    allow(&world, user_keys);
    let ada = world.user("ada").await;
    let (access, key) = (world.log_in(&ada).await.access, world.key(&ada, None, None).await.text);
    for (credentials, commits) in [(vec![&*key], 1), (vec![&access, &*key], 2), (vec![], 0)] {
        for credential in &credentials {
            world.open(credential).await.unwrap();
        }
        let calls = world.store.calls();
        world.sessions.write_uses().await;
        assert_eq!(world.store.calls() - calls, commits, "{}", credentials.len());
        world.clock.advance(Duration::from_secs(60));
    }
    world.open(&world.log_in(&ada).await.access).await.unwrap();
    let calls = world.store.calls();
    world.sessions.write_uses().await;
    assert_eq!(world.store.calls() - calls, 1, "a session alone");
}
