//! How a verified token learns that something about its user changed.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::identity::UserId;

/// Users share counters by their low bits: a collision costs one needless store read.
const SLOTS: usize = 4096;

/// Counters that are bumped after a change of a user commits and before it is acknowledged.
///
/// Whoever remembers something about a user keeps the counter it read *before* it read the
/// store, and believes its memory only while the counter stands.
#[derive(Debug)]
pub struct Revisions {
    slots: Box<[AtomicU64]>,
    // Never bumped; stands for what has no user here.
    still: AtomicU64,
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

    /// A counter that never moves, for tokens without a user of ours.
    pub const fn none() -> Revision {
        Revision { slot: usize::MAX, count: 0 }
    }

    /// Whether nothing was bumped since `seen`.
    pub fn holds(&self, seen: Revision) -> bool {
        self.slot(seen.slot).load(Ordering::Acquire) == seen.count
    }

    /// Says that something about `user` changed.
    pub fn bump(&self, user: UserId) {
        self.slot(self.of(user).slot).fetch_add(1, Ordering::AcqRel);
    }

    fn slot(&self, slot: usize) -> &AtomicU64 {
        self.slots.get(slot).unwrap_or(&self.still)
    }
}

impl Default for Revisions {
    fn default() -> Self {
        Self { slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(), still: AtomicU64::new(0) }
    }
}
