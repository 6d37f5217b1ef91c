//! The place where users and sessions are kept: the [`Store`] trait, and redb behind it.
//!
//! The trait speaks of no backend and assumes no single process: several gateways may share one
//! store. `tests/store_contract.rs` states what every backend must do.

mod recipe;
mod record;
mod redb;

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::identity::{SessionId, UserId};

pub use record::{
    ApiKey, Creation, EndReason, Mark, NewSession, NewUser, PasswordHash, RefreshGrant, Rotation,
    RotationRequest, Session, SessionRef, SpentGrant, Standing, User, UserChange,
};
pub use redb::{OpenMode, RedbStore};

/// How many spent refresh tokens a session remembers for the grace period. A client that spends
/// more than this within the grace is not a client that lost an answer.
pub const SPENT_KEPT: usize = 8;

/// A place to keep users, sessions and revocations.
///
/// Every method is atomic on its own; there are no transactions across methods. What is not
/// there is `Ok(None)` or a variant that says so, never an error. A change is durable when its
/// method returns `Ok`; a call that is dropped before may or may not have happened.
///
/// ```
/// use portcullis::Store;
/// use portcullis::clock::{Clock, SystemClock};
/// use portcullis::store::{Creation, NewUser, RedbStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = RedbStore::in_memory()?;
/// let alice = NewUser {
///     username: "alice".into(),
///     email: String::new(),
///     password: None,
///     roles: vec!["editor".into()],
///     created: SystemClock.now(),
/// };
/// let Creation::Created(alice) = store.create_user(alice).await? else {
///     return Err("the name is taken".into());
/// };
/// assert_eq!(store.user(alice.id).await?.map(|user| user.username), Some("alice".into()));
/// assert_eq!(store.user_by_name("bob").await?, None);
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Makes a user under the next free id. Of any number of concurrent calls with one name
    /// exactly one is [`Creation::Created`].
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; nothing was changed, or nothing is known about it.
    async fn create_user(&self, user: NewUser) -> Result<Creation, StoreError>;

    /// The user of that id.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; never treat it as "no such user".
    async fn user(&self, id: UserId) -> Result<Option<User>, StoreError>;

    /// The user of exactly that (NFKC) name.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; never treat it as "no such user".
    async fn user_by_name(&self, name: &str) -> Result<Option<User>, StoreError>;

    /// At most `limit` users with ids above `after`, in order of their ids.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn users(&self, after: Option<UserId>, limit: usize) -> Result<Vec<User>, StoreError>;

    /// Applies one change, and returns the user as it is afterwards.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn change_user(&self, id: UserId, change: UserChange)
    -> Result<Option<User>, StoreError>;

    /// Removes a user with its name, sessions and keys; `false` if there was none. The name is
    /// free again, the id is not.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn delete_user(&self, id: UserId) -> Result<bool, StoreError>;

    /// Starts a session under the next number; `None` if the user is gone, or its password was
    /// changed since [`NewSession::password_mark`].
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn start_session(&self, session: NewSession) -> Result<Option<Session>, StoreError>;

    /// The session that stands for a token made elsewhere (`jti`), started from `session` if
    /// there is none yet; `None` as for [`Store::start_session`], and if the user logged out
    /// everywhere since [`NewSession::logout_mark`]. Of concurrent calls one starts it, and all get the same.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn adopt_session(
        &self,
        jti: &str,
        session: NewSession,
    ) -> Result<Option<Session>, StoreError>;

    /// The user, and the session a token belongs to, as they are at one moment. Whether that
    /// session is the user's, has ended or is behind a mark is for the caller to judge.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; answer 503, never "not revoked".
    async fn standing(&self, user: UserId, session: SessionRef<'_>)
    -> Result<Standing, StoreError>;

    /// Exchanges a refresh token for its successor, at most once, and lifts the session's
    /// `expires` to the successor's.
    ///
    /// Of any number of concurrent calls with the same token exactly one is
    /// [`Rotation::Rotated`].
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; do not tell the client that its token is invalid.
    async fn rotate(&self, request: RotationRequest) -> Result<Rotation, StoreError>;

    /// Notes that a token with the end `expires` was issued in the session at `now`. A session
    /// that has ended or is gone stays as it is.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn touch_session(
        &self,
        id: SessionId,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<(), StoreError>;

    /// Ends a session; `false` if there is none or it had ended before (the first reason stays).
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn end_session(
        &self,
        id: SessionId,
        now: Timestamp,
        reason: EndReason,
    ) -> Result<bool, StoreError>;

    /// At most `limit` sessions of a user with numbers below `before`, ended ones too, the
    /// newest first.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn sessions(
        &self,
        user: UserId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Session>, StoreError>;

    /// Notes when sessions were used, each unless a later use is known. One that has ended or
    /// is gone stays as it is.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; none of it was noted, or nothing is known about it.
    async fn note_uses(&self, uses: Vec<(SessionId, Timestamp)>) -> Result<(), StoreError>;

    /// The user's API key: the one there is, or `candidate` if there was none. `None` if the
    /// user is gone.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn api_key(&self, user: UserId, candidate: ApiKey) -> Result<Option<ApiKey>, StoreError>;

    /// The user whose API key has that SHA-256.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn user_by_api_key(&self, hash: [u8; 32]) -> Result<Option<User>, StoreError>;

    /// What the stored password hashes cost to check: each [`PasswordHash::recipe`] that some
    /// user's has.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn password_recipes(&self) -> Result<Vec<String>, StoreError>;

    /// Removes sessions none of whose tokens can still be alive at `now` (their `expires` is
    /// before it), with what was adopted for them, and returns how many.
    ///
    /// The removal of each is atomic, the sweep need not be: after an error some are gone and
    /// the others wait for the next sweep.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn sweep(&self, now: Timestamp) -> Result<usize, StoreError>;
}

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
        /// What the backend said, if it was the one to notice.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
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
