//! How a process hears of what others change in a store that they share.

use std::fmt;

use async_trait::async_trait;

use super::StoreError;
use crate::identity::UserId;

/// Something changed that memories may have to be mended for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum StoreEvent {
    /// A user: its account, its roles, a session or a key of its own.
    User(UserId),
    /// Many users: a group, or nobody knows whom.
    Everybody,
    /// The key ring that is kept in the store.
    Keys,
}

/// What was heard at one look.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Heard {
    /// What changed since the last look, whoever changed it, this process included. Something may
    /// be told twice.
    pub events: Vec<StoreEvent>,
    /// Something was missed, and why: whatever is remembered of users may be wrong.
    pub gap: Option<&'static str>,
    /// Gateways that live on this store, this one included.
    pub gateways: usize,
    /// It was a glance at what is newest: what became visible late may be left to the next look.
    pub glance: bool,
}

/// One that listens to what is changed in a store.
///
/// An event is heard of as soon as its change can be seen, for it is stored with it, and in the same
/// transaction. That is so whoever changes it, and also where the one who asked for it was told that
/// nobody knows.
#[async_trait]
pub trait Hearing: fmt::Debug + Send {
    /// Waits until the next look is due: a moment after a change where the store can wake those who
    /// listen, and otherwise about a second after the last look.
    async fn due(&mut self);

    /// Looks. Whatever was committed before the call is in this answer or was in an earlier one, unless it
    /// is a [glance](Heard::glance). Glances do not keep looks from coming.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; nothing is missed by it, the next look has it.
    async fn look(&mut self) -> Result<Heard, StoreError>;
}
