//! What is done while nothing is heard of what other gateways change.

use http::header::COOKIE;

use super::keys::allow;
use super::*;
use crate::token::{FreshnessSettings, WhenStale};
use crate::web::SessionCookie;

const CRUMB: SessionCookie = SessionCookie::new(false);

/// A world that was told of nothing since somebody was let in.
struct Silent {
    world: World,
    caller: Arc<Authenticated>,
    /// What the caller came with.
    known: String,
    /// What nobody has come with yet.
    unknown: String,
    key: String,
    user_key: String,
    /// A browser's cookie that has come before, and one that has not.
    crumbs: [String; 2],
}

async fn silent(when_stale: WhenStale) -> Silent {
    let hour = FreshnessSettings { staleness: Duration::from_secs(60 * 60), when_stale };
    let user_keys = Some(UserKeySettings::default());
    let settings = SessionSettings {
        token_scheme: true,
        cookie: Some(CRUMB),
        user_keys: user_keys.clone(),
        ..rotating(10)
    };
    let store = RedbStore::in_memory().unwrap();
    let mut world = world_of(settings, store, Revisions::shared(hour));
    allow(&world, user_keys);
    let ada = world.user("ada").await;
    let user_key = world.key(&ada, None, None).await.text.to_string();
    let (first, second) = (world.log_in(&ada).await, world.log_in(&ada).await);
    let key = world.sessions.api_key(&ada).await.unwrap();
    let caller = world.open(&first.access).await.unwrap();
    let crumbs = [first.refresh, second.refresh];
    assert_eq!(visit(&world, &crumbs[0]).await, "good");
    // An hour later: the counters are what they were.
    let seen = world.sessions.revisions.of(ada.id);
    let stale = FreshnessSettings { staleness: Duration::ZERO, when_stale };
    let stale = Revisions::shared(stale);
    while !stale.holds(seen) {
        stale.bump(ada.id);
    }
    world.sessions.revisions = Arc::new(stale);
    Silent { world, caller, known: first.access, unknown: second.access, key, user_key, crumbs }
}

async fn visit(world: &World, token: &str) -> &'static str {
    let mut headers = HeaderMap::new();
    headers.insert(COOKIE, format!("{}={token}", CRUMB.name()).parse().unwrap());
    match world.sessions.visit(CRUMB, &headers).await {
        Ok(Visit::Known(_)) => "good",
        Err(AuthError::Stale) => "stale",
        Ok(_) | Err(_) => "refused",
    }
}

impl Silent {
    /// What is said of the caller that goes on, of its token and its cookie, of others, and of keys.
    async fn answers(&self) -> [&'static str; 7] {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("Token {}", self.key).parse().unwrap());
        let answer = |found: Result<(), AuthError>| match found {
            Ok(()) => "good",
            Err(AuthError::Stale) => "stale",
            Err(_) => "refused",
        };
        let open = async |token| answer(self.world.open(token).await.map(drop));
        [
            answer(self.world.sessions.still(&self.caller).await.map(drop)),
            open(&self.known).await,
            visit(&self.world, &self.crumbs[0]).await,
            open(&self.unknown).await,
            visit(&self.world, &self.crumbs[1]).await,
            answer(self.world.sessions.authenticate(&headers).await.map(drop)),
            open(&self.user_key).await,
        ]
    }
}

#[tokio::test]
async fn nobody_is_believed_where_refusing_is_safer() {
    assert_eq!(silent(WhenStale::Refuse).await.answers().await, ["stale"; 7]);
}

#[tokio::test]
async fn where_serving_matters_more_only_those_who_are_known_are_believed() {
    let answers = silent(WhenStale::Serve).await.answers().await;
    assert_eq!(answers, ["good", "good", "good", "stale", "stale", "stale", "stale"]);
}

#[tokio::test]
async fn no_cookie_is_exchanged_meanwhile() {
    for when_stale in [WhenStale::Refuse, WhenStale::Serve] {
        let Silent { world, crumbs, .. } = silent(when_stale).await;
        // They are due, and who is told to come again shows the same once more.
        world.clock.advance(TokenSettings::default().access);
        let calls = world.store.calls();
        for crumb in &crumbs {
            assert_eq!(visit(&world, crumb).await, "stale", "{when_stale:?}");
        }
        assert_eq!(world.store.calls(), calls, "{when_stale:?}");
    }
}
