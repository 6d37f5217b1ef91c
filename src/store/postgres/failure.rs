//! What can go wrong with a database, and what to do about it.

use std::error::Error;

use deadpool_postgres::PoolError;
use tokio_postgres::error::SqlState;

use crate::store::StoreError;

/// Why a call did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The database said no, or nothing any more.
    #[error(transparent)]
    Database(#[from] tokio_postgres::Error),
    /// There was no connection to be had.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// The connection was lost while the database was to commit: nobody knows whether it did.
    #[error("the connection was lost at the commit")]
    Unknown(#[source] tokio_postgres::Error),
    /// The rows say so.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It took too long.
    #[error("no answer within the time limit")]
    Late,
}

/// What the database said, without the rows that it said it about: those have addresses and hashes
/// in them.
#[derive(Debug, thiserror::Error)]
#[error("{message} (SQLSTATE {code})")]
struct Refusal {
    code: String,
    message: String,
}

impl Failure {
    /// Whether others were in the way, so that the same may work in a moment. Nothing was changed.
    pub(super) fn is_contention(&self) -> bool {
        let passing = [
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
            // Somebody made what was not there when it was looked at.
            SqlState::UNIQUE_VIOLATION,
            SqlState::FOREIGN_KEY_VIOLATION,
        ];
        self.state().is_some_and(|state| passing.contains(state))
    }

    /// Whether the connection is of no use any more.
    pub(super) fn is_loss(&self) -> bool {
        match self {
            Self::Database(error) => match error.code() {
                Some(state) => {
                    // Its class: connections, operators who stop the server, a standby that takes no changes.
                    let class = state.code().get(..2).unwrap_or_default();
                    class == "08" || class == "57" || *state == SqlState::READ_ONLY_SQL_TRANSACTION
                }
                None => error.is_closed() || source_of::<std::io::Error>(error).is_some(),
            },
            Self::Pool(PoolError::Backend(_)) | Self::Unknown(_) | Self::Late => true,
            Self::Pool(_) | Self::Store(_) => false,
        }
    }

    fn state(&self) -> Option<&SqlState> {
        match self {
            Self::Database(error) => error.code(),
            Self::Pool(_) | Self::Unknown(_) | Self::Store(_) | Self::Late => None,
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Store(error) => error,
            Failure::Database(error) | Failure::Pool(PoolError::Backend(error)) => {
                Self::Unavailable(told(error))
            }
            Failure::Pool(_) => Self::Unavailable("every connection is in use".into()),
            Failure::Unknown(_) | Failure::Late => Self::Unavailable(failure.into()),
        }
    }
}

/// The error as it may be shown.
pub(super) fn told(error: tokio_postgres::Error) -> Box<dyn Error + Send + Sync> {
    match error.as_db_error() {
        Some(said) => {
            let (code, message) = (said.code().code().to_owned(), said.message().to_owned());
            Refusal { code, message }.into()
        }
        None => error.into(),
    }
}

fn source_of<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}
