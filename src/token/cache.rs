//! Tokens that were verified lately, with what was learnt about them.

use std::fmt;
use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::{Cache, DefaultLifecycle};

use super::{Revision, Revisions};
use crate::clock::Timestamp;

/// Bytes of tokens that are remembered at once, unless the operator says otherwise: some 60,000 callers.
pub const CALLERS: u64 = 64 * 1024 * 1024;
/// A token of 400 bytes with what is known about it.
const USUAL: u64 = 1024;
/// What an entry weighs beside its credential: identity, ready-made headers, bookkeeping.
const OVERHEAD: u64 = 600;

/// A bounded cache of credentials. The whole credential is compared, so no two are confused.
pub struct TokenCache<T> {
    entries: Cache<Box<[u8]>, Entry<T>, ByBytes, foldhash::fast::RandomState>,
}

/// What is remembered of one credential.
#[derive(Debug)]
pub struct Entry<T> {
    /// What was learnt.
    pub value: Arc<T>,
    /// The user's counter before it was learnt.
    pub revision: Revision,
    /// The credential is dead from here on.
    pub expires: Timestamp,
}

impl<T> Clone for Entry<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), revision: self.revision, expires: self.expires }
    }
}

#[derive(Clone)]
struct ByBytes;

impl<T> Weighter<Box<[u8]>, Entry<T>> for ByBytes {
    fn weight(&self, key: &Box<[u8]>, _entry: &Entry<T>) -> u64 {
        key.len() as u64 + OVERHEAD
    }
}

impl<T> TokenCache<T> {
    /// Nothing is known yet, and so many bytes will be at the most.
    pub fn new(bytes: u64) -> Self {
        let hasher = foldhash::fast::RandomState::default();
        let items = usize::try_from(bytes / USUAL).unwrap_or(usize::MAX);
        let entries = Cache::with(items, bytes, ByBytes, hasher, DefaultLifecycle::default());
        Self { entries }
    }

    /// What is known about `credential`, if it is alive at `now` and nothing changed since.
    pub fn get(&self, credential: &[u8], revisions: &Revisions, now: Timestamp) -> Option<Arc<T>> {
        let entry = self.entries.get(credential)?;
        if now < entry.expires && revisions.holds(entry.revision) {
            return Some(entry.value);
        }
        self.entries.remove(credential);
        None
    }

    /// Remembers what was learnt about `credential`.
    pub fn insert(&self, credential: &[u8], entry: Entry<T>) {
        self.entries.insert(credential.into(), entry);
    }
}

impl<T> Default for TokenCache<T> {
    fn default() -> Self {
        Self::new(CALLERS)
    }
}

impl<T> fmt::Debug for TokenCache<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never its keys: they are credentials.
        f.debug_struct("TokenCache").field("len", &self.entries.len()).finish()
    }
}
