//! Passkeys: made, listed, used in the place of a password or beside it, removed.

mod challenge;
mod own;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use challenge::{Aim, Challenged};
pub use own::passkey_id;

use super::challenges::CHALLENGE_LIFE;
use super::factors::Wrong;
use super::recovery_codes::RecoveryCodes;
use super::settle::{Sequel, letter, settle};
use super::webauthn::{ALGORITHMS, Asserted, Fault, Registered, RelyingParty, in_text};
use super::{AuthError, Sessions};
use crate::audit::{Event, Kind};
use crate::identity::UserId;
use crate::keys::KeyError;
use crate::mail::Notice;
use crate::secret::unseen;
use crate::store::{
    Assertion, FactorChange, FactorProof, Factors, NewPasskey, PASSKEYS, Passkey, PasskeyAdded,
    SecondFactor, User,
};

/// Bytes of what authenticators call a user (WebAuthn section 5.4.3 has 64 at most).
const HANDLE: usize = 32;

/// What a browser is told to ask an authenticator (WebAuthn sections 5.4 and 5.5), in JSON. Its challenge
/// is a new one, which is good once and for five minutes.
pub struct PasskeyOptions(pub Value);

/// Why a passkey is not added.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotAdded {
    /// What the browser sent is not good, or came too late, or was used before.
    Refused,
    /// Somebody has that passkey already.
    Taken,
    /// The user has as many as there may be.
    TooMany,
}

unseen! { PasskeyOptions }

impl Sessions {
    /// For whom passkeys are made here; `None` where browsers have none.
    pub const fn relying_party(&self) -> Option<&RelyingParty> {
        self.settings.factors.relying_party.as_ref()
    }

    /// What a browser is to ask for that somebody signs in with a passkey: nothing of it tells who
    /// has one. `None` where there are none.
    ///
    /// # Errors
    ///
    /// [`AuthError`]; there is no challenge.
    pub fn ask_for_passkey(&self) -> Result<Option<PasskeyOptions>, AuthError> {
        self.asking(Aim::SignIn, &[])
    }

    /// The same to show that one is a user who has passkeys; `None` where it has none.
    ///
    /// # Errors
    ///
    /// [`AuthError`]; there is no challenge.
    pub fn ask_for_passkey_of(
        &self,
        user: UserId,
        factors: &Factors,
    ) -> Result<Option<PasskeyOptions>, AuthError> {
        if factors.passkeys.is_empty() {
            return Ok(None);
        }
        self.asking(Aim::Proof(user), &factors.passkeys)
    }

    fn asking(&self, aim: Aim, of: &[Passkey]) -> Result<Option<PasskeyOptions>, AuthError> {
        let Some(place) = self.relying_party() else { return Ok(None) };
        let challenge = self.passkey_challenge(aim, &draw_handle()?)?;
        Ok(Some(PasskeyOptions(json!({
            "challenge": in_text(&challenge),
            "timeout": milliseconds(CHALLENGE_LIFE),
            "rpId": place.id,
            "allowCredentials": descriptors(of),
            "userVerification": "required",
        }))))
    }

    /// What a browser is to make a passkey by, for a user whose password was right. `None` where
    /// there are none; [`NotAdded::TooMany`] if the user may have no more.
    ///
    /// # Errors
    ///
    /// [`AuthError`]; there is no challenge.
    pub async fn offer_passkey(
        &self,
        user: &User,
    ) -> Result<Option<Result<PasskeyOptions, NotAdded>>, AuthError> {
        let Some(place) = self.relying_party() else { return Ok(None) };
        let has = self.store.factors(user.id).await?.unwrap_or_default().passkeys;
        if has.len() >= PASSKEYS {
            return Ok(Some(Err(NotAdded::TooMany)));
        }
        // One for all of them, so that an authenticator knows that they are of one account.
        let handle = has.first().map(|passkey| passkey.handle.clone());
        let handle = handle.map_or_else(draw_handle, Ok)?;
        let challenge = self.passkey_challenge(Aim::New(user.id), &handle)?;
        let kinds = ALGORITHMS.map(|alg| json!({ "type": "public-key", "alg": alg }));
        Ok(Some(Ok(PasskeyOptions(json!({
            "rp": { "id": place.id, "name": self.settings.factors.issuer },
            "user": {
                "id": in_text(&handle),
                "name": user.username,
                "displayName": user.username,
            },
            "challenge": in_text(&challenge),
            "pubKeyCredParams": kinds,
            "timeout": milliseconds(CHALLENGE_LIFE),
            "excludeCredentials": descriptors(&has),
            "authenticatorSelection": {
                "residentKey": "required",
                "requireResidentKey": true,
                "userVerification": "required",
            },
            "attestation": "none",
        })))))
    }

