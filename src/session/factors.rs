//! Second factors: offered, confirmed, asked for, shown, removed.

mod recorded;

pub(super) use recorded::{Wrong, name};

use std::sync::Arc;

use zeroize::Zeroizing;

use super::recovery_codes::{RecoveryCodes, hash_of_code};
use super::settle::{Sequel, letter, settle};
use super::{AccountError, Accounts, AuthError, FactorSettings, Sessions, totp};
use crate::audit::{Event, Kind};
use crate::identity::UserId;
use crate::keys::KeyError;
use crate::mail::Notice;
use crate::secret::unseen;
use crate::store::{
    FactorChange, FactorProof, Factors, FirstCode, NewTotp, Offered, SecondFactor, User,
};

/// A secret that a user may take into an authenticator app. `Debug` does not show it.
pub struct OfferedTotp {
    /// In base32, to be typed.
    pub secret: Zeroizing<String>,
    /// `otpauth://`, to be read by an app.
    pub uri: Zeroizing<String>,
}

unseen! { OfferedTotp }

/// What a sealed secret is, so that it cannot be passed off as another user's.
fn secret_context(user: UserId) -> String {
    format!("totp secret of user {user}")
}

impl FactorProof {
    pub(super) const fn kind(&self) -> SecondFactor {
        match self {
            Self::Totp { .. } => SecondFactor::Totp,
            Self::RecoveryCode(_) => SecondFactor::RecoveryCode,
            Self::Passkey(_) => SecondFactor::Passkey,
        }
    }
}

#[doc(hidden)]
impl Accounts {
    /// The second factors of a user, if it has shown one of them once.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; never treat it as "none".
    pub async fn factors(&self, user: UserId) -> Result<Option<Factors>, AccountError> {
        Ok(self.store.factors(user).await?.filter(Factors::are_confirmed))
    }

    /// Removes the second factors of a user, for an operator: its sessions go on without. `false`
    /// if there were none.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; nothing was changed, or nothing is known about it.
    pub async fn remove_factors(&self, user: UserId) -> Result<bool, AccountError> {
        let store = Arc::clone(&self.store);
        let Some(whose) = store.user(user).await? else { return Ok(false) };
        // An offer that nobody took up is none, and goes without a word.
        let had_one = self.factors(user).await?.is_some();
        let note = self.audit().note(Event::new(Kind::FactorRemoved).to_user(&whose));
        let mailer = self.mailer.clone();
        let remove = async move { Ok(store.remove_factors(user).await? && had_one) };
        let follows = |gone: &bool| {
            let letter = || letter(mailer, Notice::FactorRemoved, whose);
            gone.then(|| Sequel { note: Some(note), letter: letter() }).unwrap_or_default()
        };
        Ok(settle(&self.revisions, user, remove, follows).await?)
    }
}

impl Sessions {
    /// What holds for second factors.
    pub const fn factor_settings(&self) -> &FactorSettings {
        &self.settings.factors
    }

    /// Offers a user a secret, which counts once a code of it [was shown](Self::confirm_totp).
    /// `None` if it has a confirmed one.
    ///
    /// # Errors
    ///
    /// [`AuthError`]; nothing is offered.
    pub async fn offer_totp(&self, user: &User) -> Result<Option<OfferedTotp>, AuthError> {
        let secret = totp::draw()?;
        let sealed = self.keys.seal(secret.expose(), &secret_context(user.id))?;
        let new = NewTotp { sealed, created: self.clock.now() };
        match self.store.offer_totp(user.id, new).await? {
            Offered::Kept => {}
            Offered::Confirmed => return Ok(None),
            Offered::NoUser => return Err(AuthError::UserNotFound),
        }
        let secret = totp::base32(secret.expose());
        let uri = totp::uri(&self.settings.factors.issuer, &user.username, &secret);
        Ok(Some(OfferedTotp { secret, uri }))
    }

    /// Confirms an offered secret by its first code. `None` if there is no such secret, or not any
    /// more, or the code is wrong.
    ///
    /// # Errors
    ///
    /// [`AuthError`]; nothing was changed, or nothing is known about it.
    pub async fn confirm_totp(
        &self,
        user: &User,
        code: &str,
    ) -> Result<Option<RecoveryCodes>, AuthError> {
        let Some(factors) = self.store.factors(user.id).await? else { return Ok(None) };
        if factors.confirmed_totp().is_some() {
            return Ok(None);
        }
        let proof = self.proof(user.id, &factors, code)?;
        let Ok(FactorProof::Totp { sealed, step }) = proof else { return Ok(None) };
        // Whoever has passkeys has codes already.
        let codes = if factors.are_confirmed() {
            RecoveryCodes(Vec::new())
        } else {
            RecoveryCodes::draw()?
        };
        let at = self.clock.now();
        let first = FirstCode { sealed, step, recovery: codes.hashes(), at };
        let (store, mailer) = (Arc::clone(&self.store), self.mailer.clone());
        let note =
            self.audit.note(Event::new(Kind::FactorAdded).to_user(user).with("factor", "totp"));
        let (id, user) = (user.id, user.clone());
        let confirm = async move { store.confirm_totp(id, first).await };
        let follows = |done: &bool| {
            let letter = || letter(mailer, Notice::FactorAdded, user);
            done.then(|| Sequel { note: Some(note), letter: letter() }).unwrap_or_default()
        };
        let done = settle(&self.revisions, id, confirm, follows).await?;
        Ok(done.then_some(codes))
    }

