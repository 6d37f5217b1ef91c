//! One-use tickets for who cannot send a header: a browser that opens a `WebSocket` or an
//! `EventSource`.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::authenticate::hash_of_key;
use super::{AuthError, Authenticated, Sessions};
use crate::clock::Timestamp;
use crate::keys::KeyError;
use crate::secret::unseen;

/// How long a ticket may wait for its use.
pub const TICKET_LIFE: Duration = Duration::from_secs(30);

/// Tickets of one user that are remembered at once; a further one replaces the oldest.
pub(super) const OF_ONE_USER: usize = 64;
/// Tickets that are remembered at once, some 30 MiB of them; a further one replaces the oldest.
const OF_ALL: usize = 100_000;

type Hash = [u8; 32];

/// A new ticket, as its owner gets it. `Debug` does not show it.
pub struct Ticket(String);

/// All tickets that may still be used, by their hashes.
pub(super) struct Tickets {
    held: Mutex<Held>,
    of_one_user: usize,
    of_all: usize,
}

#[derive(Default)]
struct Held {
    by_hash: HashMap<Hash, Entry>,
    /// In the order of their making, which is that of their ends. A used one stays here until its
    /// time is over.
    order: VecDeque<(Hash, Arc<str>, Timestamp)>,
    /// The same for each user.
    by_user: HashMap<Arc<str>, VecDeque<Hash>>,
}

struct Entry {
    caller: Arc<Authenticated>,
    scope: Box<str>,
    expires: Timestamp,
}

impl Sessions {
    /// Makes a ticket that speaks for `caller` once, and opens nothing but `scope`. Where gateways share
    /// a store, any of them takes it.
    ///
    /// # Errors
    ///
    /// [`AuthError::Keys`] if the machine has no randomness, [`AuthError::Store`] if a shared store does
    /// not keep it; there is no ticket.
    pub async fn issue_ticket(
        &self,
        caller: &Arc<Authenticated>,
        scope: &str,
    ) -> Result<Ticket, AuthError> {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits).map_err(|_| KeyError::NoRandomness)?;
        let text = URL_SAFE_NO_PAD.encode(bits);
        let hash = hash_of_key(text.as_bytes());
        match self.store.tickets() {
            Some(store) => self.share_ticket(store, hash, caller, scope).await?,
            None => self.tickets.keep(hash, Arc::clone(caller), scope, self.clock.now()),
        }
        Ok(Ticket(text))
    }

    /// Whom a ticket speaks for. It is used up, whatever comes of it.
    ///
    /// # Errors
    ///
    /// [`AuthError::Ticket`] if it is unknown, used, too old, or for another scope; what
    /// [`Sessions::authenticate`] would say if its owner may no longer come in.
    pub async fn redeem_ticket(
        &self,
        ticket: &[u8],
        scope: &str,
    ) -> Result<Arc<Authenticated>, AuthError> {
        let hash = hash_of_key(ticket);
        if let Some(store) = self.store.tickets() {
            return self.take_shared_ticket(store, hash, scope).await;
        }
        let entry = self.tickets.take(&hash).ok_or(AuthError::Ticket)?;
        if entry.expires <= self.clock.now() || *entry.scope != *scope {
            return Err(AuthError::Ticket);
        }
        self.still(&entry.caller).await
    }
}

impl Ticket {
    /// The ticket itself: letters, digits, `-` and `_`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

unseen! { Ticket }

impl Tickets {
    fn keep(&self, hash: Hash, caller: Arc<Authenticated>, scope: &str, now: Timestamp) {
        let mut held = self.held();
        while held.order.front().is_some_and(|(_, _, expires)| *expires <= now)
            || held.by_hash.len() >= self.of_all
        {
            held.forget_oldest();
        }
        if held.order.len() >= 2 * self.of_all {
            held.forget_used();
        }
        let name = caller.identity.user_id.as_str();
        let user = held.by_user.get_key_value(name).map(|(user, _)| Arc::clone(user));
        let user = user.unwrap_or_else(|| name.into());
        let of_user = held.by_user.entry(Arc::clone(&user)).or_default();
        of_user.push_back(hash);
        let surplus = if of_user.len() > self.of_one_user { of_user.pop_front() } else { None };
        if let Some(oldest) = surplus {
            held.by_hash.remove(&oldest);
        }
        let expires = now.plus(TICKET_LIFE);
        held.order.push_back((hash, user, expires));
        held.by_hash.insert(hash, Entry { caller, scope: scope.into(), expires });
    }

    fn take(&self, hash: &Hash) -> Option<Entry> {
        self.held().by_hash.remove(hash)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // No step in between leaves anything that the next one could not live with.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn forget_oldest(&mut self) {
        let Some((hash, user, _)) = self.order.pop_front() else { return };
        self.by_hash.remove(&hash);
        let Some(of_user) = self.by_user.get_mut(&user) else { return };
        // It is the user's oldest as well, unless it made room for a newer one before.
        if of_user.front() == Some(&hash) {
            of_user.pop_front();
        }
        if of_user.is_empty() {
            self.by_user.remove(&user);
        }
    }

