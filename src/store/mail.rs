//! What the store keeps for mail: letters that wait to be sent, and one-time tokens.

use std::fmt;

use async_trait::async_trait;
use aws_lc_rs::digest::{Context, SHA256};

use super::StoreError;
use super::record::{PasswordHash, User};
use crate::clock::Timestamp;
use crate::identity::UserId;

/// How many one-time tokens of one purpose a user has at once; the oldest gives way.
pub const TOKENS_KEPT: usize = 4;

/// How many accounts of one address get a letter when somebody asks for a new password.
pub const RESETS_AT_ONCE: usize = 20;

/// The facts of an account that a link was asked for under: its address and its password, as a
/// hash. A link is void when they are others.
pub type Basis = [u8; 32];

impl User {
    /// See [`Basis`].
    pub fn basis(&self) -> Basis {
        let mut hash = Context::new(&SHA256);
        hash.update(&self.id.0.to_be_bytes());
        hash.update(&(self.email.len() as u64).to_be_bytes());
        hash.update(self.email.as_bytes());
        if let Some(password) = &self.password {
            hash.update(password.expose().as_bytes());
        }
        // SHA-256 has 32 bytes.
        hash.finish().as_ref().try_into().unwrap_or_default()
    }
}

/// What a letter is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LetterKind {
    /// A link to choose a new password.
    Reset,
    /// A link that shows that the user's address is theirs.
    Verify,
    /// The same, to an address that the user wants in the place of theirs.
    NewEmail,
    /// To the old address: another has taken its place.
    EmailChanged,
    /// The password was changed.
    PasswordChanged,
    /// A second factor was enrolled.
    FactorAdded,
    /// The second factors were removed.
    FactorRemoved,
    /// There are other recovery codes.
    RecoveryCodesMade,
    /// A passkey was added.
    PasskeyAdded,
    /// A passkey was removed.
    PasskeyRemoved,
    /// The authenticator app was removed, and there are passkeys.
    AppRemoved,
}

/// A letter to be queued. No token is in it: that is made when it is sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewLetter {
    /// What it is about.
    pub kind: LetterKind,
    /// The account that it is about.
    pub user: UserId,
    /// The address that it goes to.
    pub to: String,
    /// [`User::basis`] when it was asked for.
    pub basis: Basis,
    /// Now.
    pub at: Timestamp,
}

/// A letter in the queue.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Letter {
    /// Its number, never given twice.
    pub number: u64,
    /// What it is about.
    pub kind: LetterKind,
    /// The account that it is about.
    pub user: UserId,
    /// The address that it goes to.
    pub to: String,
    /// See [`NewLetter::basis`].
    pub basis: Basis,
    /// When it was queued.
    pub posted: Timestamp,
    /// When it may be tried (again).
    pub due: Timestamp,
    /// How often it was claimed.
    pub attempts: u32,
}

/// Bounds of the queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct QueueLimits {
    /// Letters that may wait at once.
    pub letters: usize,
    /// Of those, letters to one address.
    pub recipient: usize,
}

/// What became of letters to be queued.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Posted {
    /// So many wait now.
    pub queued: usize,
    /// So many did not fit.
    pub refused: usize,
}

/// What there is to be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Claimed {
    /// This, by whoever claimed it.
    Letter(Letter),
    /// Nothing before then.
    At(Timestamp),
    /// Nothing at all.
    Nothing,
}

/// What a one-time token is good for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// Choosing a new password.
    Password,
    /// Showing that an address is the user's.
    Email,
    /// Showing a second factor, by somebody who knew the password: see
    /// [`super::FactorStore::answer_challenge`].
    Challenge,
}

/// A one-time token to be kept, as its hash. `Debug` shows neither.
#[derive(Clone, Eq, PartialEq)]
pub struct NewToken {
    /// Whose it is.
    pub user: UserId,
    /// What it is good for.
    pub purpose: Purpose,
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// The account as it has to be, now and when the token is used.
    pub basis: Basis,
    /// The address that it was sent to, which it shows to be the user's; empty for a password.
    pub address: String,
    /// Now.
    pub at: Timestamp,
    /// The first moment at which it is good no more.
    pub expires: Timestamp,
}

