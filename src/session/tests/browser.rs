//! Browsers that did not get the answer to an exchange.

use super::*;
use crate::token::FreshnessSettings;

#[tokio::test]
async fn a_successor_is_waited_for_unless_another_gateway_may_have_seen_it() {
    let hour = Duration::from_secs(60 * 60);
    let shared = FreshnessSettings { staleness: hour, ..FreshnessSettings::default() };
    for (revisions, waits) in [(Revisions::default(), true), (Revisions::shared(shared), false)] {
        let world = world_of(rotating(10), RedbStore::in_memory().unwrap(), revisions);
        let ada = world.user("ada").await;
        let spent = world.log_in(&ada).await.refresh;
        world.clock.advance(TokenSettings::default().access);
        let exchanged = world.visit(&spent).await;
        assert!(matches!(exchanged, Visit::Known(Visitor { renewed: Some(_), .. })));
        world.clock.advance(Duration::from_secs(9));
        assert!(matches!(world.visit(&spent).await, Visit::Known(_)));
        world.clock.advance(Duration::from_secs(2));
        let late = world.visit(&spent).await;
        assert_eq!(matches!(late, Visit::Known(_)), waits, "{late:?}");
    }
}
