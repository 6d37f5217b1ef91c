//! A store that a restore has made, until it has its name.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::open::Place;
use crate::new_file::NewFile;
use crate::store::{Numbers, OpenError};

/// How far numbers leap where nobody knows how many were given since: more than are given between
/// two backups, and little enough for whoever keeps ids in 32 bits.
const LEAP: u64 = 100_000;

/// A whole store on disk, that has no name yet.
#[derive(Debug)]
pub struct FinishedDraft {
    pub(super) new: NewFile,
    pub(super) path: PathBuf,
    pub(super) counts: BTreeMap<String, u64>,
    pub(super) numbers: Numbers,
}

/// Numbers behind all that were given since the copy was made.
pub(super) fn further(copy: Numbers, later: Option<Numbers>) -> Numbers {
    let is_later = |later: &Numbers| {
        later.users >= copy.users
            && later.sessions >= copy.sessions
            && later.invitations >= copy.invitations
            && later.keys >= copy.keys
    };
    later.filter(is_later).unwrap_or_else(|| {
        let leap = |number: u64| number.saturating_add(LEAP);
        Numbers {
            users: leap(copy.users),
            sessions: leap(copy.sessions),
            invitations: leap(copy.invitations),
            keys: leap(copy.keys),
        }
    })
}

impl FinishedDraft {
    /// The last numbers that count as given.
    pub const fn numbers(&self) -> Numbers {
        self.numbers
    }

    /// How many rows of each table were taken.
    pub const fn counts(&self) -> &BTreeMap<String, u64> {
        &self.counts
    }

    /// Gives it its name, where there is no other store.
    ///
    /// # Errors
    ///
    /// The system's; there is none then.
    pub fn publish(self) -> Result<(), OpenError> {
        let Self { new, path, .. } = self;
        new.publish().map_err(|error| Place(&path).io(error))
    }

    /// Takes the place of the store that is there.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn replace(self) -> Result<(), OpenError> {
        let Self { new, path, .. } = self;
        new.replace().map_err(|error| Place(&path).io(error))
    }
}
