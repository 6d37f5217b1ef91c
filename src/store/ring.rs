//! The key ring of gateways that share a store: kept in it, under a key that it does not know.

use std::fmt;

use super::StoreError;

/// A ring as it is kept. `Debug` shows nothing of it.
#[derive(Clone, Eq, PartialEq)]
pub struct SealedRing {
    /// Which one; each that takes the place of another has the next number, the first being 1.
    pub version: u64,
    /// The ring, sealed.
    pub sealed: Vec<u8>,
}

impl fmt::Debug for SealedRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedRing").field("version", &self.version).finish_non_exhaustive()
    }
}

/// Where a ring is kept that many gateways share. The calls block.
pub trait RingStore: fmt::Debug + Send + Sync {
    /// The ring; `None` if there is none yet.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; never treat it as "none".
    fn ring(&self) -> Result<Option<SealedRing>, StoreError>;

    /// Puts a ring in the place of that version, 0 being none, and tells everybody who listens
    /// ([`StoreEvent::Keys`](super::StoreEvent::Keys)); `false` if another version is there.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; read it again.
    fn put_ring(&self, after: u64, sealed: Vec<u8>) -> Result<bool, StoreError>;
}
