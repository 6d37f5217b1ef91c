//! One-time tokens within a transaction.

use minicbor::{Decode, Encode};
use redb::ReadableTable;

use super::tables::{Change, ONE_TIME, Source, View, decode, failed};
use super::{indexes, users};
use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::store::record::{User, UserChange};
use crate::store::transfer::{KeptToken, KeptTokens};
use crate::store::{
    Confirmation, NewToken, Purpose, Redeemed, StoreError, TOKENS_KEPT, TokenRef, fold_case,
};

/// The tokens of a user for one purpose; the rules of [`super::codec`] hold.
#[derive(Decode, Default, Encode)]
#[cbor(map)]
struct TokensRecord {
    #[n(0)]
    #[cbor(default)]
    tokens: Vec<TokenRecord>,
}

#[derive(Decode, Encode)]
#[cbor(map)]
struct TokenRecord {
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    hash: [u8; 32],
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    basis: [u8; 32],
    #[n(2)]
    #[cbor(default)]
    address: String,
    #[n(3)]
    expires: u64,
}

const PURPOSES: [Purpose; 3] = [Purpose::Password, Purpose::Email, Purpose::Challenge];

pub(super) fn add(change: &Change<'_>, new: &NewToken) -> Result<bool, StoreError> {
    let user = users::find(change, new.user)?;
    if !user.is_some_and(|user| user.active && user.basis() == new.basis) {
        return Ok(false);
    }
    let key = (new.user.0, new.purpose.code());
    let mut kept: TokensRecord = change.record(&ONE_TIME, key)?.unwrap_or_default();
    kept.tokens.retain(|token| token.expires > new.at.as_millis());
    kept.tokens.push(TokenRecord {
        hash: new.hash,
        basis: new.basis,
        address: new.address.clone(),
        expires: new.expires.as_millis(),
    });
    let surplus = kept.tokens.len().saturating_sub(TOKENS_KEPT);
    kept.tokens.drain(..surplus);
    change.put_record(&ONE_TIME, key, &kept)?;
    Ok(true)
}

/// Stores tokens of a user who is there, and has none for that purpose.
pub(super) fn keep(change: &Change<'_>, kept: KeptTokens) -> Result<(), StoreError> {
    let record = |token: KeptToken| TokenRecord {
        hash: token.hash,
        basis: token.basis,
        address: token.address,
        expires: token.expires.as_millis(),
    };
    let tokens = kept.tokens.into_iter().map(record).collect();
    change.put_record(&ONE_TIME, (kept.user.0, kept.purpose), &TokensRecord { tokens })
}

/// Tokens as they are kept, of which there may be none.
pub(super) fn kept((user, purpose): (u64, u8), bytes: &[u8]) -> Result<KeptTokens, StoreError> {
    let record: TokensRecord = decode(&ONE_TIME, bytes)?;
    let token = |record: TokenRecord| KeptToken {
        hash: record.hash,
        basis: record.basis,
        address: record.address,
        expires: Timestamp::from_millis(record.expires),
    };
    let tokens = record.tokens.into_iter().map(token).collect();
    Ok(KeptTokens { user: UserId(user), purpose, tokens })
}

/// The user of a good token, and the address that it was sent to.
pub(super) fn find(
    source: &impl Source,
    wanted: TokenRef,
) -> Result<Option<(User, String)>, StoreError> {
    let key = (wanted.user.0, wanted.purpose.code());
    let Some(kept) = source.record::<_, TokensRecord>(&ONE_TIME, key)? else { return Ok(None) };
    let at = wanted.at.as_millis();
    // Hashes are compared: how long that takes says nothing about a token.
    let token = kept.tokens.into_iter().find(|it| it.hash == wanted.hash && it.expires > at);
    let Some(token) = token else { return Ok(None) };
    let user = users::find(source, wanted.user)?;
    let user = user.filter(|user| user.active && user.basis() == token.basis);
    Ok(user.map(|user| (user, token.address)))
}

/// Uses a token up for that change.
pub(super) fn redeem(
    change: &Change<'_>,
    wanted: TokenRef,
    what: &UserChange,
) -> Result<Option<Redeemed>, StoreError> {
    let Some((before, _address)) = find(change, wanted)? else { return Ok(None) };
    spend(change, before, what)
}

/// Uses a token up for the address that it was sent to, unless that is to be unique and somebody
/// else has it.
pub(super) fn confirm(
    change: &Change<'_>,
    wanted: TokenRef,
    unique: bool,
) -> Result<Confirmation, StoreError> {
    let Some((before, email)) = find(change, wanted)? else { return Ok(Confirmation::BadToken) };
    // Who shares an address since before it had to be unique may show that it is theirs.
    let is_new = fold_case(&email) != fold_case(&before.email);
    if unique && is_new && !indexes::with_email(change, &email)?.is_empty() {
        return Ok(Confirmation::EmailTaken);
    }
    let redeemed = spend(change, before, &UserChange::Email { email, verified: true })?;
    Ok(redeemed.map_or(Confirmation::BadToken, Confirmation::Confirmed))
}

fn spend(
    change: &Change<'_>,
    before: User,
    what: &UserChange,
) -> Result<Option<Redeemed>, StoreError> {
    let after = users::alter(change, before.id, what)?;
    // Where the account is another now, no token's basis holds; and a spent one is spent.
    forget(change, before.id)?;
    Ok(after.map(|after| Redeemed { before, after }))
}

/// Uses up one that changes nothing about the account.
pub(super) fn take(change: &Change<'_>, wanted: TokenRef) -> Result<(), StoreError> {
    let key = (wanted.user.0, wanted.purpose.code());
    let Some(mut kept) = change.record::<_, TokensRecord>(&ONE_TIME, key)? else { return Ok(()) };
    kept.tokens.retain(|token| token.hash != wanted.hash);
    change.put_record(&ONE_TIME, key, &kept)
}

/// Forgets every token of a user.
pub(super) fn forget(change: &Change<'_>, user: UserId) -> Result<(), StoreError> {
    for purpose in PURPOSES {
        change.remove(&ONE_TIME, (user.0, purpose.code()))?;
    }
    Ok(())
}

/// The rows in which no token is good any more at `now`.
pub(super) fn dead(view: &View, now: Timestamp) -> Result<Vec<(u64, u8)>, StoreError> {
    let table = view.open(&ONE_TIME)?;
    let mut dead = Vec::new();
    for row in table.iter().map_err(|error| failed(&ONE_TIME, error))? {
        let (key, bytes) = row.map_err(|error| failed(&ONE_TIME, error))?;
        if is_dead(&decode(&ONE_TIME, bytes.value())?, now) {
            dead.push(key.value());
        }
    }
    Ok(dead)
}

/// Removes those of the rows that are still dead.
pub(super) fn bury(
    change: &Change<'_>,
    rows: &[(u64, u8)],
    now: Timestamp,
) -> Result<(), StoreError> {
    for &key in rows {
        let kept: Option<TokensRecord> = change.record(&ONE_TIME, key)?;
        if kept.is_some_and(|kept| is_dead(&kept, now)) {
            change.remove(&ONE_TIME, key)?;
        }
    }
    Ok(())
}

fn is_dead(kept: &TokensRecord, now: Timestamp) -> bool {
    kept.tokens.iter().all(|token| token.expires <= now.as_millis())
}
