//! By what is counted.

use std::hash::Hash;

use crate::identity::UserId;

/// What a limit is counted by, here and in a store where all gateways count.
pub(super) trait Key: Hash + Sync {
    /// Its bytes, part by part: two that are not the same differ in them.
    fn write(&self, to: &mut dyn FnMut(&[u8]));
}

/// The [subnet](crate::limit::subnet) of a client.
impl Key for u64 {
    fn write(&self, to: &mut dyn FnMut(&[u8])) {
        to(&self.to_be_bytes());
    }
}

/// An address that letters go to.
impl Key for String {
    fn write(&self, to: &mut dyn FnMut(&[u8])) {
        to(self.as_bytes());
    }
}

impl Key for UserId {
    fn write(&self, to: &mut dyn FnMut(&[u8])) {
        to(&self.0.to_be_bytes());
    }
}
