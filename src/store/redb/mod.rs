//! The embedded store.

/// The store in one redb file.
#[derive(Debug)]
pub struct RedbStore;
