//! Tokens that were spent before a policy stopped to rotate them.

use http::header::COOKIE;

use super::*;
use crate::web::SessionCookie;

impl World {
    /// These sessions from now on, without rotation.
    fn without_rotation(&mut self, grace: u64) {
        let settings = SessionSettings { rotation: false, ..rotating(grace) };
        let tokens = TokenSettings::default();
        self.sessions =
            self.sessions.successor(IdentityHeaders::default(), Vec::new(), settings, tokens);
    }

    pub(super) async fn visit(&self, token: &str) -> Visit {
        let cookie = SessionCookie::new(false);
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, format!("{}={token}", cookie.name()).parse().unwrap());
        self.sessions.visit(cookie, &headers).await.unwrap()
    }
}

#[tokio::test]
async fn what_was_spent_stays_spent() {
    let mut world = world(rotating(10));
    let ada = world.user("ada").await;
    let spent = world.log_in(&ada).await.refresh;
    let newest = world.sessions.refresh(&spent).await.unwrap().refresh.unwrap();
    world.without_rotation(10);
    // Who missed the answer to its last exchange gets it as before.
    assert_eq!(world.sessions.refresh(&spent).await.unwrap().refresh.as_ref(), Some(&newest));
    world.clock.advance(Duration::from_secs(10));
    for _ in 0..3 {
        assert_eq!(world.sessions.refresh(&newest).await.unwrap().refresh, None);
    }
    assert!(matches!(world.sessions.refresh(&spent).await, Err(AuthError::Reused)));
    assert!(matches!(world.sessions.refresh(&newest).await, Err(AuthError::Revoked)));
}

#[tokio::test]
async fn so_it_does_for_browsers() {
    let mut world = world(rotating(0));
    let ada = world.user("ada").await;
    let spent = world.log_in(&ada).await.refresh;
    let newest = world.sessions.refresh(&spent).await.unwrap().refresh.unwrap();
    world.without_rotation(0);
    for _ in 0..2 {
        let visit = world.visit(&newest).await;
        assert!(matches!(visit, Visit::Known(Visitor { renewed: None, .. })), "{visit:?}");
    }
    assert!(matches!(world.visit(&spent).await, Visit::Gone));
    assert!(matches!(world.visit(&newest).await, Visit::Gone), "its family is over");
}

#[tokio::test]
async fn a_browser_that_is_known_costs_the_store_nothing_however_old_its_token_is() {
    let mut world = world(rotating(10));
    let ada = world.user("ada").await;
    let token = world.log_in(&ada).await.refresh;
    world.without_rotation(10);
    assert!(matches!(world.visit(&token).await, Visit::Known(_)));
    let calls = world.store.calls();
    world.clock.advance(2 * TokenSettings::default().access);
    assert!(matches!(world.visit(&token).await, Visit::Known(_)));
    assert_eq!(world.store.calls(), calls);
}
