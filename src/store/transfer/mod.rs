//! A whole store on its way into one of another kind: every record, in one order, whatever the tables
//! look like that it is kept in.
//!
//! Records come section by section, each by its number or hash, so that two stores with the same
//! records hand over the same sequence. By that it is known how far a copy has come that was broken
//! off, and whether what was written is what was read.

mod fields;
mod sums;

use std::fmt;

use tokio::sync::mpsc;

pub use sums::{Progress, Sums, Total};

use super::factor::Factors;
use super::key::{ApiKey, UserKey};
use super::mail::{Basis, Letter};
use super::moving::{KeptInvitation, KeptSession, Numbers};
use super::passkey::SignedChallenge;
use super::record::User;
use super::{Group, SealedRing, StoreError};
use crate::clock::Timestamp;
use crate::identity::UserId;

/// Records that are handed over, and stored, at once.
pub const TOGETHER: usize = 2048;

/// One record of a store, whole. What can be found out from others (indexes, looks) is none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum StoreRecord {
    /// The last number of each series.
    Numbers(AllNumbers),
    /// A group.
    Group {
        /// Its number.
        number: u64,
        /// The group.
        group: Group,
    },
    /// A user with the roles of its own, and the names of its groups.
    User(User),
    /// A session.
    Session(KeptSession),
    /// The key of `api-token-auth/`.
    ApiKey {
        /// Whose it is.
        user: UserId,
        /// The key.
        key: ApiKey,
    },
    /// An invitation.
    Invitation(KeptInvitation),
    /// The id of a user who was deleted.
    Deleted(UserId),
    /// A letter that waits.
    Letter(Letter),
    /// One-time tokens.
    Tokens(KeptTokens),
    /// A key that a user made.
    UserKey(UserKey),
    /// Second factors.
    Factors {
        /// Whose they are.
        user: UserId,
        /// The factors.
        factors: Factors,
    },
    /// A challenge that a passkey has signed.
    Signed(SignedChallenge),
}

/// The last number that was given in each series.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AllNumbers {
    /// Those that an export has as well.
    pub exported: Numbers,
    /// To a group.
    pub groups: u64,
    /// To a letter.
    pub letters: u64,
}

/// The one-time tokens of a user for one purpose, of which there is one at least.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeptTokens {
    /// Whose they are.
    pub user: UserId,
    /// What they are for, as it is kept.
    pub purpose: u8,
    /// The oldest first.
    pub tokens: Vec<KeptToken>,
}

/// A one-time token.
#[derive(Clone, Eq, PartialEq)]
pub struct KeptToken {
    /// SHA-256 of its text.
    pub hash: [u8; 32],
    /// What the account has to be like still.
    pub basis: Basis,
    /// Where it was sent to.
    pub address: String,
    /// When it is over.
    pub expires: Timestamp,
}

/// Whoever has the hash cannot use the token, but need not see it either.
impl fmt::Debug for KeptToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptToken").field("address", &self.address).finish_non_exhaustive()
    }
}

/// The kinds of records, in the order in which they come.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Section {
    /// See [`StoreRecord::Numbers`]; and so on.
    Numbers,
    /// Groups.
    Groups,
    /// Users.
    Users,
    /// Sessions.
    Sessions,
    /// Keys of `api-token-auth/`.
    ApiKeys,
    /// Invitations.
    Invitations,
    /// Users who were deleted.
    Deleted,
    /// Letters.
    Letters,
    /// One-time tokens.
    Tokens,
    /// Keys that users made.
    UserKeys,
    /// Second factors.
    Factors,
    /// Challenges that passkeys have signed.
    Signed,
}

impl Section {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Numbers,
        Self::Groups,
        Self::Users,
        Self::Sessions,
        Self::ApiKeys,
        Self::Invitations,
        Self::Deleted,
        Self::Letters,
        Self::Tokens,
        Self::UserKeys,
        Self::Factors,
        Self::Signed,
    ];

    /// What it is called, for people and machines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Numbers => "numbers",
            Self::Groups => "groups",
            Self::Users => "users",
            Self::Sessions => "sessions",
            Self::ApiKeys => "api_keys",
            Self::Invitations => "invitations",
            Self::Deleted => "deleted_users",
            Self::Letters => "letters",
            Self::Tokens => "one_time_tokens",
            Self::UserKeys => "user_keys",
            Self::Factors => "factors",
            Self::Signed => "signed_challenges",
        }
    }
}

impl StoreRecord {
    /// Which kind it is of.
    pub const fn section(&self) -> Section {
        match self {
            Self::Numbers(_) => Section::Numbers,
            Self::Group { .. } => Section::Groups,
            Self::User(_) => Section::Users,
            Self::Session(_) => Section::Sessions,
            Self::ApiKey { .. } => Section::ApiKeys,
            Self::Invitation(_) => Section::Invitations,
            Self::Deleted(_) => Section::Deleted,
            Self::Letter(_) => Section::Letters,
            Self::Tokens(_) => Section::Tokens,
            Self::UserKey(_) => Section::UserKeys,
            Self::Factors { .. } => Section::Factors,
            Self::Signed(_) => Section::Signed,
        }
    }
}

/// Where records go, in batches. Nobody takes them any more where it is closed.
pub type RecordSender = mpsc::Sender<Vec<StoreRecord>>;

/// A store that is being made of the records of another. Until it is finished nobody opens it: it is
/// marked, in the same transactions as its records are written. All of it blocks.
pub trait CopyTarget: fmt::Debug + Send {
    /// How far it has come.
    fn progress(&self) -> Progress;

    /// Removes what it has, to begin with the first record again.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    fn clear(&mut self) -> Result<(), StoreError>;

    /// Stores records, and that it has come so far with them.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; none of them is stored, or all are.
    fn take(&mut self, records: Vec<StoreRecord>, progress: Progress) -> Result<(), StoreError>;

    /// Hands over everything that it has.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    fn pour(&self, sender: RecordSender) -> Result<(), StoreError>;

    /// Makes it a store that gateways open, with the keys that they share if they do.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; it is no store yet.
    fn finish(self: Box<Self>, ring: Option<SealedRing>) -> Result<(), StoreError>;
}
