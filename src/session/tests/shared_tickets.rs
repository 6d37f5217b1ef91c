//! Tickets that another gateway has given out.

use std::sync::Mutex;

use super::claims::corp;
use super::*;
use crate::store::{KeptTicket, StoreError, TicketStore};
use crate::token::{FreshnessSettings, WhenStale};

/// A store of one ticket, which keeps it when it was taken.
#[derive(Debug, Default)]
struct One(Mutex<Option<KeptTicket>>);

#[async_trait::async_trait]
impl TicketStore for One {
    async fn keep_ticket(
        &self,
        ticket: KeptTicket,
        _now: Timestamp,
        _most: usize,
    ) -> Result<(), StoreError> {
        *self.0.lock().unwrap() = Some(ticket);
        Ok(())
    }

    async fn take_ticket(&self, _hash: [u8; 32]) -> Result<Option<KeptTicket>, StoreError> {
        Ok(self.0.lock().unwrap().as_ref().map(|kept| KeptTicket {
            owner: kept.owner.clone(),
            scope: kept.scope.clone(),
            shown: kept.shown.clone(),
            ..*kept
        }))
    }
}

const HASH: [u8; 32] = [7; 32];
const SCOPE: &str = "GET /stream";

async fn taken(world: &World, store: &One, hash: [u8; 32], scope: &str) -> &'static str {
    match world.sessions.take_shared_ticket(store, hash, scope).await {
        Ok(caller) => {
            assert_eq!(caller.identity.username, "ada");
            "good"
        }
        Err(AuthError::Ticket) => "no ticket",
        Err(AuthError::Token(TokenError::Expired)) => "expired",
        Err(error) => error.code(),
    }
}

/// A ticket of somebody whose access token has so long to live.
async fn given_out(world: &World, left: Duration) -> One {
    let ada = world.user("ada").await;
    let access = world.log_in(&ada).await.access;
    world.clock.advance(TokenSettings::default().access.checked_sub(left).unwrap());
    let (caller, store) = (world.open(&access).await.unwrap(), One::default());
    world.sessions.share_ticket(&store, HASH, &caller, SCOPE).await.unwrap();
    store
}

#[tokio::test]
async fn a_ticket_is_good_for_its_route_and_its_time() {
    let world = world(rotating(10));
    let store = given_out(&world, TokenSettings::default().access).await;
    assert_eq!(taken(&world, &store, HASH, SCOPE).await, "good");
    assert_eq!(taken(&world, &store, HASH, "GET /other").await, "no ticket");
    assert_eq!(taken(&world, &store, [8; 32], SCOPE).await, "no ticket", "another's record");
    world.clock.advance(TICKET_LIFE.checked_sub(Duration::from_millis(1)).unwrap());
    assert_eq!(taken(&world, &store, HASH, SCOPE).await, "good");
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(taken(&world, &store, HASH, SCOPE).await, "no ticket");
}

#[tokio::test]
async fn a_ticket_outlives_neither_what_was_shown_for_it_nor_its_session() {
    let first = world(rotating(10));
    let store = given_out(&first, Duration::from_secs(5)).await;
    assert_eq!(taken(&first, &store, HASH, SCOPE).await, "good");
    first.clock.advance(Duration::from_secs(5));
    assert_eq!(taken(&first, &store, HASH, SCOPE).await, "expired");

    let second = world(rotating(10));
    let store = given_out(&second, TokenSettings::default().access).await;
    let ada = second.accounts.find("ada").await.unwrap().unwrap();
    second
        .accounts
        .change(ada.id, UserChange::LoggedOutEverywhere(second.clock.now()))
        .await
        .unwrap();
    assert_eq!(taken(&second, &store, HASH, SCOPE).await, "session_ended");
}

/// Others may have shut out somebody of the store meanwhile; an issuer's callers are in no store.
#[tokio::test]
async fn out_of_touch_a_ticket_is_good_for_callers_of_other_issuers_alone() {
    let mut world = world(rotating(10));
    let (headers, tokens) = (IdentityHeaders::default(), TokenSettings::default());
    world.sessions = world.sessions.successor(headers, vec![corp()], rotating(10), tokens);
    let ada = world.user("ada").await;
    let credentials = [world.log_in(&ada).await.access, world.of_corp("ada")];
    for (credential, out_of_touch) in credentials.iter().zip(["store_stale", "good"]) {
        let (caller, store) = (world.open(credential).await.unwrap(), One::default());
        world.sessions.share_ticket(&store, HASH, &caller, SCOPE).await.unwrap();
        assert_eq!(taken(&world, &store, HASH, SCOPE).await, "good");
        let (staleness, when_stale) = (Duration::ZERO, WhenStale::Serve);
        let stale = Revisions::shared(FreshnessSettings { staleness, when_stale });
        let fresh = std::mem::replace(&mut world.sessions.revisions, Arc::new(stale));
        assert_eq!(taken(&world, &store, HASH, SCOPE).await, out_of_touch);
        world.sessions.revisions = fresh;
    }
}
