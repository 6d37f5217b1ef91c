//! Second factors within a transaction.

use async_trait::async_trait;
use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};

use super::passkeys::PasskeyRecord;
use super::tables::{Change, FACTORS, Source, decode};
use super::{RedbStore, one_time, passkeys, sessions, users};
use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::store::{
    Answered, FactorChange, FactorProof, FactorStore, Factors, FirstCode, NewPasskey, NewTotp,
    Offered, PasskeyAdded, SecondFactor, StoreError, TokenRef, Totp,
};

#[async_trait]
impl FactorStore for RedbStore {
    async fn factors(&self, user: UserId) -> Result<Option<Factors>, StoreError> {
        self.read(move |view| find(view, user)).await
    }

    async fn offer_totp(&self, user: UserId, totp: NewTotp) -> Result<Offered, StoreError> {
        self.write(move |change| offer(change, user, &totp)).await
    }

    async fn confirm_totp(&self, user: UserId, first: FirstCode) -> Result<bool, StoreError> {
        self.write(move |change| confirm(change, user, &first)).await
    }

    async fn change_factors(
        &self,
        user: UserId,
        proof: FactorProof,
        what: FactorChange,
    ) -> Result<bool, StoreError> {
        self.write(move |change| alter(change, user, &proof, &what)).await
    }

    async fn answer_challenge(
        &self,
        challenge: TokenRef,
        proof: FactorProof,
    ) -> Result<Answered, StoreError> {
        self.write(move |change| answer(change, challenge, &proof)).await
    }

    async fn passkey_owner(&self, credential: Vec<u8>) -> Result<Option<UserId>, StoreError> {
        self.read(move |view| passkeys::owner(view, &credential)).await
    }

    async fn add_passkey(&self, user: UserId, new: NewPasskey) -> Result<PasskeyAdded, StoreError> {
        self.write(move |change| add(change, user, &new)).await
    }

    async fn rename_passkey(
        &self,
        user: UserId,
        credential: Vec<u8>,
        name: String,
    ) -> Result<bool, StoreError> {
        self.write(move |change| rename(change, user, &credential, &name)).await
    }

    async fn remove_factors(&self, user: UserId) -> Result<bool, StoreError> {
        self.write(move |change| remove(change, user)).await
    }
}

/// How the factors of a user look in the file; the rules of [`super::codec`] hold.
// Nothing prints it: a sealed secret and hashes are in it.
#[derive(Decode, Encode)]
#[cbor(map)]
struct FactorsRecord {
    #[n(0)]
    sealed: Option<ByteVec>,
    #[n(1)]
    #[cbor(default)]
    created: u64,
    #[n(2)]
    confirmed: Option<u64>,
    #[n(3)]
    #[cbor(default)]
    step: u64,
    #[n(4)]
    #[cbor(default)]
    recovery: Vec<ByteArray<32>>,
    #[n(5)]
    #[cbor(default)]
    passkeys: Vec<PasskeyRecord>,
}

pub(super) fn find(source: &impl Source, user: UserId) -> Result<Option<Factors>, StoreError> {
    let found: Option<FactorsRecord> = source.record(&FACTORS, user.0)?;
    Ok(found.map(Into::into))
}

/// The factors of a user as they are kept.
pub(super) fn kept(bytes: &[u8]) -> Result<Factors, StoreError> {
    decode::<_, FactorsRecord>(&FACTORS, bytes).map(Into::into)
}

/// Whether a user still has what was shown when a session began.
pub(super) fn back(
    source: &impl Source,
    user: UserId,
    second: SecondFactor,
) -> Result<bool, StoreError> {
    Ok(find(source, user)?.is_some_and(|factors| factors.back(second)))
}

/// Stores the factors of a user who is there.
pub(super) fn put(change: &Change<'_>, user: UserId, factors: &Factors) -> Result<(), StoreError> {
    let before = find(change, user)?;
    passkeys::enter(change, user, before.as_ref(), Some(factors))?;
    change.put_record(&FACTORS, user.0, &FactorsRecord::from(factors))
}

fn offer(change: &Change<'_>, user: UserId, new: &NewTotp) -> Result<Offered, StoreError> {
    if users::find(change, user)?.is_none() {
        return Ok(Offered::NoUser);
    }
    let mut factors = find(change, user)?.unwrap_or_default();
    if !factors.offer(new) {
        return Ok(Offered::Confirmed);
    }
    put(change, user, &factors)?;
    Ok(Offered::Kept)
}

fn add(change: &Change<'_>, user: UserId, new: &NewPasskey) -> Result<PasskeyAdded, StoreError> {
    let Some(whose) = users::find(change, user)? else { return Ok(PasskeyAdded::Late) };
    if passkeys::owner(change, &new.passkey.credential)?.is_some() {
        return Ok(PasskeyAdded::Taken);
    }
    let mut factors = find(change, user)?.unwrap_or_default();
    let added = factors.add(&whose, new);
    if added != PasskeyAdded::Added {
        return Ok(added);
    }
    if !passkeys::use_up(change, new.challenge)? {
        return Ok(PasskeyAdded::Late);
    }
    put(change, user, &factors)?;
    Ok(PasskeyAdded::Added)
}

