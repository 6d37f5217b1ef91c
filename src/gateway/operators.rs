//! The operators' door, as the admin site finds it.

use std::sync::{Arc, PoisonError, RwLock, Weak};

use crate::admin::Door;

/// The door to what the gateway itself has, and the one that whoever runs it has opened.
#[derive(Debug)]
pub(super) struct Operators {
    bare: Arc<Door>,
    /// It may lead back to the gateway, which therefore does not keep it.
    whole: RwLock<Weak<Door>>,
}

impl Operators {
    pub(super) fn at(bare: Door) -> Self {
        Self { bare: Arc::new(bare), whole: RwLock::default() }
    }

    pub(super) fn use_door(&self, door: &Arc<Door>) {
        let mut whole = self.whole.write().unwrap_or_else(PoisonError::into_inner);
        *whole = Arc::downgrade(door);
    }

    pub(super) fn door(&self) -> Arc<Door> {
        let whole = self.whole.read().unwrap_or_else(PoisonError::into_inner).upgrade();
        whole.unwrap_or_else(|| Arc::clone(&self.bare))
    }
}
