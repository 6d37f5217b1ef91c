//! What moves in or out: users with everything that is theirs, and what stands beside them.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::factor::Factors;
use super::key::{ApiKey, UserKey};
use super::record::{Session, User};
use super::{Group, Invitation, StoreError};
use crate::identity::UserId;

/// A user with everything that is its own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WholeUser {
    /// As it shall be stored: its roles are those of its own, `inherited` says nothing, and a
    /// group that is not there is made, without roles. An id of 0 is none: it gets the next.
    pub user: User,
    /// The key of `api-token-auth/`.
    pub key: Option<ApiKey>,
    /// The keys that it made, by number; a number of 0 is none, and one that is taken gives way.
    pub keys: Vec<UserKey>,
    /// Its second factors.
    pub factors: Option<Factors>,
    /// By number; a number of 0 is none, and the next is given.
    pub sessions: Vec<KeptSession>,
}

/// A session with what else is stored about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeptSession {
    /// The session; its user is the one it is kept with.
    pub session: Session,
    /// The `jti` of the token made elsewhere that it stands for.
    pub adopted: Option<String>,
}

/// Whether what comes in is stored, or only judged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trial {
    /// Nothing is written.
    Dry,
    /// It is stored, as far as it can be.
    Real,
}

/// What became of a [`WholeUser`] that came in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Arrival {
    /// It is new and stored.
    Stored(UserId),
    /// It was there. What its record lacked of keys and of ended tokens was added.
    Present {
        /// Its id.
        id: UserId,
        /// Whether something was added.
        completed: bool,
        /// What is otherwise than in the record that came in, and stays as it is.
        differs: Vec<&'static str>,
    },
    /// Another user has the name; nothing was changed.
    NameTaken(UserId),
    /// A user of that name has the id; nothing was changed.
    IdTaken(String),
    /// The id belonged to a user who was deleted here; nothing was changed.
    IdGone,
    /// A key of its is another user's; nothing was changed.
    KeyTaken,
    /// Another session has that number; nothing was changed.
    SessionTaken(u64),
}

/// The last numbers that were given.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Numbers {
    /// To a user.
    pub users: u64,
    /// To a session.
    pub sessions: u64,
    /// To an invitation.
    pub invitations: u64,
    /// To a key that a user made.
    pub keys: u64,
}

/// An invitation as it is kept.
#[derive(Clone, Eq, PartialEq)]
pub struct KeptInvitation {
    /// SHA-256 of the text that was handed out.
    pub hash: [u8; 32],
    /// What it grants.
    pub invitation: Invitation,
}

impl fmt::Debug for KeptInvitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptInvitation").field("id", &self.invitation.id).finish_non_exhaustive()
    }
}

/// What became of a [`Group`] that came in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GroupArrival {
    /// It is new and stored.
    Stored,
    /// It was there, and stays as it is.
    Present {
        /// Whether its roles are others than those that came in.
        differs: bool,
    },
}

/// What became of a [`KeptInvitation`] that came in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum InvitationArrival {
    /// It is new and stored.
    Stored,
    /// It was there, and stays as it is. It may have been used here since.
    Present {
        /// What is otherwise than in the one that came in.
        differs: Vec<&'static str>,
    },
    /// The number is that of another, or of one that was used up or taken back here; nothing was
    /// changed.
    NumberTaken,
    /// It is here under that number; nothing was changed.
    HashTaken(u64),
}

/// What a [`super::Store`] does for those who move in or out. The rules are the same: every
/// method is atomic, and durable when it returns.
#[async_trait]
pub trait MovingStore: fmt::Debug + Send + Sync + 'static {
    /// Takes users in with everything that is theirs, each whole or not at all, and says in
    /// order what became of them. Those that are there already are not changed, but for a key
    /// that they lack and ends of tokens that are news.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; nothing was changed, or nothing is known about it.
    async fn take_users(
        &self,
        users: Vec<WholeUser>,
        trial: Trial,
    ) -> Result<Vec<Arrival>, StoreError>;

    /// At most `limit` users with ids above `after`, with everything that is theirs.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn whole_users(
        &self,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<WholeUser>, StoreError>;

    /// Takes groups in with their roles, and says in order what became of them. One that is
    /// there is not changed: its members would get what nobody here gave them.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; nothing was changed, or nothing is known about it.
    async fn take_groups(
        &self,
        groups: Vec<Group>,
        trial: Trial,
    ) -> Result<Vec<GroupArrival>, StoreError>;

    /// Takes invitations in under their numbers, which have to come in order, and says in order
    /// what became of them. One that was used up here, or taken back, does not come again.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; nothing was changed, or nothing is known about it.
    async fn take_invitations(
        &self,
        invitations: Vec<KeptInvitation>,
        trial: Trial,
    ) -> Result<Vec<InvitationArrival>, StoreError>;

    /// At most `limit` invitations with numbers above `after`, in order, the expired ones too.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn kept_invitations(
        &self,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<KeptInvitation>, StoreError>;

    /// Notes ids as those of users who were deleted, so that nobody gets them, and returns those
    /// that are users here: they stay.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; nothing was changed, or nothing is known about it.
    async fn take_deleted(&self, ids: Vec<UserId>, trial: Trial)
    -> Result<Vec<UserId>, StoreError>;

    /// At most `limit` ids above `after` of users who were deleted, in order.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn deleted(&self, after: Option<UserId>, limit: usize)
    -> Result<Vec<UserId>, StoreError>;

    /// The last numbers that were given, after lifting each to `at_least`.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn numbers(&self, at_least: Numbers) -> Result<Numbers, StoreError>;
}