    /// Adds the passkey that a browser has made, with recovery codes if it is the first factor.
    ///
    /// # Errors
    ///
    /// [`AuthError`]; nothing was changed, or nothing is known about it.
    pub async fn add_passkey(
        &self,
        user: &User,
        name: String,
        sent: &str,
    ) -> Result<Result<Option<RecoveryCodes>, NotAdded>, AuthError> {
        let made = self.made(user, name, sent);
        let Ok((passkey, challenged)) = made else { return Ok(Err(NotAdded::Refused)) };
        let asked_for = self.store.factors(user.id).await?;
        let is_first = !asked_for.is_some_and(|factors| factors.are_confirmed());
        let codes = if is_first { Some(RecoveryCodes::draw()?) } else { None };
        let new = NewPasskey {
            passkey,
            challenge: challenged.signed,
            offered: challenged.at,
            recovery: codes.as_ref().map(RecoveryCodes::hashes).unwrap_or_default(),
            at: self.clock.now(),
        };
        let event = Event::new(Kind::FactorAdded).to_user(user);
        let event = event.with("factor", "passkey").with("passkey", passkey_id(&new.passkey));
        let note = self.audit.note(event);
        let (store, mailer) = (Arc::clone(&self.store), self.mailer.clone());
        let (id, user) = (user.id, user.clone());
        let add = async move { store.add_passkey(id, new).await };
        let follows = |added: &PasskeyAdded| match added {
            PasskeyAdded::Added => {
                let letter = letter(mailer, Notice::PasskeyAdded, user);
                Sequel { note: Some(note), letter }
            }
            PasskeyAdded::Taken | PasskeyAdded::TooMany | PasskeyAdded::Late => Sequel::default(),
        };
        Ok(match settle(&self.revisions, id, add, follows).await? {
            PasskeyAdded::Added => Ok(codes),
            PasskeyAdded::Taken => Err(NotAdded::Taken),
            PasskeyAdded::TooMany => Err(NotAdded::TooMany),
            PasskeyAdded::Late => Err(NotAdded::Refused),
        })
    }

    /// The passkey that a browser has made for a user.
    fn made(&self, user: &User, name: String, sent: &str) -> Result<(Passkey, Challenged), Fault> {
        let place = self.relying_party().ok_or(Fault::RelyingParty)?;
        let registered = Registered::read(sent, place)?;
        let challenged = self.challenged_passkey(Aim::New(user.id), &registered.challenge)?;
        let Registered { credential, key, count, may_be_copied, is_copied, .. } = registered;
        let passkey = Passkey {
            credential,
            key,
            handle: challenged.handle.clone(),
            count,
            may_be_copied,
            is_copied,
            name,
            created: self.clock.now(),
            used: None,
        };
        Ok((passkey, challenged))
    }

    /// Whoever signs in with a passkey, if it may come in; what was signed is used up then. Whether it
    /// is unknown, wrong, used before or of a disabled account is in the record, and nowhere else.
    ///
    /// # Errors
    ///
    /// [`AuthError`]; never treat it as a wrong passkey.
    pub async fn check_passkey(&self, sent: &str) -> Result<Option<User>, AuthError> {
        let failed = |user: Option<&User>, why: Fault| {
            let event = Event::new(Kind::LoginFailed).with("why", why.as_str());
            let event = user.into_iter().fold(event, Event::to_user);
            self.audit.record(event.with("factor", "passkey"));
            Ok(None)
        };
        let Some(place) = self.relying_party() else { return Ok(None) };
        let asserted = match Asserted::read(sent, place) {
            Ok(asserted) => asserted,
            Err(fault) => return failed(None, fault),
        };
        let owner = self.store.passkey_owner(asserted.credential.clone()).await?;
        let Some(owner) = owner else { return failed(None, Fault::Unknown) };
        let (user, factors) = (self.store.user(owner).await?, self.store.factors(owner).await?);
        let (Some(user), Some(factors)) = (user, factors) else {
            return failed(None, Fault::Unknown);
        };
        let assertion = match self.asserted(Aim::SignIn, &factors, &asserted) {
            Ok(assertion) => assertion,
            Err(fault) => return failed(Some(&user), fault),
        };
        if !user.active {
            return failed(Some(&user), Fault::Inactive);
        }
        let proof = FactorProof::Passkey(assertion);
        if !self.store.change_factors(owner, proof, FactorChange::Nothing).await? {
            return failed(Some(&user), Fault::Used);
        }
        Ok(Some(user))
    }

    /// What a passkey of that user has signed, to be used up.
    pub(super) fn passkey_proof(
        &self,
        user: UserId,
        factors: &Factors,
        sent: &str,
    ) -> Result<FactorProof, Wrong> {
        let place = self.relying_party().ok_or(Fault::RelyingParty);
        place
            .and_then(|place| Asserted::read(sent, place))
            .and_then(|asserted| self.asserted(Aim::Proof(user), factors, &asserted))
            .map(FactorProof::Passkey)
            .map_err(|fault| Wrong {
                shown: Some(SecondFactor::Passkey),
                why: Some(fault.as_str()),
            })
    }

    fn asserted(
        &self,
        aim: Aim,
        factors: &Factors,
        asserted: &Asserted,
    ) -> Result<Assertion, Fault> {
        let place = self.relying_party().ok_or(Fault::RelyingParty)?;
        let challenged = self.challenged_passkey(aim, &asserted.challenge)?;
        let passkey = factors.passkey(&asserted.credential).ok_or(Fault::Unknown)?;
        // Nobody said who it is: that is for the authenticator to say (section 7.2 step 6).
        if matches!(aim, Aim::SignIn) && asserted.handle.is_none() {
            return Err(Fault::Handle);
        }
        let believed = asserted.verify(passkey, place)?;
        Ok(Assertion {
            credential: passkey.credential.clone(),
            count: believed.count,
            is_copied: believed.is_copied,
            challenge: challenged.signed,
            at: self.clock.now(),
        })
    }
}

fn draw_handle() -> Result<Vec<u8>, KeyError> {
    let mut bits = [0; HANDLE];
    getrandom::fill(&mut bits).map_err(|_| KeyError::NoRandomness)?;
    Ok(bits.to_vec())
}

fn descriptors(passkeys: &[Passkey]) -> Vec<Value> {
    let one =
        |passkey: &Passkey| json!({ "type": "public-key", "id": in_text(&passkey.credential) });
    passkeys.iter().map(one).collect()
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