/// Uses a proof up, and what a passkey has signed; `false` if it is not good.
fn spend(
    change: &Change<'_>,
    factors: &mut Factors,
    proof: &FactorProof,
) -> Result<bool, StoreError> {
    if !factors.spend(proof) {
        return Ok(false);
    }
    match proof {
        FactorProof::Passkey(assertion) => passkeys::use_up(change, assertion.challenge),
        FactorProof::Totp { .. } | FactorProof::RecoveryCode(_) => Ok(true),
    }
}

fn confirm(change: &Change<'_>, user: UserId, first: &FirstCode) -> Result<bool, StoreError> {
    let Some(whose) = users::find(change, user)? else { return Ok(false) };
    let Some(mut factors) = find(change, user)? else { return Ok(false) };
    if !factors.confirm(&whose, first) {
        return Ok(false);
    }
    put(change, user, &factors)?;
    Ok(true)
}

fn alter(
    change: &Change<'_>,
    user: UserId,
    proof: &FactorProof,
    what: &FactorChange,
) -> Result<bool, StoreError> {
    let Some(mut factors) = find(change, user)? else { return Ok(false) };
    if !spend(change, &mut factors, proof)? {
        return Ok(false);
    }
    match what {
        FactorChange::Nothing => put(change, user, &factors)?,
        FactorChange::Remove => drop(remove(change, user)?),
        FactorChange::Recovery(codes) => {
            factors.recovery.clone_from(codes);
            put(change, user, &factors)?;
        }
        FactorChange::RemovePasskey(credential) => {
            // What was shown is used up all the same.
            put(change, user, &factors)?;
            keep(change, user, factors.without(credential), SecondFactor::is_passkey)?;
        }
        FactorChange::RemoveTotp => {
            put(change, user, &factors)?;
            keep(change, user, factors.without_totp(), SecondFactor::is_totp)?;
        }
    }
    Ok(true)
}

/// Keeps what is left of the factors of a user, if one was removed; what was shown of those that are
/// gone counts no more.
fn keep(
    change: &Change<'_>,
    user: UserId,
    left: Option<Factors>,
    is_gone: fn(SecondFactor) -> bool,
) -> Result<(), StoreError> {
    let Some(left) = left else { return Ok(()) };
    if !left.are_confirmed() {
        return remove(change, user).map(drop);
    }
    put(change, user, &left)?;
    sessions::lower(change, user, is_gone)
}

fn rename(
    change: &Change<'_>,
    user: UserId,
    credential: &[u8],
    name: &str,
) -> Result<bool, StoreError> {
    let Some(mut factors) = find(change, user)? else { return Ok(false) };
    let found = factors.passkeys.iter_mut().find(|passkey| passkey.credential == credential);
    let Some(passkey) = found else { return Ok(false) };
    name.clone_into(&mut passkey.name);
    put(change, user, &factors)?;
    Ok(true)
}

fn answer(
    change: &Change<'_>,
    challenge: TokenRef,
    proof: &FactorProof,
) -> Result<Answered, StoreError> {
    let Some((user, _)) = one_time::find(change, challenge)? else {
        return Ok(Answered::BadChallenge);
    };
    let Some(mut factors) = find(change, user.id)? else { return Ok(Answered::BadChallenge) };
    if !spend(change, &mut factors, proof)? {
        return Ok(Answered::Wrong);
    }
    put(change, user.id, &factors)?;
    one_time::take(change, challenge)?;
    Ok(Answered::Right(user))
}

fn remove(change: &Change<'_>, user: UserId) -> Result<bool, StoreError> {
    if find(change, user)?.is_none() {
        return Ok(false);
    }
    forget(change, user)?;
    sessions::lower(change, user, |_any| true)?;
    Ok(true)
}

/// Forgets those of a user who goes.
pub(super) fn forget(change: &Change<'_>, user: UserId) -> Result<(), StoreError> {
    let before = find(change, user)?;
    passkeys::enter(change, user, before.as_ref(), None)?;
    change.remove(&FACTORS, user.0)
}

impl From<FactorsRecord> for Factors {
    fn from(record: FactorsRecord) -> Self {
        let (created, confirmed) = (record.created, record.confirmed);
        let totp = record.sealed.map(|sealed| Totp {
            sealed: sealed.into(),
            created: Timestamp::from_millis(created),
            confirmed: confirmed.map(Timestamp::from_millis),
            step: record.step,
        });
        let passkeys = record.passkeys.into_iter().map(Into::into).collect();
        let recovery = record.recovery.into_iter().map(Into::into).collect();
        Self { totp, recovery, passkeys }
    }
}

impl From<&Factors> for FactorsRecord {
    fn from(factors: &Factors) -> Self {
        let Factors { totp, recovery, passkeys } = factors;
        let totp = totp.as_ref();
        Self {
            sealed: totp.map(|totp| totp.sealed.clone().into()),
            created: totp.map_or(0, |totp| totp.created.as_millis()),
            confirmed: totp.and_then(|totp| totp.confirmed).map(Timestamp::as_millis),
            step: totp.map_or(0, |totp| totp.step),
            recovery: recovery.iter().map(|hash| (*hash).into()).collect(),
            passkeys: passkeys.iter().map(Into::into).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