    /// Forgets the places of those that were used before their time was over.
    fn forget_used(&mut self) {
        let Self { by_hash, order, by_user } = self;
        order.retain(|(hash, ..)| by_hash.contains_key(hash));
        by_user.retain(|_, of_user| {
            of_user.retain(|hash| by_hash.contains_key(hash));
            !of_user.is_empty()
        });
    }
}

impl Default for Tickets {
    fn default() -> Self {
        Self { held: Mutex::default(), of_one_user: OF_ONE_USER, of_all: OF_ALL }
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets").field("len", &self.held().by_hash.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::somebody;
    use super::*;
    use crate::identity::Identity;

    fn caller(number: u8) -> Arc<Authenticated> {
        Arc::new(somebody(Identity { user_id: number.to_string(), ..Identity::nobody() }))
    }

    fn few(of_one_user: usize, of_all: usize) -> Tickets {
        Tickets { held: Mutex::default(), of_one_user, of_all }
    }

    #[test]
    fn what_is_too_old_makes_room() {
        let (tickets, now) = (few(9, 9), Timestamp::from_secs(9));
        for user in 0..3 {
            tickets.keep([user; 32], caller(user), "/x", now);
        }
        tickets.keep([3; 32], caller(3), "/x", now.plus(TICKET_LIFE));
        let held = tickets.held();
        assert_eq!((held.by_hash.len(), held.order.len(), held.by_user.len()), (1, 1, 1));
    }

    /// One that made room for a newer one of its user is forgotten once, and not another in its place.
    #[test]
    fn a_user_has_no_more_at_once_though_some_grow_old() {
        let (tickets, early) = (few(2, 9), Timestamp::from_secs(9));
        let late = early.plus(Duration::from_secs(1));
        for (number, now) in [(1, early), (2, late), (3, late), (4, early.plus(TICKET_LIFE))] {
            tickets.keep([number; 32], caller(1), "/x", now);
        }
        let held = tickets.held();
        let left = [1, 2, 3, 4].map(|number| held.by_hash.contains_key(&[number; 32]));
        assert_eq!(left, [false, false, true, true]);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Issue(u8),
        Use(usize),
        Wait(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..4_u8).prop_map(Step::Issue),
            2 => (0..12_usize).prop_map(Step::Use),
            1 => (0..20_u64).prop_map(Step::Wait),
        ]
    }

    proptest! {
        /// Whatever is issued and used when: memory is bounded, a ticket is good once, and the
        /// newest of a user and of all are always there.
        #[test]
        fn tickets_are_bounded_and_the_oldest_go_first(
            steps in prop::collection::vec(step(), 1..120),
        ) {
            let (of_one_user, of_all) = (3, 6);
            let tickets = few(of_one_user, of_all);
            let (mut now, mut made) = (Timestamp::from_secs(9), 0_u64);
            // All that were made: whose, until when, and whether used.
            let mut model: Vec<(u64, u8, Timestamp, bool)> = Vec::new();
            let hash_of = |number: u64| hash_of_key(&number.to_be_bytes());
            for step in steps {
                match step {
                    Step::Issue(user) => {
                        made += 1;
                        tickets.keep(hash_of(made), caller(user), "/x", now);
                        model.push((made, user, now.plus(TICKET_LIFE), false));
                    }
                    Step::Use(back) => {
                        let Some(at) = model.len().checked_sub(back + 1) else { continue };
                        let (number, user, expires, used) = model[at];
                        let later = &model[at + 1..];
                        let of_user = later.iter().filter(|other| other.1 == user).count();
                        let entry = tickets.take(&hash_of(number));
                        if used {
                            prop_assert!(entry.is_none());
                        } else if of_user < of_one_user && later.len() < of_all && expires > now {
                            let entry = entry.expect("it is one of the newest");
                            prop_assert_eq!(&entry.caller.identity.user_id, &user.to_string());
                            prop_assert_eq!(entry.expires, expires);
                        }
                        model[at].3 = true;
                    }
                    Step::Wait(seconds) => now = now.plus(Duration::from_secs(seconds)),
                }
                let held = tickets.held();
                let places: usize = held.by_user.values().map(VecDeque::len).sum();
                prop_assert!(held.by_hash.len() <= of_all, "{}", held.by_hash.len());
                prop_assert!(held.order.len() <= 2 * of_all, "{}", held.order.len());
                prop_assert!(places <= held.order.len(), "{places}");
                prop_assert!(held.by_user.values().all(|own| (1..=of_one_user).contains(&own.len())));
            }
        }
    }
}
