//! Whose passkeys there are, and what they have signed, within a transaction.

use aws_lc_rs::digest::{SHA256, digest};
use minicbor::{Decode, Encode};
use redb::ReadableTable;

use super::tables::{Change, PASSKEYS, SIGNED, Source, View, failed};
use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::store::{Factors, Passkey, SignedChallenge, StoreError};

/// How a passkey looks in the file; the rules of [`super::codec`] hold.
#[derive(Decode, Encode)]
#[cbor(map)]
pub(super) struct PasskeyRecord {
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    credential: Vec<u8>,
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    key: Vec<u8>,
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    handle: Vec<u8>,
    #[n(3)]
    count: u32,
    #[n(4)]
    #[cbor(default)]
    may_be_copied: bool,
    #[n(5)]
    #[cbor(default)]
    is_copied: bool,
    #[n(6)]
    #[cbor(default)]
    name: String,
    #[n(7)]
    created: u64,
    #[n(8)]
    used: Option<u64>,
}

/// What a passkey is found by: credentials may be as long as keys of a table should not be.
fn place(credential: &[u8]) -> [u8; 32] {
    // SHA-256 has 32 bytes.
    digest(&SHA256, credential).as_ref().try_into().unwrap_or_default()
}

/// Whose passkey has that credential.
pub(super) fn owner(source: &impl Source, credential: &[u8]) -> Result<Option<UserId>, StoreError> {
    Ok(source.number(&PASSKEYS, place(credential))?.map(UserId))
}

/// Takes note of the passkeys that a user has, and had before.
pub(super) fn enter(
    change: &Change<'_>,
    user: UserId,
    before: Option<&Factors>,
    after: Option<&Factors>,
) -> Result<(), StoreError> {
    fn all(factors: Option<&Factors>) -> impl Iterator<Item = &Passkey> {
        factors.into_iter().flat_map(|factors| &factors.passkeys)
    }
    let is_in = |factors: Option<&Factors>, passkey: &Passkey| {
        factors.is_some_and(|factors| factors.passkey(&passkey.credential).is_some())
    };
    for gone in all(before).filter(|passkey| !is_in(after, passkey)) {
        change.remove(&PASSKEYS, place(&gone.credential))?;
    }
    for new in all(after).filter(|passkey| !is_in(before, passkey)) {
        change.put(&PASSKEYS, place(&new.credential), user.0)?;
    }
    Ok(())
}

/// Uses a challenge up; `false` if it was.
pub(super) fn use_up(change: &Change<'_>, signed: SignedChallenge) -> Result<bool, StoreError> {
    if change.is_in(&SIGNED, signed.hash)? {
        return Ok(false);
    }
    change.put(&SIGNED, signed.hash, signed.expires.as_millis())?;
    Ok(true)
}

/// The challenges that have ended by `now`, so that nobody has to know that they were used.
pub(super) fn dead(view: &View, now: Timestamp) -> Result<Vec<[u8; 32]>, StoreError> {
    let table = view.open(&SIGNED)?;
    let mut dead = Vec::new();
    for row in table.iter().map_err(|error| failed(&SIGNED, error))? {
        let (hash, expires) = row.map_err(|error| failed(&SIGNED, error))?;
        if expires.value() <= now.as_millis() {
            dead.push(hash.value());
        }
    }
    Ok(dead)
}

/// Forgets them.
pub(super) fn bury(change: &Change<'_>, dead: &[[u8; 32]]) -> Result<(), StoreError> {
    dead.iter().try_for_each(|hash| change.remove(&SIGNED, *hash))
}

impl From<PasskeyRecord> for Passkey {
    fn from(record: PasskeyRecord) -> Self {
        Self {
            credential: record.credential,
            key: record.key,
            handle: record.handle,
            count: record.count,
            may_be_copied: record.may_be_copied,
            is_copied: record.is_copied,
            name: record.name,
            created: Timestamp::from_millis(record.created),
            used: record.used.map(Timestamp::from_millis),
        }
    }
}

impl From<&Passkey> for PasskeyRecord {
    fn from(passkey: &Passkey) -> Self {
        Self {
            credential: passkey.credential.clone(),
            key: passkey.key.clone(),
            handle: passkey.handle.clone(),
            count: passkey.count,
            may_be_copied: passkey.may_be_copied,
            is_copied: passkey.is_copied,
            name: passkey.name.clone(),
            created: passkey.created.as_millis(),
            used: passkey.used.map(Timestamp::as_millis),
        }
    }
}
