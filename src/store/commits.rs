//! What writing costs a store.

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
}
