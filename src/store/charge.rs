//! Limits that everybody spends together who has the store.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;

/// One event of something that is limited, as the generic cell rate algorithm counts it: in time
/// that is owed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Charge {
    /// What is limited: a digest, of which the store can read nothing.
    pub key: [u8; 32],
    /// The time in which one event is paid off.
    pub cost: Duration,
    /// The time that may be owed.
    pub burst: Duration,
}

/// What came of a [`Charge`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Charged {
    /// The event may happen, and is owed.
    Taken,
    /// It may not, and nothing is owed for it; it may after this long.
    Exceeded(Duration),
}

/// Where more than one process counts what is limited.
#[async_trait]
pub trait ChargeStore: fmt::Debug + Send + Sync {
    /// Puts one event on what a key owes, if that is no more than its burst then. Of any number at
    /// once as many are [`Charged::Taken`] as there is room for.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; treat it as no leave. It may be owed.
    async fn charge(&self, charge: Charge) -> Result<Charged, StoreError>;

    /// Takes one event back that was [`Charged::Taken`], and did not count after all.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; it is owed until it is paid off, or it is not.
    async fn refund(&self, charge: Charge) -> Result<(), StoreError>;
}
