//! What may be done with the factors of a user: the same in every store.

use super::{FactorProof, Factors, FirstCode, NewTotp, OFFER_LIFE, SecondFactor, Totp};
use crate::clock::Timestamp;
use crate::store::passkey::Passkey;
use crate::store::record::User;

impl Factors {
    /// Whether the user is asked for one.
    pub fn are_confirmed(&self) -> bool {
        self.confirmed_totp().is_some() || !self.passkeys.is_empty()
    }

    /// The authenticator app, if a code of it was shown.
    pub fn confirmed_totp(&self) -> Option<&Totp> {
        self.totp.as_ref().filter(|totp| totp.confirmed.is_some())
    }

    /// The passkey of a credential.
    pub fn passkey(&self, credential: &[u8]) -> Option<&Passkey> {
        self.passkeys.iter().find(|passkey| passkey.credential == credential)
    }

    /// Whether there is still what was shown when a session began.
    pub(in crate::store) fn back(&self, second: SecondFactor) -> bool {
        match second {
            SecondFactor::Totp => self.confirmed_totp().is_some(),
            SecondFactor::RecoveryCode => self.are_confirmed(),
            SecondFactor::Passkey | SecondFactor::PasskeyAlone => !self.passkeys.is_empty(),
        }
    }

    /// Takes the offer of a secret in; `false` if one is confirmed.
    pub(in crate::store) fn offer(&mut self, new: &NewTotp) -> bool {
        if self.confirmed_totp().is_some() {
            return false;
        }
        let NewTotp { sealed, created } = new.clone();
        self.totp = Some(Totp { sealed, created, confirmed: None, step: 0 });
        true
    }

    /// Takes the first code of a user; `false` if it is of another secret, or not the first, or
    /// too late: an offer is as good as the password that was shown for it, and the factor where
    /// there was one, and not beyond a factor that came since.
    pub(in crate::store) fn confirm(&mut self, user: &User, first: &FirstCode) -> bool {
        let offered = self.totp.as_mut().filter(|totp| totp.confirmed.is_none());
        let Some(totp) = offered.filter(|totp| totp.sealed == first.sealed) else { return false };
        let has_more = self.passkeys.iter().any(|passkey| passkey.created > totp.created);
        if has_more || !is_in_time(user, totp.created, first.at) {
            return false;
        }
        (totp.confirmed, totp.step) = (Some(first.at), first.step);
        if !first.recovery.is_empty() {
            self.recovery.clone_from(&first.recovery);
        }
        true
    }

    /// Uses a proof up; `false` if it is not good.
    pub(in crate::store) fn spend(&mut self, proof: &FactorProof) -> bool {
        match proof {
            FactorProof::Totp { sealed, step } => {
                let totp = self.totp.as_mut().filter(|totp| totp.confirmed.is_some());
                let good = totp.filter(|totp| totp.sealed == *sealed && *step > totp.step);
                good.map(|totp| totp.step = *step).is_some()
            }
            // Hashes are compared: how long that takes says nothing about a code.
            FactorProof::RecoveryCode(hash) => {
                let before = self.recovery.len();
                if self.are_confirmed() {
                    self.recovery.retain(|known| known != hash);
                }
                self.recovery.len() < before
            }
            FactorProof::Passkey(assertion) => {
                let credential = &assertion.credential;
                let found = self.passkeys.iter_mut().find(|it| it.credential == *credential);
                found.is_some_and(|passkey| passkey.take(assertion))
            }
        }
    }

    /// What is left without a passkey; `None` if there is no such passkey. With the last factor an
    /// offer and the recovery codes go as well.
    pub(in crate::store) fn without(&self, credential: &[u8]) -> Option<Self> {
        self.passkey(credential)?;
        let mut left = self.clone();
        left.passkeys.retain(|passkey| passkey.credential != credential);
        Some(left.or_nothing())
    }

    /// The same without the authenticator app; `None` if there is none.
    pub(in crate::store) fn without_totp(&self) -> Option<Self> {
        self.confirmed_totp()?;
        Some(Self { totp: None, ..self.clone() }.or_nothing())
    }

    /// Recovery codes stand in for a factor. Without one there is nothing that they could stand for.
    fn or_nothing(self) -> Self {
        if self.are_confirmed() { self } else { Self::default() }
    }
}

impl SecondFactor {
    /// Those that are a passkey.
    pub(in crate::store) const PASSKEYS: [Self; 2] = [Self::Passkey, Self::PasskeyAlone];

    /// Whether it is a passkey.
    pub(in crate::store) fn is_passkey(self) -> bool {
        Self::PASSKEYS.contains(&self)
    }

    /// Whether it is an authenticator app.
    pub(in crate::store) fn is_totp(self) -> bool {
        self == Self::Totp
    }
}

/// Whether an offer, which is as good as the password that was shown for it, is taken up in time.
pub(in crate::store) fn is_in_time(user: &User, offered: Timestamp, at: Timestamp) -> bool {
    let is_of_before = user.password_mark.is_some_and(|mark| mark.at >= offered);
    !is_of_before && at < offered.plus(OFFER_LIFE)
}
