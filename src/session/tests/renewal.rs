//! How long sessions may be renewed, what is noted of it, and how long their records are kept.

use serde_json::json;

use super::*;

const LEEWAY: Duration = Duration::from_secs(30);
const HOUR: Duration = Duration::from_secs(60 * 60);
const MOMENT: Duration = Duration::from_millis(1);

/// A world whose clocks may differ by [`LEEWAY`], with sessions of an hour.
fn lenient() -> World {
    let settings = SessionSettings { lifetime: HOUR, ..rotating(10) };
    let mut world = world(settings.clone());
    let tokens = TokenSettings { leeway: LEEWAY, ..TokenSettings::default() };
    world.sessions =
        world.sessions.successor(IdentityHeaders::default(), Vec::new(), settings, tokens);
    world
}

#[tokio::test]
async fn no_leeway_lengthens_a_session() {
    let world = lenient();
    let ada = world.user("ada").await;
    let first = world.log_in(&ada).await.refresh;
    world.clock.advance(HOUR.checked_sub(MOMENT).unwrap());
    let last = world.sessions.refresh(&first).await.unwrap().refresh.unwrap();
    world.clock.advance(MOMENT);
    world.sessions.own_claims(&last, world.clock.now()).expect("the token itself is in its time");
    let late = world.sessions.refresh(&last).await;
    assert!(matches!(late, Err(AuthError::Token(TokenError::Expired))), "{late:?}");
}

#[tokio::test]
async fn a_sliding_token_is_renewed_before_the_end_of_its_renewals() {
    let world = world(rotating(10));
    let ada = world.user("ada").await;
    world.log_in(&ada).await;
    let session = world.accounts.sessions(ada.id, 1).await.unwrap()[0].id;
    let now = world.clock.now().as_secs();
    let until = |end: u64| {
        world.signed(&json!({
            "token_type": "sliding", "exp": now + 60, "iat": now, "jti": "a", "refresh_exp": end,
            "user_id": ada.id.to_string(), "sid": session.to_string(),
        }))
    };
    let late = world.sessions.refresh_sliding(&until(now)).await;
    assert!(matches!(late, Err(AuthError::Token(TokenError::RefreshExpired))), "{late:?}");
    assert!(world.sessions.refresh_sliding(&until(now + 1)).await.is_ok());
}

#[tokio::test]
async fn without_rotation_a_renewal_is_noted_once_a_minute() {
    let world = world(SessionSettings { rotation: false, ..rotating(10) });
    let ada = world.user("ada").await;
    let begun = world.clock.now();
    let refresh = world.log_in(&ada).await.refresh;
    let minute = Duration::from_secs(60);
    for (passed, noted) in
        [(minute.checked_sub(MOMENT).unwrap(), begun), (MOMENT, begun.plus(minute))]
    {
        world.clock.advance(passed);
        assert_eq!(world.sessions.refresh(&refresh).await.unwrap().refresh, None);
        let last = world.accounts.sessions(ada.id, 1).await.unwrap()[0].last_used;
        assert_eq!(last, noted, "{passed:?}");
    }
}

#[tokio::test]
async fn the_record_of_a_session_goes_when_no_token_of_it_can_be_taken_any_more() {
    let world = lenient();
    let ada = world.user("ada").await;
    world.log_in(&ada).await;
    world.log_in(&ada).await;
    let kept = async || world.store.inner().sessions(ada.id, None, 9).await.unwrap().len();
    let last = world.accounts.sessions(ada.id, 1).await.unwrap()[0].expires;
    // The last access token was bought with the last refresh token.
    let slack = TokenSettings::default().access + LEEWAY;
    world.clock.advance(last.plus(slack).since(world.clock.now()));
    assert_eq!((world.sessions.sweep().await.unwrap(), kept().await), (0, 2));
    world.clock.advance(MOMENT);
    assert_eq!((world.sessions.sweep().await.unwrap(), kept().await), (2, 0));
}