impl fmt::Debug for NewToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewToken")
            .field("user", &self.user)
            .field("purpose", &self.purpose)
            .finish_non_exhaustive()
    }
}

/// A one-time token as it comes back.
#[derive(Clone, Copy)]
pub struct TokenRef {
    /// Whose it shall be.
    pub user: UserId,
    /// What it shall be good for.
    pub purpose: Purpose,
    /// SHA-256 of what was presented.
    pub hash: [u8; 32],
    /// Now.
    pub at: Timestamp,
}

impl fmt::Debug for TokenRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRef").field("user", &self.user).finish_non_exhaustive()
    }
}

/// An account before and after a token was used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Redeemed {
    /// As it was.
    pub before: User,
    /// As it is now.
    pub after: User,
}

/// What became of a token of [`Purpose::Email`] that was presented.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one is made and taken apart at once")]
pub enum Confirmation {
    /// Its address is the user's verified one now.
    Confirmed(Redeemed),
    /// Somebody else has the address; nothing was changed.
    EmailTaken,
    /// It is not good (any more); nothing was changed.
    BadToken,
}

/// What a [`super::Store`] does for mail. The rules are the same: every method is atomic, and
/// durable when it returns.
#[async_trait]
pub trait MailStore: fmt::Debug + Send + Sync + 'static {
    /// Queues a letter, unless a limit says no.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn post(&self, letter: NewLetter, limits: QueueLimits) -> Result<Posted, StoreError>;

    /// Queues a [`LetterKind::Reset`] for each active account with a password and that address,
    /// up to [`RESETS_AT_ONCE`] of them. Whether there is one or none is one commit.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn post_resets(
        &self,
        email: &str,
        at: Timestamp,
        limits: QueueLimits,
    ) -> Result<Posted, StoreError>;

    /// Takes the letter that has been due for longest at `now`. It stays in the queue and is due
    /// again at `until`, so that it is sent all the same if whoever took it does not come back.
    /// Of concurrent calls one gets it.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn claim_letter(&self, now: Timestamp, until: Timestamp) -> Result<Claimed, StoreError>;

    /// Has a letter tried again at `due`; `false` if it is gone.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn put_off_letter(&self, number: u64, due: Timestamp) -> Result<bool, StoreError>;

    /// Takes a letter out of the queue; `false` if it was gone.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn remove_letter(&self, number: u64) -> Result<bool, StoreError>;

    /// Keeps a one-time token beside the last [`TOKENS_KEPT`] of its purpose; `false` if the
    /// user is gone, disabled, or not as the token's basis says.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn add_token(&self, token: NewToken) -> Result<bool, StoreError>;

    /// The user that a token would be good for: it is known, in time, and its basis holds.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; never treat it as a bad token.
    async fn token_user(&self, token: TokenRef) -> Result<Option<User>, StoreError>;

    /// Sets a password by a token of [`Purpose::Password`]: every session is over, and every
    /// other token of the user is void. Of concurrent calls with one token one does it; `None`
    /// as for [`MailStore::token_user`].
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; never treat it as a bad token.
    async fn redeem_password(
        &self,
        token: TokenRef,
        hash: PasswordHash,
    ) -> Result<Option<Redeemed>, StoreError>;

    /// Makes the address of a token of [`Purpose::Email`] the user's verified one, if it is
    /// `unique` only where nobody else has it in any case at that moment; the address that the
    /// user has already is the user's. Every other token of the user is void, no session ends,
    /// and of concurrent calls with one token one does it, as of those with one unique address.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; never treat it as a bad token.
    async fn redeem_email(&self, token: TokenRef, unique: bool)
    -> Result<Confirmation, StoreError>;
}
