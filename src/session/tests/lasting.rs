//! Who was let in and may go on is who would be let in again.

use super::*;

impl World {
    /// What is said of a caller who was let in before, beside what is said of its token.
    async fn both(&self, caller: &Arc<Authenticated>, token: &str) -> [&'static str; 2] {
        let still = self.sessions.still(caller).await;
        let still = still.map_or_else(|error| error.code(), |_| "good");
        [still, self.code(token).await]
    }
}

#[tokio::test]
async fn a_caller_of_whom_nothing_changed_costs_the_store_nothing() {
    let world = world(rotating(10));
    let ada = world.user("ada").await;
    let caller = world.open(&world.log_in(&ada).await.access).await.unwrap();
    let before = world.store.calls();
    for _ in 0..1000 {
        assert_eq!(world.sessions.stance(&caller, Duration::ZERO), Stance::Unchanged);
    }
    assert_eq!(world.store.calls(), before);
    let role = UserChange::AddRole("editor".to_owned());
    world.accounts.change(ada.id, role).await.unwrap();
    assert_eq!(world.sessions.stance(&caller, Duration::ZERO), Stance::InDoubt);
    let caller = world.sessions.reaffirm(&caller).await.unwrap();
    assert_eq!(caller.identity.roles, ["editor"]);
    assert_eq!(world.sessions.stance(&caller, Duration::ZERO), Stance::Unchanged);
}

#[tokio::test]
async fn a_caller_may_go_on_exactly_as_long_as_its_credential_would_be_taken() {
    let world = world(rotating(10));
    let (ada, eve) = (world.user("ada").await, world.user("eve").await);
    let (one, two) = (world.log_in(&ada).await, world.log_in(&ada).await);
    let first = world.open(&one.access).await.unwrap();
    let second = world.open(&two.access).await.unwrap();
    let third = world.log_in(&eve).await;
    let others = world.open(&third.access).await.unwrap();
    world.sessions.blacklist(&one.refresh).await.unwrap();
    assert_eq!(world.both(&first, &one.access).await, ["session_ended"; 2]);
    assert_eq!(world.both(&second, &two.access).await, ["good"; 2]);
    world.accounts.change(ada.id, UserChange::Active(false)).await.unwrap();
    assert_eq!(world.both(&second, &two.access).await, ["user_inactive"; 2]);
    world.accounts.change(ada.id, UserChange::Active(true)).await.unwrap();
    assert_eq!(world.both(&second, &two.access).await, ["good"; 2]);
    let password = Secret::from("second-Phrase".to_owned());
    world.accounts.set_password(ada.id, password).await.unwrap();
    assert_eq!(world.both(&second, &two.access).await, ["password_changed"; 2]);
    world.accounts.delete(ada.id).await.unwrap();
    assert_eq!(world.both(&second, &two.access).await, ["user_not_found"; 2]);
    assert_eq!(world.both(&others, &third.access).await, ["good"; 2]);
    world.clock.advance(TokenSettings::default().access);
    assert_eq!(world.both(&others, &third.access).await, ["token_expired"; 2]);
}

#[tokio::test]
async fn the_owner_of_a_key_may_go_on_as_long_as_the_key_opens() {
    let world = world(SessionSettings { token_scheme: true, ..rotating(10) });
    let ada = world.user("ada").await;
    let key = world.sessions.api_key(&ada).await.unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, format!("Token {key}").parse().unwrap());
    let caller = world.sessions.authenticate(&headers).await.unwrap().unwrap();
    world.clock.advance(Duration::from_secs(400 * 24 * 60 * 60));
    assert!(world.sessions.still(&caller).await.is_ok());
    world.accounts.change(ada.id, UserChange::Active(false)).await.unwrap();
    let error = world.sessions.still(&caller).await.unwrap_err();
    assert!(matches!(error, AuthError::KeyUserInactive), "{error}");
}

#[tokio::test]
async fn a_grace_is_for_time_alone_and_a_broken_store_lets_nobody_in() {
    let world = world(rotating(10));
    let ada = world.user("ada").await;
    let caller = world.open(&world.log_in(&ada).await.access).await.unwrap();
    let grace = Duration::from_secs(60);
    world.clock.advance(TokenSettings::default().access);
    assert_eq!(world.sessions.stance(&caller, Duration::ZERO), Stance::Expired);
    assert_eq!(world.sessions.stance(&caller, grace), Stance::Unchanged);
    world.accounts.change(ada.id, UserChange::Active(false)).await.unwrap();
    assert_eq!(world.sessions.stance(&caller, grace), Stance::InDoubt);
    assert!(matches!(world.sessions.reaffirm(&caller).await, Err(AuthError::UserInactive)));
    world.store.fail();
    assert!(matches!(world.sessions.reaffirm(&caller).await, Err(AuthError::Store(_))));
    world.clock.advance(grace);
    assert_eq!(world.sessions.stance(&caller, grace), Stance::Expired);
}
