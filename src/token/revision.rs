//! How a verified token learns that something about its user, or its issuer's keys, changed.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast;

use super::freshness::{Freshness, FreshnessSettings, WhenStale};
use super::journal::{Journal, Passage};
use crate::identity::UserId;

/// Users share counters by their low bits: a collision costs one needless store read.
const SLOTS: usize = 4096;

/// The same where others change the store too: each of their changes is a needless read for everybody
/// who shares the counter, in every gateway. 8 MiB.
const SHARED_SLOTS: usize = 1 << 20;

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
    /// `None` where nobody else changes anything.
    freshness: Option<Freshness>,
    /// Those who change it, with this gateway; 0 is not known yet.
    gateways: AtomicU32,
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
    /// Those of a store that others change as well, whose changes have to be followed.
    pub fn shared(settings: FreshnessSettings) -> Self {
        Self { freshness: Some(Freshness::new(settings)), ..Self::with_slots(SHARED_SLOTS) }
    }

    /// Notes that everything was bumped that others had changed by that moment of
    /// [`awake`](crate::clock::awake).
    pub(crate) fn follow(&self, by: Duration) {
        if let Some(freshness) = &self.freshness {
            freshness.heard(by);
        }
    }

    /// What is to be done because nothing was heard of others' changes for too long; `None` while what
    /// is remembered can be believed.
    pub fn stale(&self) -> Option<WhenStale> {
        self.freshness.as_ref()?.stale()
    }

    /// Whether others change the store as well.
    pub const fn is_shared(&self) -> bool {
        self.freshness.is_some()
    }

    /// How long ago all that others had changed was known; `None` where nobody else changes anything.
    pub fn age(&self) -> Option<Duration> {
        self.freshness.as_ref().map(Freshness::age)
    }

    /// How many gateways change the store, with this one, as far as was heard.
    pub fn gateways(&self) -> NonZeroU32 {
        NonZeroU32::new(self.gateways.load(Ordering::Relaxed)).unwrap_or(NonZeroU32::MIN)
    }

    /// Notes how many there are.
    pub(crate) fn note_gateways(&self, live: usize) {
        self.gateways.store(u32::try_from(live).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// The counter of `user` now. Read it before the store.
    pub fn of(&self, user: UserId) -> Revision {
        let slot = usize::try_from(user.0 % self.slots.len() as u64).unwrap_or_default();
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

    fn with_slots(slots: usize) -> Self {
        let slots = (0..slots).map(|_| AtomicU64::new(0)).collect();
        let (issuers, news) = (Arc::default(), broadcast::Sender::new(NEWS));
        let (journal, heard) = (Mutex::default(), Mutex::default());
        let gateways = AtomicU32::default();
        Self { slots, issuers, news, journal, heard, freshness: None, gateways }
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
        Self::with_slots(SLOTS)
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
    fn where_many_change_users_hardly_any_share_a_counter() {
        let shared = Revisions::shared(FreshnessSettings::default());
        let seen: Vec<_> = (1..SHARED_SLOTS as u64).map(|id| shared.of(UserId(id))).collect();
        shared.bump(UserId(SHARED_SLOTS as u64));
        assert!(seen.iter().all(|seen| shared.holds(*seen)));
        shared.bump_all();
        assert!(!seen.iter().any(|seen| shared.holds(*seen)));
    }

    #[test]
    fn what_is_remembered_is_stale_when_nothing_was_heard_of_others() {
        let alone = Revisions::default();
        assert_eq!((alone.stale(), alone.age(), alone.is_shared()), (None, None, false));
        for when_stale in [WhenStale::Refuse, WhenStale::Serve] {
            let at_once = FreshnessSettings { staleness: Duration::ZERO, when_stale };
            assert_eq!(Revisions::shared(at_once).stale(), Some(when_stale));
        }
        let shared = Revisions::shared(FreshnessSettings::default());
        assert_eq!((shared.stale(), shared.is_shared()), (None, true));
        // By a moment that is still to come, so that nothing is older than that.
        shared.follow(crate::clock::awake() + Duration::from_secs(60 * 60));
        assert_eq!(shared.age(), Some(Duration::ZERO));
    }

    #[test]
    fn a_gateway_counts_itself_until_it_hears_of_others() {
        let shared = Revisions::shared(FreshnessSettings::default());
        assert_eq!(shared.gateways().get(), 1);
        shared.note_gateways(3);
        assert_eq!(shared.gateways().get(), 3);
    }

    #[test]
    fn what_is_heard_of_a_user_is_kept_and_told() {
        let revisions = Revisions::default();
        let (seen, place) = (revisions.of(UserId(7)), revisions.place());
        revisions.hear(UserId(7));
        assert!(revisions.has_heard(UserId(7)) && !revisions.has_heard(UserId(8)));
        assert!(!revisions.holds(seen));
        assert_eq!(revisions.since(place).bumped, Some(vec![Bumped::User(UserId(7))]));
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
