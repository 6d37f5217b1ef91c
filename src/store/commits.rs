//! What writing costs a store.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::metrics::{Counter, Durations};

/// Counts of a store that gathers changes into durable commits.
#[derive(Debug, Default)]
pub struct Commits {
    /// How long each commit took to be on disk.
    pub durations: Durations,
    /// Changes that were asked for; several may share a commit.
    pub changes: Counter,
    /// Commits that failed: nothing of theirs was changed, or nothing is known about it.
    pub failed: Counter,
    /// Logins that are under way.
    coming: AtomicUsize,
    /// When changes that can wait are due.
    due: Mutex<Option<Instant>>,
}

impl Commits {
    /// Announces a change that can wait, such as that of a login, until what is returned is dropped.
    pub(crate) fn announce(&self) -> Announced<'_> {
        self.coming.fetch_add(1, Ordering::Relaxed);
        Announced(self)
    }

    /// Whether a change that can wait would do so now: others are announced, and the last commit
    /// was a moment ago.
    pub(crate) fn gathering(&self) -> bool {
        let due = *self.due.lock().unwrap_or_else(PoisonError::into_inner);
        self.coming.load(Ordering::Relaxed) > 0 && due.is_some_and(|due| Instant::now() < due)
    }

    /// How many changes are announced.
    #[cfg(test)]
    pub(crate) fn announced(&self) -> usize {
        self.coming.load(Ordering::Relaxed)
    }

    /// From now on changes that can wait do, until `due`.
    pub(super) fn gather_until(&self, due: Instant) {
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) = Some(due);
    }
}

/// A change that is to be expected, see [`Commits::announce`].
#[derive(Debug)]
pub(crate) struct Announced<'c>(&'c Commits);

impl Drop for Announced<'_> {
    fn drop(&mut self) {
        self.0.coming.fetch_sub(1, Ordering::Relaxed);
    }
}
