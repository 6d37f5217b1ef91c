//! Second factors: what a user shows beside its password.

mod rules;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

pub(super) use rules::is_in_time;

use super::StoreError;
use super::mail::TokenRef;
use super::passkey::{Assertion, NewPasskey, Passkey, PasskeyAdded};
use super::record::User;
use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::secret::unseen;

/// How long an offered secret may wait for its first code.
pub const OFFER_LIFE: Duration = Duration::from_secs(10 * 60);

/// What was shown beside the password, or in its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SecondFactor {
    /// A code of an authenticator app (RFC 6238).
    Totp,
    /// One of the codes for the day on which there is no such app.
    RecoveryCode,
    /// A passkey, beside the password.
    Passkey,
    /// A passkey and no password: whoever has it has shown to the authenticator as well that it is
    /// theirs.
    PasskeyAlone,
}

/// The secret that an authenticator app makes codes of.
#[derive(Clone, Eq, PartialEq)]
pub struct Totp {
    /// The secret, encrypted by the key ring. No two are sealed alike, so it is its name as well.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub created: Timestamp,
    /// When the user showed a code of it; `None`: nobody is asked for one yet.
    pub confirmed: Option<Timestamp>,
    /// The last time step whose code was used: no code up to it is good any more (RFC 6238
    /// section 5.2).
    pub step: u64,
}

/// The second factors of a user.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Factors {
    /// The authenticator app.
    pub totp: Option<Totp>,
    /// SHA-256 of each recovery code that was not used yet. They have too many random bits for
    /// anybody to find one by its hash.
    pub recovery: Vec<[u8; 32]>,
    /// In the order in which they were added.
    pub passkeys: Vec<Passkey>,
}

/// A secret that a user is offered.
#[derive(Clone)]
pub struct NewTotp {
    /// See [`Totp::sealed`].
    pub sealed: Vec<u8>,
    /// Now.
    pub created: Timestamp,
}

/// What became of a [`NewTotp`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Offered {
    /// It is kept until a code confirms it, in the place of one that was not confirmed.
    Kept,
    /// The user has a confirmed one; nothing was changed.
    Confirmed,
    /// The user is gone.
    NoUser,
}

/// The first code of an offered secret.
#[derive(Clone)]
pub struct FirstCode {
    /// Of which secret: see [`Totp::sealed`].
    pub sealed: Vec<u8>,
    /// The time step of the code.
    pub step: u64,
    /// The recovery codes that come with it, see [`Factors::recovery`]; none: those that there are
    /// stay.
    pub recovery: Vec<[u8; 32]>,
    /// Now.
    pub at: Timestamp,
}

/// A second factor that was shown, and is to be used up.
#[derive(Clone)]
pub enum FactorProof {
    /// A code.
    Totp {
        /// Of which secret: see [`Totp::sealed`].
        sealed: Vec<u8>,
        /// Its time step.
        step: u64,
    },
    /// The SHA-256 of a recovery code.
    RecoveryCode([u8; 32]),
    /// What a passkey has signed.
    Passkey(Assertion),
}

/// What is done for a second factor.
#[derive(Clone)]
pub enum FactorChange {
    /// Nothing: it was shown for something else.
    Nothing,
    /// These take the place of all recovery codes.
    Recovery(Vec<[u8; 32]>),
    /// The user has none any more.
    Remove,
    /// The passkey of that credential is removed; with the last factor go the recovery codes.
    RemovePasskey(Vec<u8>),
    /// The authenticator app is removed, and with it its offer; with the last factor go the recovery
    /// codes.
    RemoveTotp,
}

/// What became of a challenge that was answered.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one is made and taken apart at once")]
pub enum Answered {
    /// Challenge and factor are used up. The user as it is now.
    Right(User),
    /// The factor is not good, or was used before; nothing was changed.
    Wrong,
    /// The challenge is not good (any more); nothing was changed.
    BadChallenge,
}

unseen! { Totp Factors NewTotp FirstCode FactorProof FactorChange }

/// What a [`super::Store`] does for second factors. The rules are the same: every method is
/// atomic, and durable when it returns.
#[async_trait]
pub trait FactorStore: fmt::Debug + Send + Sync + 'static {
    /// The second factors of a user, confirmed or not.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; never treat it as "none".
    async fn factors(&self, user: UserId) -> Result<Option<Factors>, StoreError>;

    /// Keeps a secret until a code confirms it.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn offer_totp(&self, user: UserId, totp: NewTotp) -> Result<Offered, StoreError>;

    /// Confirms an offered secret by its first code: from then on the user is asked for one. Of
    /// concurrent calls one does it; `false` if the secret is not the one that is offered, was
    /// offered longer ago than [`OFFER_LIFE`], or before the password was changed.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn confirm_totp(&self, user: UserId, first: FirstCode) -> Result<bool, StoreError>;

    /// Uses a factor up, and does `change` for it: both or neither. Of concurrent calls with one
    /// code, one does it; `false` if it is not good. With [`FactorChange::Remove`] no session of
    /// the user has a second factor any more; with [`FactorChange::RemovePasskey`] none has a passkey,
    /// with [`FactorChange::RemoveTotp`] none an app.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; never treat it as a wrong code.
    async fn change_factors(
        &self,
        user: UserId,
        proof: FactorProof,
        change: FactorChange,
    ) -> Result<bool, StoreError>;

    /// Uses a challenge, which is a token of [`super::Purpose::Challenge`], and a factor up: both
    /// or neither. Of concurrent calls with one challenge, or one code, one does it.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; never treat it as a wrong code.
    async fn answer_challenge(
        &self,
        challenge: TokenRef,
        proof: FactorProof,
    ) -> Result<Answered, StoreError>;

    /// Whose passkey has that credential.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; never treat it as "nobody's".
    async fn passkey_owner(&self, credential: Vec<u8>) -> Result<Option<UserId>, StoreError>;

    /// Adds a passkey to those of a user, and uses the challenge up that it has signed: both or
    /// neither. Of concurrent calls with one challenge, or one credential, one does it.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn add_passkey(&self, user: UserId, new: NewPasskey) -> Result<PasskeyAdded, StoreError>;

    /// Gives a passkey of a user another name; `false` if the user has no such passkey.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn rename_passkey(
        &self,
        user: UserId,
        credential: Vec<u8>,
        name: String,
    ) -> Result<bool, StoreError>;

    /// Removes the factors of a user, and with them what its sessions had by them; `false` if
    /// there were none, confirmed or not.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn remove_factors(&self, user: UserId) -> Result<bool, StoreError>;
}
