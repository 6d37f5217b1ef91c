//! What is counted for the record: logins, what went wrong with factors, and tokens that come twice.

use super::*;
use crate::audit::Kind;
use crate::store::FactorChange;

impl World {
    /// How often something of that kind was recorded of sessions.
    fn recorded(&self, kind: Kind) -> u64 {
        let counts = self.sessions.audit.counts();
        counts.get(kind.as_str()).copied().unwrap_or_default()
    }
}

#[tokio::test]
async fn every_login_is_recorded_whatever_it_gets() {
    let world = world(SessionSettings { token_scheme: true, ..rotating(10) });
    let ada = world.user("ada").await;
    world.log_in(&ada).await;
    assert_eq!(world.recorded(Kind::LoggedIn), 1);
    world.sessions.log_in_sliding(&ada, Client::default(), None).await.unwrap();
    assert_eq!(world.recorded(Kind::LoggedIn), 2);
    world.clock.advance(Duration::from_secs(60));
    world.sessions.api_key(&ada).await.unwrap();
    assert_eq!(world.recorded(Kind::LoggedIn), 3);
    let ada = world.accounts.get(ada.id).await.unwrap().unwrap();
    assert_eq!(ada.last_login, Some(world.clock.now()));
}

#[tokio::test]
async fn a_token_that_comes_twice_is_recorded_as_that_and_an_end_as_an_end() {
    let world = world(rotating(0));
    let ada = world.user("ada").await;
    let ends = || (world.recorded(Kind::SessionEnded), world.recorded(Kind::TokenReused));
    let pair = world.log_in(&ada).await;
    let newest = world.sessions.refresh(&pair.refresh).await.unwrap().refresh.unwrap();
    assert_eq!(ends(), (0, 0));
    world.sessions.blacklist(&newest).await.unwrap();
    assert_eq!(ends(), (1, 0));
    // Shown to be renewed, and shown to be ended.
    let pair = world.log_in(&ada).await;
    world.sessions.refresh(&pair.refresh).await.unwrap();
    assert!(world.sessions.refresh(&pair.refresh).await.is_err());
    assert_eq!(ends(), (1, 1));
    let pair = world.log_in(&ada).await;
    world.sessions.refresh(&pair.refresh).await.unwrap();
    assert!(world.sessions.blacklist(&pair.refresh).await.is_err());
    assert_eq!(ends(), (1, 2));
}

#[tokio::test]
async fn a_recovery_code_that_was_used_is_recorded_as_wrong() {
    let world = world(rotating(10));
    let ada = world.user("ada").await;
    let codes = factors::enrol(&world, &ada).await;
    let shown = || (world.recorded(Kind::FactorUsed), world.recorded(Kind::FactorFailed));
    let show = |code| world.sessions.change_factors(&ada, code, FactorChange::Nothing);
    assert!(show(&codes.0[0]).await.unwrap().is_some());
    assert_eq!(shown(), (1, 0));
    assert!(show(&codes.0[0]).await.unwrap().is_none());
    assert_eq!(shown(), (1, 1));
    let asked = factors::challenge(&world, &ada).await;
    let (challenge, user) = world.sessions.challenged(&asked).await.unwrap().unwrap();
    let reply = world.sessions.answer(challenge, &user, &codes.0[0]).await.unwrap();
    assert!(matches!(reply, Reply::Wrong), "{reply:?}");
    assert_eq!(shown(), (1, 2));
    let reply = world.sessions.answer(challenge, &user, &codes.0[1]).await.unwrap();
    assert!(matches!(reply, Reply::Met(_)), "{reply:?}");
    assert_eq!(shown(), (2, 2));
}
