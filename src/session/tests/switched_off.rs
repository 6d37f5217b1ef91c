//! What a reload no longer takes opens nothing, and ends what it has opened.

use http::header::COOKIE;

use super::*;
use crate::store::PasswordHash;
use crate::web::SessionCookie;

const CRUMB: SessionCookie = SessionCookie::new(false);

fn settings() -> SessionSettings {
    SessionSettings { token_scheme: true, cookie: Some(CRUMB), ..rotating(10) }
}

async fn visit(world: &World, token: &str) -> Option<Arc<Authenticated>> {
    let mut headers = HeaderMap::new();
    headers.insert(COOKIE, format!("{}={token}", CRUMB.name()).parse().unwrap());
    match world.sessions.visit(CRUMB, &headers).await.unwrap() {
        Visit::Known(visitor) => Some(visitor.caller),
        Visit::Nobody | Visit::Ambiguous | Visit::Gone => None,
    }
}

#[tokio::test]
async fn a_credential_is_good_in_its_own_place_alone() {
    let world = world(settings());
    let ada = world.user("ada").await;
    let pair = world.log_in(&ada).await;
    for _ in 0..2 {
        // Known from one place by now, it is none the better in the other.
        assert_eq!(world.code(&pair.access).await, "good");
        assert!(visit(&world, &pair.access).await.is_none());
        assert!(visit(&world, &pair.refresh).await.is_some());
        assert_eq!(world.code(&pair.refresh).await, "token_not_valid");
    }
}

#[tokio::test]
async fn cookies_and_keys_that_are_switched_off_let_nobody_go_on() {
    let mut world = world(settings());
    let ada = world.user("ada").await;
    let pair = world.log_in(&ada).await;
    let by_cookie = visit(&world, &pair.refresh).await.unwrap();
    let by_token = world.open(&pair.access).await.unwrap();
    let key = world.sessions.api_key(&ada).await.unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, format!("Token {key}").parse().unwrap());
    let by_key = world.sessions.authenticate(&headers).await.unwrap().unwrap();
    for caller in [&by_cookie, &by_token, &by_key] {
        assert!(world.sessions.is_good(caller).await.is_ok());
    }
    world.sessions.settings.cookie = None;
    world.sessions.settings.token_scheme = false;
    let refused = world.sessions.is_good(&by_cookie).await.unwrap_err();
    assert!(matches!(refused, AuthError::Revoked), "{refused}");
    let refused = world.sessions.is_good(&by_key).await.unwrap_err();
    assert!(matches!(refused, AuthError::UnknownKey), "{refused}");
    assert!(world.sessions.is_good(&by_token).await.is_ok());
    // It is none of ours then, good or not.
    for sent in [key.as_str(), "", "a b"] {
        headers.insert(AUTHORIZATION, format!("Token {sent}").parse().unwrap());
        assert!(world.sessions.authenticate(&headers).await.unwrap().is_none(), "{sent:?}");
    }
    world.clock.advance(TokenSettings::default().access);
    let refused = world.sessions.is_good(&by_token).await.unwrap_err();
    assert!(matches!(refused, AuthError::Token(TokenError::Expired)), "{refused}");
}

#[tokio::test]
async fn a_new_password_gets_no_sliding_token_where_those_are_switched_off() {
    for sliding in [true, false] {
        let mut world = world(settings());
        let tokens = TokenSettings { sliding, ..TokenSettings::default() };
        world.sessions =
            world.sessions.successor(IdentityHeaders::default(), Vec::new(), settings(), tokens);
        let ada = world.user("ada").await;
        world.sessions.log_in_sliding(&ada, Client::default(), None).await.unwrap();
        let session = Some(world.accounts.sessions(ada.id, 1).await.unwrap()[0].id);
        let (hash, client) = (PasswordHash::new("$x$".to_owned()), Client::default());
        let opened = world.sessions.change_password(&ada, hash, client, session, None).await;
        assert_eq!(matches!(opened.unwrap(), Opened::Sliding(_)), sliding);
    }
}
