//! The place where users and sessions are kept: the [`Store`] trait, and redb behind it.
//!
//! The trait speaks of no backend and assumes no single process: several gateways may share one
//! store. `tests/store_contract.rs` states what every backend must do.
//!
#![doc = include_str!("by_example.md")]

mod changing;
mod charge;
mod codes;
mod commits;
mod copy;
mod error;
mod events;
mod factor;
mod folding;
mod group;
mod invitation;
mod key;
mod mail;
mod moving;
mod passkey;
#[cfg(feature = "postgres")]
mod postgres;
mod recipe;
mod record;
mod redb;
mod ring;
mod settings;
mod ticket;
#[doc(hidden)]
pub mod transfer;

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::identity::{SessionId, UserId};

pub use charge::{Charge, ChargeStore, Charged};
#[doc(hidden)]
pub use commits::Commits;
pub use copy::{CopySink, Piece};
pub use error::{OpenError, StoreError};
pub use events::{Heard, Hearing, StoreEvent};
pub use factor::{
    Answered, FactorChange, FactorProof, FactorStore, Factors, FirstCode, NewTotp, OFFER_LIFE,
    Offered, SecondFactor, Totp,
};
pub use folding::{fold_case, looks};
pub use group::{Group, GroupChange, GroupStore};
pub use invitation::{Admission, Clashes, Invitation, InvitationStore, NewInvitation, Terms};
pub use key::{ApiKey, KeyAdded, KeyOwner, KeyStore, NewUserKey, UserKey};
pub use mail::{
    Basis, Claimed, Confirmation, Letter, LetterKind, MailStore, NewLetter, NewToken, Posted,
    Purpose, QueueLimits, RESETS_AT_ONCE, Redeemed, TOKENS_KEPT, TokenRef,
};
pub use moving::{
    Arrival, GroupArrival, InvitationArrival, KeptInvitation, KeptSession, MovingStore, Numbers,
    Trial, WholeUser,
};
pub use passkey::{Assertion, NewPasskey, PASSKEYS, Passkey, PasskeyAdded, SignedChallenge};
#[cfg(feature = "postgres")]
#[doc(hidden)]
pub use postgres::{DatabaseCopy, Layout, Migration};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresSettings, PostgresStore, UrlFault};
pub use record::{
    Creation, EndReason, Mark, NewSession, NewUser, PasswordHash, RefreshGrant, Rotation,
    RotationRequest, Session, SessionRef, SpentGrant, Standing, User, UserChange,
};
#[cfg(feature = "fuzz")]
#[doc(hidden)]
pub use redb::rewritten;
#[doc(hidden)]
pub use redb::{Compacted, FileCopy, Finish, FinishedDraft, HeldStore, RowReader, StoreDraft};
pub use redb::{OpenMode, RedbStore};
pub use ring::{RingStore, SealedRing};
pub use settings::StoreSettings;
pub use ticket::{KeptTicket, TicketStore};

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
pub trait Store:
    MailStore + GroupStore + InvitationStore + KeyStore + FactorStore + MovingStore
{
    /// What writing has cost so far, where the store counts that.
    #[doc(hidden)]
    fn commits(&self) -> Option<&Commits> {
        None
    }

    /// Lets go of what it holds, for another process to open it. What was begun before is
    /// finished first; every later call is [`StoreError::HandedOver`]. Nothing happens in a store
    /// that many processes may use.
    ///
    /// # Errors
    ///
    /// It may still be held; end the process.
    async fn hand_over(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Whether others may change it as well. Their changes have to be [heard of](Self::hearing) then.
    fn is_shared(&self) -> bool {
        false
    }

    /// Where tickets are kept that every process takes; `None` where one alone has the store.
    fn tickets(&self) -> Option<&dyn TicketStore> {
        None
    }

    /// Where limits are counted that all processes spend together; `None` where one alone has the store.
    fn charges(&self) -> Option<&dyn ChargeStore> {
        None
    }

    /// Where a key ring can be kept that all have who have the store; `None` where one alone has it.
    fn rings(&self) -> Option<&dyn RingStore> {
        None
    }

    /// One that listens to what others change; `None` for a store that nobody else can have open.
    fn hearing(&self) -> Option<Box<dyn Hearing>> {
        None
    }

    /// Makes a user under the next free id. Of any number of concurrent calls with one name
    /// exactly one is [`Creation::Created`].
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; nothing was changed, or nothing is known about it.
    async fn create_user(&self, user: NewUser) -> Result<Creation, StoreError>;

    /// Makes a user if `terms` hold at that moment, and uses its invitation up with it: both or
    /// neither. The invitation's roles are given beside those of `user`.
    ///
    /// Of any number of concurrent calls with one name, one look, one address or the last use of
    /// one invitation, as far as the terms speak of them, exactly one is [`Admission::Created`].
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; nothing was changed, or nothing is known about it.
    async fn admit_user(&self, user: NewUser, terms: Terms) -> Result<Admission, StoreError>;

    /// What a user of that (NFKC) name and that address would have in common with those there
    /// are.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn clashes(&self, username: &str, email: &str) -> Result<Clashes, StoreError>;

    /// The users whose address is that one, in any case, by id. Whether it is verified is for the
    /// caller to judge.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; never treat it as "no such user".
    async fn users_by_email(&self, email: &str) -> Result<Vec<User>, StoreError>;

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

    /// What a login by that (NFKC) name is checked against, in one look where the store can: the
    /// user of exactly that name, and [`password_recipes`](Self::password_recipes).
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; never treat it as "no such user".
    async fn user_to_check(&self, name: &str) -> Result<(Option<User>, Vec<String>), StoreError> {
        Ok((self.user_by_name(name).await?, self.password_recipes().await?))
    }

    /// The user of that id with its second factors, confirmed or not, in one look where the store
    /// can.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; never treat it as "no such user", or as "none".
    async fn user_with_factors(
        &self,
        id: UserId,
    ) -> Result<Option<(User, Option<Factors>)>, StoreError> {
        let Some(user) = self.user(id).await? else { return Ok(None) };
        Ok(Some((user, self.factors(id).await?)))
    }

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

    /// Removes a user with its name, sessions, keys and second factors; `false` if there was none. The name is
    /// free again, the id is not.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn delete_user(&self, id: UserId) -> Result<bool, StoreError>;

    /// Starts a session under the next number, and notes when it started as the user's last
    /// login; `None` if the user is gone, or its password was changed since
    /// [`NewSession::password_mark`].
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn start_session(&self, session: NewSession) -> Result<Option<Session>, StoreError>;

    /// Changes a password and starts `session` in the place of all there were: draws the password
    /// mark, as [`UserChange::Password`] does, and the new session is the first behind it. `None`
    /// as for [`Store::start_session`]; nothing was changed then.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn change_password(
        &self,
        hash: PasswordHash,
        session: NewSession,
    ) -> Result<Option<Session>, StoreError>;

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

    /// At most `limit` sessions of all users with numbers below `before`, ended ones too, the
    /// newest first.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn latest_sessions(
        &self,
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

    /// What the stored password hashes cost to check: each [`PasswordHash::recipe`] that some
    /// user's has.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn password_recipes(&self) -> Result<Vec<String>, StoreError>;

    /// Removes sessions none of whose tokens can still be alive at `now` (their `expires` is
    /// before it), with what was adopted for them, and returns how many. One-time tokens and keys
    /// of users whose time is over go as well.
    ///
    /// The removal of each is atomic, the sweep need not be: after an error some are gone and
    /// the others wait for the next sweep.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn sweep(&self, now: Timestamp) -> Result<usize, StoreError>;

    /// Hands over everything that is stored, as it is at one moment, while others go on. `sink`
    /// is called where it may block.
    ///
    /// A store that is backed up by means of its own need not do it.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; also where `sink` fails. What was handed over is no copy then.
    async fn copy_out(&self, sink: CopySink) -> Result<(), StoreError> {
        drop(sink);
        Err(StoreError::Unavailable("this store is backed up by means of its own".into()))
    }
}
