//! Passkeys: key pairs of a user whose private halves an authenticator keeps (WebAuthn).

use super::factor::{Factors, is_in_time};
use super::record::User;
use crate::clock::Timestamp;
use crate::secret::unseen;

/// Passkeys that one user may have at most: all of them are listed at once.
pub const PASSKEYS: usize = 20;

/// A passkey of a user.
#[derive(Clone, Eq, PartialEq)]
pub struct Passkey {
    /// What the authenticator calls it. No two in a store are alike.
    pub credential: Vec<u8>,
    /// The public key, as the authenticator gave it (RFC 9052 section 7).
    pub key: Vec<u8>,
    /// What the authenticator calls the user: random, and the same for all passkeys of one user.
    pub handle: Vec<u8>,
    /// How often it has signed, as far as the authenticator counts; 0 where it does not.
    pub count: u32,
    /// Whether it may be on several devices.
    pub may_be_copied: bool,
    /// Whether it was, when it was last used.
    pub is_copied: bool,
    /// What the user calls it.
    pub name: String,
    /// When it was added.
    pub created: Timestamp,
    /// When it was last used.
    pub used: Option<Timestamp>,
}

/// A challenge that a passkey has signed. It is good once, whoever answers it.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct SignedChallenge {
    /// Its SHA-256.
    pub hash: [u8; 32],
    /// The first moment at which it is good no more, used or not.
    pub expires: Timestamp,
}

/// What a passkey has signed, as far as it could be verified without the store.
#[derive(Clone)]
pub struct Assertion {
    /// Of which passkey.
    pub credential: Vec<u8>,
    /// See [`Passkey::count`].
    pub count: u32,
    /// See [`Passkey::is_copied`].
    pub is_copied: bool,
    /// What was signed.
    pub challenge: SignedChallenge,
    /// Now.
    pub at: Timestamp,
}

/// A passkey that a user wants to have.
#[derive(Clone)]
pub struct NewPasskey {
    /// The passkey.
    pub passkey: Passkey,
    /// What it has signed.
    pub challenge: SignedChallenge,
    /// When the user was asked to make it, behind the password and a factor if there was one.
    pub offered: Timestamp,
    /// The recovery codes that come with it; none: those that there are stay.
    pub recovery: Vec<[u8; 32]>,
    /// Now.
    pub at: Timestamp,
}

/// What became of a [`NewPasskey`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PasskeyAdded {
    /// The user has it.
    Added,
    /// Somebody has it already; nothing was changed.
    Taken,
    /// The user has as many as there may be; nothing was changed.
    TooMany,
    /// The challenge was used before, or is too old, or of before the password was changed or another
    /// factor was added, or the user is gone; nothing was changed.
    Late,
}

unseen! { Passkey SignedChallenge Assertion NewPasskey }

impl Passkey {
    /// Most bytes of what an authenticator calls it (WebAuthn section 5.8.3).
    pub(crate) const LONGEST_CREDENTIAL: usize = 1023;
    /// Most bytes of a public key: RSA of 8192 bits.
    pub(crate) const LONGEST_KEY: usize = 1100;
    /// Most bytes of what an authenticator calls the user (section 5.4.3).
    pub(crate) const LONGEST_HANDLE: usize = 64;

    /// Whether a count may come after the one that is kept: a copy of an authenticator that counts
    /// is behind it, sooner or later (WebAuthn section 6.1.1).
    pub const fn may_count(&self, count: u32) -> bool {
        count > self.count || (count == 0 && self.count == 0)
    }

    /// Takes note of a use; `false` if it cannot be.
    pub(super) fn take(&mut self, assertion: &Assertion) -> bool {
        if !self.may_count(assertion.count) {
            return false;
        }
        self.count = assertion.count;
        self.is_copied = assertion.is_copied;
        self.used = Some(assertion.at);
        true
    }
}

impl Factors {
    /// Takes a passkey in that nobody has, and whose challenge was not used.
    pub(super) fn add(&mut self, user: &User, new: &NewPasskey) -> PasskeyAdded {
        let in_time = is_in_time(user, new.offered, new.at) && new.at < new.challenge.expires;
        // Whoever had but the password when this was offered may have to show more by now.
        let app = self.confirmed_totp().and_then(|totp| totp.confirmed);
        let mut there = self.passkeys.iter().map(|passkey| passkey.created).chain(app);
        let has_more = there.any(|since| since > new.offered);
        if !in_time || has_more || !user.active {
            return PasskeyAdded::Late;
        }
        if self.passkeys.len() >= PASSKEYS {
            return PasskeyAdded::TooMany;
        }
        self.passkeys.push(new.passkey.clone());
        if !new.recovery.is_empty() {
            self.recovery.clone_from(&new.recovery);
        }
        PasskeyAdded::Added
    }
}