    /// Gives a user who shows a factor other recovery codes: those from before are void. `None` if
    /// the code is wrong.
    ///
    /// # Errors
    ///
    /// [`AuthError`]; nothing was changed, or nothing is known about it.
    pub async fn renew_recovery(
        &self,
        user: &User,
        code: &str,
    ) -> Result<Option<RecoveryCodes>, AuthError> {
        let codes = RecoveryCodes::draw()?;
        let change = FactorChange::Recovery(codes.hashes());
        Ok(self.change_factors(user, code, change).await?.map(|_shown| codes))
    }

    /// Takes a factor of a user, and changes nothing for it. `None` if the code is wrong.
    ///
    /// # Errors
    ///
    /// [`AuthError`]; never treat it as a wrong code.
    pub async fn show_factor(
        &self,
        user: &User,
        code: &str,
    ) -> Result<Option<SecondFactor>, AuthError> {
        self.change_factors(user, code, FactorChange::Nothing).await
    }

    /// Records that a password was right, and not enough.
    pub fn record_due(&self, user: &User) {
        self.record_factor(user, Kind::FactorDue, None);
    }

    /// Removes the factors of a user who shows one: its sessions go on without. `false` if the code
    /// is wrong.
    ///
    /// # Errors
    ///
    /// [`AuthError`]; nothing was changed, or nothing is known about it.
    pub async fn remove_factors(&self, user: &User, code: &str) -> Result<bool, AuthError> {
        Ok(self.change_factors(user, code, FactorChange::Remove).await?.is_some())
    }

    /// Removes the authenticator app of a user who shows a factor; passkeys stay. `None` if there is
    /// no app, `false` if what was shown is wrong.
    ///
    /// # Errors
    ///
    /// [`AuthError`]; nothing was changed, or nothing is known about it.
    pub async fn remove_totp(&self, user: &User, code: &str) -> Result<Option<bool>, AuthError> {
        let has = self.store.factors(user.id).await?.unwrap_or_default();
        if has.confirmed_totp().is_none() {
            return Ok(None);
        }
        Ok(Some(self.change_factors(user, code, FactorChange::RemoveTotp).await?.is_some()))
    }

    /// Takes a factor of a user, and does `change` for it: what was shown, or `None` if the code is
    /// wrong.
    pub(super) async fn change_factors(
        &self,
        user: &User,
        code: &str,
        change: FactorChange,
    ) -> Result<Option<SecondFactor>, AuthError> {
        let factors = self.store.factors(user.id).await?.filter(Factors::are_confirmed);
        let factors = factors.unwrap_or_default();
        let proof = match self.proof(user.id, &factors, code)? {
            Ok(proof) => proof,
            Err(wrong) => {
                self.record_wrong(user, &wrong);
                return Ok(None);
            }
        };
        let (store, id, shown) = (Arc::clone(&self.store), user.id, proof.kind());
        let told = change.told(&factors).map(|(kind, notice)| {
            let note = self.audit.note(change.event(kind, user, &factors));
            Sequel { note: Some(note), letter: letter(self.mailer.clone(), notice, user.clone()) }
        });
        let alter = async move { store.change_factors(id, proof, change).await };
        let follows = |done: &bool| told.filter(|_| *done).unwrap_or_default();
        let done = settle(&self.revisions, id, alter, follows).await?;
        let kind = if done { Kind::FactorUsed } else { Kind::FactorFailed };
        self.record_factor(user, kind, Some(shown));
        Ok(done.then_some(shown))
    }

    /// What somebody typed, as far as it can be a factor of that user. Whether a recovery code is
    /// one, and whether a code was used before, is for the store to say.
    pub(super) fn proof(
        &self,
        user: UserId,
        factors: &Factors,
        typed: &str,
    ) -> Result<Result<FactorProof, Wrong>, AuthError> {
        let typed = typed.trim();
        if typed.starts_with('{') {
            return Ok(self.passkey_proof(user, factors, typed));
        }
        let spaceless: Zeroizing<String> =
            Zeroizing::new(typed.chars().filter(|sign| !sign.is_whitespace()).collect());
        if !totp::is_code(&spaceless) {
            return Ok(Ok(FactorProof::RecoveryCode(hash_of_code(typed))));
        }
        let Some(totp) = &factors.totp else { return Ok(Err(Wrong::TYPED)) };
        let sealed = totp.sealed.clone();
        let secret = self.keys.unseal(&sealed, &secret_context(user)).ok_or(KeyError::Damaged)?;
        let step = totp::step_of(&secret, &spaceless, self.clock.now());
        Ok(step.map(|step| FactorProof::Totp { sealed, step }).ok_or(Wrong::TYPED))
    }
}
