//! What others do between two looks at the store.

use super::*;
use crate::store::{EndReason, FactorStore, Factors, PasswordHash};

#[tokio::test]
async fn who_is_shut_out_while_the_password_is_checked_stays_outside() {
    let password = || PasswordHash::new("$another$".to_owned());
    let at = Timestamp::from_secs(1_800_000_000);
    for (change, let_in) in [
        (UserChange::AddRole("editor".to_owned()), true),
        (UserChange::Active(false), false),
        (UserChange::Password { hash: password(), at }, false),
    ] {
        let world = world(rotating(10));
        let ada = world.user("ada").await;
        let (store, what) = (Arc::clone(&world.store), format!("{change:?}"));
        // The account was read with the recipes of all passwords, and is read again behind the check.
        world.store.before(3, async move {
            store.inner().change_user(ada.id, change).await.unwrap();
        });
        let password = Secret::from("first-Phrase".to_owned());
        let checked = world.accounts.check_login("ada", password).await.unwrap();
        assert_eq!(checked.is_some(), let_in, "{what}");
    }
}

#[tokio::test]
async fn whose_password_was_changed_gets_no_challenge_for_the_one_before() {
    let world = world(rotating(10));
    let ada = world.user("ada").await;
    let challenge = async |user: &User| {
        let factors = Factors::default();
        world.sessions.challenge(user, &factors, Wanted::Pair).await
    };
    assert!(challenge(&ada).await.is_ok());
    world.accounts.set_password(ada.id, Secret::from("second-Phrase".to_owned())).await.unwrap();
    let late = challenge(&ada).await;
    assert!(matches!(late, Err(AuthError::PasswordChanged)), "{late:?}");
}

#[tokio::test]
async fn a_token_made_elsewhere_is_not_taken_up_behind_its_end_or_for_another() {
    let world = world(SessionSettings { rotation: false, ..rotating(10) });
    let (ada, eve) = (world.user("ada").await, world.user("eve").await);
    let now = world.clock.now();
    let theirs = world.foreign_refresh(ada.id, "elsewhere-1");
    world.sessions.refresh(&theirs).await.unwrap();
    let session = world.accounts.sessions(ada.id, 1).await.unwrap()[0].id;
    let store = Arc::clone(&world.store);
    // Behind the look at how it stands.
    world.store.before(2, async move {
        store.inner().end_session(session, now, EndReason::LoggedOut).await.unwrap();
    });
    let late = world.sessions.refresh(&theirs).await;
    assert!(matches!(late, Err(AuthError::Revoked)), "{late:?}");

    let theirs = world.foreign_refresh(ada.id, "elsewhere-2");
    let hour = now.plus(Duration::from_secs(60 * 60));
    let eves = world.sessions.new_session(&eve, Client::default(), now, hour, None).unwrap();
    let store = Arc::clone(&world.store);
    world.store.before(2, async move {
        store.inner().adopt_session("elsewhere-2", eves).await.unwrap();
    });
    let taken = world.sessions.refresh(&theirs).await;
    assert!(matches!(taken, Err(AuthError::Revoked)), "{taken:?}");
}

#[tokio::test]
async fn of_two_operators_who_remove_factors_one_has_done_it() {
    let world = world(rotating(10));
    let ada = world.user("ada").await;
    factors::enrol(&world, &ada).await;
    let store = Arc::clone(&world.store);
    world.store.before(3, async move {
        assert!(store.inner().remove_factors(ada.id).await.unwrap());
    });
    assert!(!world.accounts.remove_factors(ada.id).await.unwrap());
}

/// One that was used meanwhile is newer than what is being written.
#[tokio::test]
async fn a_use_that_comes_while_uses_are_written_waits_for_the_next_time() {
    let world = world(rotating(10));
    let ada = world.user("ada").await;
    let caller = world.open(&world.log_in(&ada).await.access).await.unwrap();
    let session = caller.identity.session.unwrap();
    let later = world.clock.now().plus(Duration::from_secs(60));
    let uses = Arc::clone(&world.sessions.uses);
    world.store.before(1, async move { uses.note(&caller, later) });
    world.sessions.write_uses().await;
    assert_eq!(world.sessions.last_use(session), Some(later));
    world.sessions.write_uses().await;
    assert_eq!(world.sessions.last_use(session), None);
    assert_eq!(world.accounts.sessions(ada.id, 1).await.unwrap()[0].last_used, later);
}
