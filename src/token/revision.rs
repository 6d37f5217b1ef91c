//! How a verified token learns that something about its user, or its issuer's keys, changed.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast;

use super::journal::{Journal, Passage};
use crate::identity::UserId;

/// Users share counters by their low bits: a collision costs one needless store read.
const SLOTS: usize = 4096;

/// Bumps that a listener may be behind.
const NEWS: usize = 1024;

/// Counters that are bumped after a change of a user commits and before it is acknowledged.
///
/// Whoever remembers something about a user keeps the counter it read *before* it read the
/// store, and believes its memory only while the counter stands.
#[derive(Debug)]
pub struct Revisions {
    slots: Box<[AtomicU64]>,
    // Stands for everybody who has no user here.
    issuers: Arc<AtomicU64>,
    news: broadcast::Sender<Bumped>,
    journal: Mutex<Journal>,
    /// Of whom it was heard that something changed, where the users are somebody else's by now.
    heard: Mutex<HashSet<UserId>>,
}

/// About whom something changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Bumped {
    /// A user.
    User(UserId),
    /// Many of them, and perhaps callers of other issuers.
    Everybody,
}

/// The counter of one user at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Revision {
    slot: usize,
    count: u64,
}

impl Revisions {
    /// The counter of `user` now. Read it before the store.
    pub fn of(&self, user: UserId) -> Revision {
        let slot = usize::try_from(user.0 % SLOTS as u64).unwrap_or_default();
        Revision { slot, count: self.slot(slot).load(Ordering::Acquire) }
    }

    /// The counter of all tokens without a user of ours now. Read it before the keys of their
    /// issuers.
    pub fn of_others(&self) -> Revision {
        Revision { slot: usize::MAX, count: self.issuers.load(Ordering::Acquire) }
    }

    /// That counter itself: to be bumped when keys of an issuer are gone.
    pub(super) fn issuers(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.issuers)
    }

    /// Whether nothing was bumped since `seen`.
    pub fn holds(&self, seen: Revision) -> bool {
        self.slot(seen.slot).load(Ordering::Acquire) == seen.count
    }

    /// Says that something about `user` changed.
    pub fn bump(&self, user: UserId) {
        self.bump_quietly(user);
        self.tell(Bumped::User(user));
    }

    /// Says so of a change that nobody who was let in has to notice.
    pub fn bump_quietly(&self, user: UserId) {
        self.slot(self.of(user).slot).fetch_add(1, Ordering::AcqRel);
    }

    /// Says that something about `user` changed where the users are now.
    pub fn hear(&self, user: UserId) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).insert(user);
        self.bump(user);
    }

    /// Whether that was heard.
    pub fn has_heard(&self, user: UserId) -> bool {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).contains(&user)
    }

    /// Says that something about many users changed.
    pub fn bump_all(&self) {
        for slot in &self.slots {
            slot.fetch_add(1, Ordering::AcqRel);
        }
        self.tell(Bumped::Everybody);
    }

    /// Says that something about all callers changed, those of other issuers too.
    pub fn bump_everybody(&self) {
        // First: whoever hears of it finds all of it done.
        self.issuers.fetch_add(1, Ordering::AcqRel);
        self.bump_all();
    }

    /// Hears of each bump from now on. Whoever is too slow has to take it that everybody was meant.
    pub fn listen(&self) -> broadcast::Receiver<Bumped> {
        self.news.subscribe()
    }

    /// What was bumped since that place of the journal, which [`Passage::to`] names. A process has
    /// a journal of its own.
    pub fn since(&self, place: u64) -> Passage {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner).since(place)
    }

    /// Where the journal ends now.
    pub fn place(&self) -> u64 {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner).end()
    }

    fn tell(&self, bumped: Bumped) {
        // First: whoever is woken finds it there.
        self.journal.lock().unwrap_or_else(PoisonError::into_inner).note(bumped);
        // An error says that nobody listens.
        drop(self.news.send(bumped));
    }

    fn slot(&self, slot: usize) -> &AtomicU64 {
        self.slots.get(slot).unwrap_or(&self.issuers)
    }
}

impl Default for Revisions {
    fn default() -> Self {
        let slots = (0..SLOTS).map(|_| AtomicU64::new(0)).collect();
        let (issuers, news) = (Arc::default(), broadcast::Sender::new(NEWS));
        Self { slots, issuers, news, journal: Mutex::default(), heard: Mutex::default() }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::broadcast::error::TryRecvError;

    use super::*;

    #[test]
    fn who_listens_hears_of_each_bump_when_it_is_done() {
        let revisions = Revisions::default();
        let (seen, others) = (revisions.of(UserId(7)), revisions.of_others());
        revisions.bump(UserId(6));
        let mut news = revisions.listen();
        revisions.bump(UserId(7));
        assert_eq!(news.try_recv(), Ok(Bumped::User(UserId(7))));
        assert!(!revisions.holds(seen) && revisions.holds(others));
        revisions.bump_everybody();
        assert_eq!(news.try_recv(), Ok(Bumped::Everybody));
        assert!(!revisions.holds(others));
        assert_eq!(news.try_recv(), Err(TryRecvError::Empty));
    }

    #[test]
    fn who_does_not_keep_up_learns_that_something_was_missed() {
        let revisions = Revisions::default();
        let mut news = revisions.listen();
        for user in 0..=NEWS as u64 {
            revisions.bump(UserId(user));
        }
        assert!(matches!(news.try_recv(), Err(TryRecvError::Lagged(_))));
    }
}
