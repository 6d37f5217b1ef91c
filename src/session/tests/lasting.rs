//! Who was let in and may go on is who would be let in again.

use super::super::lasting::judge;
use super::claims::corp;
use super::keys::allow;
use super::*;
use crate::store::{EndReason, KeyStore, Session, SessionRef, Standing, StoreError};
use crate::web::SessionCookie;

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

#[tokio::test]
async fn a_session_that_is_found_counts_only_as_what_was_asked_for() {
    let world = world(rotating(10));
    let (ada, eve) = (world.user("ada").await, world.user("eve").await);
    world.log_in(&ada).await;
    let session = world.accounts.sessions(ada.id, 1).await.unwrap().remove(0);
    let found = world.store.inner().standing(ada.id, SessionRef::Own(session.id)).await.unwrap();
    assert_eq!(found.session.as_ref(), Some(&session));
    let id = session.id;
    let other = Session { id: SessionId { tag: id.tag ^ 1, ..id }, ..session.clone() };
    let theirs = Session { user: eve.id, ..session.clone() };
    let ended = Some((world.clock.now(), EndReason::LoggedOut));
    let ended = Session { ended, ..session.clone() };
    for (asked, found, stands) in [
        (Some(id), Some(session), true),
        (Some(id), Some(other), false),
        (Some(id), Some(theirs.clone()), false),
        (Some(id), Some(ended.clone()), false),
        (Some(id), None, false),
        // A token that was made elsewhere may have none yet.
        (None, Some(theirs), false),
        (None, Some(ended), false),
        (None, None, true),
    ] {
        let standing = Standing { user: Some(ada.clone()), session: found };
        let what = format!("{asked:?} {standing:?}");
        let judged = judge(standing, asked, world.clock.now());
        assert_eq!(judged.is_ok(), stands, "{what}");
    }
}

#[tokio::test]
async fn nobody_goes_on_by_a_key_that_is_anothers_by_now() {
    let world = world(SessionSettings { token_scheme: true, ..rotating(10) });
    let (ada, eve) = (world.user("ada").await, world.user("eve").await);
    let key = world.sessions.api_key(&ada).await.unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, format!("Token {key}").parse().unwrap());
    let caller = world.sessions.authenticate(&headers).await.unwrap().unwrap();
    world.accounts.delete(ada.id).await.unwrap();
    let moved = seal_api_key(&world.keys, eve.id, &key).unwrap();
    world.store.inner().api_key(eve.id, moved).await.unwrap();
    let error = world.sessions.still(&caller).await.unwrap_err();
    assert!(matches!(error, AuthError::UnknownKey), "{error}");
}

/// Whoever has the store now tells of each change: the callers here go on until they are spoken of.
#[tokio::test]
async fn callers_outlive_the_store_they_came_from_until_something_is_heard_of_them() {
    let world = world(rotating(10));
    let ada = world.user("ada").await;
    let caller = world.open(&world.log_in(&ada).await.access).await.unwrap();
    world.store.fail_with(|| StoreError::HandedOver);
    // Somebody with the same counter.
    world.sessions.revisions.bump(ada.id);
    assert_eq!(world.sessions.stance(&caller, Duration::ZERO), Stance::InDoubt);
    let goes_on = world.sessions.reaffirm(&caller).await.unwrap();
    assert_eq!((goes_on.user, &goes_on.identity), (caller.user, &caller.identity));
    assert_eq!(goes_on.headers, caller.headers);
    assert_eq!(world.sessions.stance(&goes_on, Duration::ZERO), Stance::Unchanged);
    world.sessions.revisions.hear(ada.id);
    assert_eq!(world.sessions.stance(&goes_on, Duration::ZERO), Stance::InDoubt);
    let error = world.sessions.reaffirm(&goes_on).await.unwrap_err();
    assert!(matches!(error, AuthError::Store(StoreError::HandedOver)), "{error}");
}

#[tokio::test]
async fn operators_are_told_what_was_shown() {
    let settings = SessionSettings {
        token_scheme: true,
        user_keys: Some(UserKeySettings::default()),
        cookie: Some(SessionCookie::new(false)),
        ..rotating(10)
    };
    let mut world = world(settings.clone());
    allow(&world, settings.user_keys.clone());
    let (headers, tokens) = (IdentityHeaders::default(), TokenSettings::default());
    world.sessions = world.sessions.successor(headers, vec![corp()], settings, tokens);
    let ada = world.user("ada").await;
    let pair = world.log_in(&ada).await;
    let key = world.key(&ada, None, None).await;
    let now = world.clock.now().as_secs();
    let elsewhere = world.signed(&serde_json::json!({
        "token_type": "access", "exp": now + 60, "jti": "a", "user_id": ada.id.to_string(),
    }));
    let shown = [
        ("Bearer", pair.access, "an access token".to_owned()),
        ("Bearer", elsewhere, "an access token without a session".to_owned()),
        ("Bearer", key.text.to_string(), format!("API key {}", key.key.id)),
        ("Bearer", world.of_corp("eve"), "a token of the issuer corp".to_owned()),
        (
            "Token",
            world.sessions.api_key(&ada).await.unwrap(),
            "the key of api-token-auth/".to_owned(),
        ),
    ];
    for (scheme, credential, words) in shown {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("{scheme} {credential}").parse().unwrap());
        let caller = world.sessions.authenticate(&headers).await.unwrap().unwrap();
        assert_eq!(caller.credential(), words);
    }
    let Visit::Known(visitor) = world.visit(&pair.refresh).await else { panic!("nobody") };
    assert_eq!(visitor.caller.credential(), "a browser's cookie");
}
