//! Tickets that are good once, at whichever gateway they are shown.

use std::fmt;

use async_trait::async_trait;

use super::StoreError;
use crate::clock::Timestamp;

/// A ticket as it is kept. `Debug` shows nothing that opens anything.
#[derive(Clone, Eq, PartialEq)]
pub struct KeptTicket {
    /// What it is found by.
    pub hash: [u8; 32],
    /// Whose it is.
    pub owner: String,
    /// What it opens.
    pub scope: String,
    /// What its owner had shown; sealed, and nothing that the store could read.
    pub shown: Vec<u8>,
    /// When it ends.
    pub expires: Timestamp,
}

impl fmt::Debug for KeptTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptTicket")
            .field("owner", &self.owner)
            .field("scope", &self.scope)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// Where tickets are kept that more than one process gives out and takes.
#[async_trait]
pub trait TicketStore: fmt::Debug + Send + Sync {
    /// Keeps a ticket, and of its owner's the `most` newest that are good at `now`.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; give it to nobody.
    async fn keep_ticket(
        &self,
        ticket: KeptTicket,
        now: Timestamp,
        most: usize,
    ) -> Result<(), StoreError>;

    /// Takes a ticket out. Of any number who ask for one at once, one gets it.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; it may be used up.
    async fn take_ticket(&self, hash: [u8; 32]) -> Result<Option<KeptTicket>, StoreError>;
}
