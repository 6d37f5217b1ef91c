//! How a store fails.

use std::error::Error;
use std::path::PathBuf;

/// A failure of the backend itself.
///
/// ```
/// use http::StatusCode;
/// use portcullis::StoreError;
///
/// /// What a surface of one's own answers: never "no such user".
/// fn status(error: &StoreError) -> StatusCode {
///     match error {
///         StoreError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
///         _ => StatusCode::INTERNAL_SERVER_ERROR,
///     }
/// }
///
/// let busy = StoreError::Unavailable("disk full".into());
/// assert_eq!(status(&busy), StatusCode::SERVICE_UNAVAILABLE);
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A stored record does not decode. Answer 500 and page someone: a backup may be needed.
    #[error("corrupt record in table `{table}`")]
    Corrupt {
        /// The table it was read from.
        table: &'static str,
        /// What the decoder said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The backend cannot serve now; the same call may succeed later. Answer 503.
    #[error("store unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// It was [handed over](super::Store::hand_over): another process has it. Answer 503; here it
    /// never succeeds again.
    #[error("store handed over to another process")]
    HandedOver,
}

/// A store that could not be opened. The file was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it open. Stop that process, or talk to it through its admin socket.
    #[error(
        "{}: the store is in use by another process: stop that one, or use its admin socket",
        path.display()
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// There is no file. Start the gateway or run `portcullis user add` to make one.
    #[error(
        "{}: there is no store: start the gateway or add a user to make one",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file is no store of ours, or is damaged. Put a backup in its place, or point
    /// `[store] path` elsewhere.
    #[error("{}: {reason}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
        /// Whether it is one of ours that this version does not know yet.
        newer: bool,
        /// What the backend said, if it was the one to notice.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// The database does not answer, or not us. Look whether it runs, at its address, and at the
    /// account.
    #[error("database {place}: cannot be used")]
    Database {
        /// Where it is, without a password.
        place: String,
        /// What it said, or why it said nothing.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The tables of the database are not those that this version works with; nothing was changed.
    #[error("database {place}: {reason}")]
    Layout {
        /// Where it is, without a password.
        place: String,
        /// What is wrong, and what to do about it.
        reason: &'static str,
        /// Whether they are of a version that this one does not know yet.
        newer: bool,
    },
    /// The operating system refused.
    #[error("{}: cannot open the store", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Its answer.
        #[source]
        source: std::io::Error,
    },
}
