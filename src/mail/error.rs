//! Why a letter was not sent.

use std::error::Error;

use crate::store::StoreError;

/// Why a letter was not sent. `Display` and `source()` are for the log; no link is in them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MailError {
    /// The server cannot be had: nothing was said of this letter.
    #[error("mail server cannot be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// The server took too long.
    #[error("mail server too slow")]
    Slow,
    /// The server took the letter not now; another time it may.
    #[error("mail not taken now")]
    NotNow(#[source] Box<dyn Error + Send + Sync>),
    /// The server will not take this letter, whenever it is asked.
    #[error("mail refused")]
    Refused(#[source] Box<dyn Error + Send + Sync>),
    /// No mail can be sent to that address.
    #[error("address that no mail can be sent to")]
    Address,
    /// A template failed over the facts of this letter.
    #[error("template failed")]
    Template(#[from] crate::template::TemplateError),
    /// The letter cannot be put together.
    #[error("mail cannot be put together")]
    Form(#[source] Box<dyn Error + Send + Sync>),
    /// No randomness from the operating system.
    #[error("no randomness from the operating system")]
    NoRandomness,
    /// The store failed.
    #[error("store failed")]
    Store(#[from] StoreError),
    /// The gateway ends before the letter was begun.
    #[error("the gateway ends")]
    Stopped,
}

impl MailError {
    /// Whether another attempt is in vain.
    pub(super) const fn is_final(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Address => true,
            Self::Unreachable(_)
            | Self::Slow
            | Self::NotNow(_)
            | Self::Template(_)
            | Self::Form(_)
            | Self::NoRandomness
            | Self::Store(_)
            | Self::Stopped => false,
        }
    }

    /// Whether the next letter would fare no better now.
    pub(super) const fn is_about_the_server(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Slow | Self::NotNow(_) | Self::Store(_) => true,
            Self::Refused(_)
            | Self::Address
            | Self::Template(_)
            | Self::Form(_)
            | Self::NoRandomness
            | Self::Stopped => false,
        }
    }
}
