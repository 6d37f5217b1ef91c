//! Keys that users made, within a transaction.

use std::ops::Bound;

use minicbor::{Decode, Encode};
use redb::ReadableTable;

use super::tables::{
    Change, Counter, KEYS_OF_USERS, Source, USER_KEY_HASHES, USER_KEYS, View, dangling, decode,
    failed,
};
use super::users;
use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::store::{KeyAdded, KeyOwner, NewUserKey, StoreError, UserKey};

/// How one looks in the file; the rules of [`super::codec`] hold.
// Nothing prints it: a hash is in it.
#[derive(Decode, Encode)]
#[cbor(map)]
struct UserKeyRecord {
    #[n(0)]
    user: u64,
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    hash: [u8; 32],
    #[n(2)]
    #[cbor(default)]
    name: String,
    #[n(3)]
    #[cbor(default)]
    hint: String,
    #[n(4)]
    scopes: Option<Vec<String>>,
    #[n(5)]
    created: u64,
    #[n(6)]
    expires: Option<u64>,
    #[n(7)]
    last_used: Option<u64>,
}

impl From<&UserKey> for UserKeyRecord {
    fn from(key: &UserKey) -> Self {
        Self {
            user: key.user.0,
            hash: key.hash,
            name: key.name.clone(),
            hint: key.hint.clone(),
            scopes: key.scopes.clone(),
            created: key.created.as_millis(),
            expires: key.expires.map(Timestamp::as_millis),
            last_used: key.last_used.map(Timestamp::as_millis),
        }
    }
}

impl UserKeyRecord {
    fn into_key(self, id: u64) -> UserKey {
        UserKey {
            id,
            user: UserId(self.user),
            hash: self.hash,
            name: self.name,
            hint: self.hint,
            scopes: self.scopes,
            created: Timestamp::from_millis(self.created),
            expires: self.expires.map(Timestamp::from_millis),
            last_used: self.last_used.map(Timestamp::from_millis),
        }
    }
}

pub(super) fn add(
    change: &Change<'_>,
    new: &NewUserKey,
    most: usize,
) -> Result<KeyAdded, StoreError> {
    if users::own(change, new.user)?.is_none() {
        return Ok(KeyAdded::NoUser);
    }
    let (expired, good): (Vec<_>, Vec<_>) =
        of_user(change, new.user)?.into_iter().partition(|key| key.is_expired(new.created));
    if good.len() >= most {
        return Ok(KeyAdded::TooMany);
    }
    for key in &expired {
        remove(change, key)?;
    }
    // Never hand one user's key over to another; one drawn anew will do.
    if is_known(change, new.hash)? {
        return Err(StoreError::Unavailable("this key is there already".into()));
    }
    let key = new.numbered(change.next(Counter::UserKeys)?);
    put(change, &key)?;
    Ok(KeyAdded::Added(key))
}

/// Stores a key as it came from elsewhere, under its number if that is free. Nobody may have it.
pub(super) fn keep(change: &Change<'_>, user: UserId, mut key: UserKey) -> Result<(), StoreError> {
    key.user = user;
    if key.id == 0 || change.is_in(&USER_KEYS, key.id)? {
        key.id = change.next(Counter::UserKeys)?;
    } else {
        change.raise(Counter::UserKeys, key.id)?;
    }
    put(change, &key)
}

/// Stores a key that is not there yet, under its own number.
pub(super) fn put(change: &Change<'_>, key: &UserKey) -> Result<(), StoreError> {
    change.put(&USER_KEY_HASHES, key.hash, key.id)?;
    change.put(&KEYS_OF_USERS, (key.user.0, key.id), ())?;
    save(change, key)
}

fn save(change: &Change<'_>, key: &UserKey) -> Result<(), StoreError> {
    change.put_record(&USER_KEYS, key.id, &UserKeyRecord::from(key))
}

/// Whether somebody has that key.
pub(super) fn is_known(source: &impl Source, hash: [u8; 32]) -> Result<bool, StoreError> {
    source.is_in(&USER_KEY_HASHES, hash)
}

pub(super) fn find(source: &impl Source, id: u64) -> Result<Option<UserKey>, StoreError> {
    let found: Option<UserKeyRecord> = source.record(&USER_KEYS, id)?;
    Ok(found.map(|record| record.into_key(id)))
}

/// The key and who has it. An older binary, which knows of no such keys, leaves those of the users
/// whom it removes: they are nobody's.
pub(super) fn owner(source: &impl Source, hash: [u8; 32]) -> Result<Option<KeyOwner>, StoreError> {
    let Some(id) = source.number(&USER_KEY_HASHES, hash)? else { return Ok(None) };
    let key = find(source, id)?.ok_or_else(|| dangling(&USER_KEY_HASHES))?;
    let user = users::find(source, key.user)?;
    Ok(user.map(|user| KeyOwner { key, user }))
}

/// Those of a user, by number.
pub(super) fn of_user(source: &impl Source, user: UserId) -> Result<Vec<UserKey>, StoreError> {
    let numbers = {
        let table = source.open(&KEYS_OF_USERS)?;
        let rows = table.range((user.0, 0)..=(user.0, u64::MAX));
        let rows = rows.map_err(|error| failed(&KEYS_OF_USERS, error))?;
        let numbers = rows.map(|row| {
            let (key, ()) = row
                .map(|(key, _)| (key.value(), ()))
                .map_err(|error| failed(&KEYS_OF_USERS, error))?;
            Ok(key.1)
        });
        numbers.collect::<Result<Vec<u64>, StoreError>>()?
    };
    let stored = |id| find(source, id)?.ok_or_else(|| dangling(&KEYS_OF_USERS));
    numbers.into_iter().map(stored).collect()
}

pub(super) fn page(
    view: &View,
    after: Option<u64>,
    limit: usize,
) -> Result<Vec<UserKey>, StoreError> {
    let start = after.map_or(Bound::Unbounded, Bound::Excluded);
    let table = view.open(&USER_KEYS)?;
    let rows = table.range::<u64>((start, Bound::Unbounded));
    let rows = rows.map_err(|error| failed(&USER_KEYS, error))?;
    rows.take(limit)
        .map(|row| {
            let (id, bytes) = row.map_err(|error| failed(&USER_KEYS, error))?;
            kept(id.value(), bytes.value())
        })
        .collect()
}

/// A key as it is kept.
pub(super) fn kept(id: u64, bytes: &[u8]) -> Result<UserKey, StoreError> {
    let record: UserKeyRecord = decode(&USER_KEYS, bytes)?;
    Ok(record.into_key(id))
}

pub(super) fn remove(change: &Change<'_>, key: &UserKey) -> Result<(), StoreError> {
    change.remove(&USER_KEY_HASHES, key.hash)?;
    change.remove(&KEYS_OF_USERS, (key.user.0, key.id))?;
    change.remove(&USER_KEYS, key.id)
}

pub(super) fn note_uses(change: &Change<'_>, uses: &[(u64, Timestamp)]) -> Result<(), StoreError> {
    for (id, at) in uses {
        let known = find(change, *id)?.filter(|key| key.last_used < Some(*at));
        if let Some(key) = known {
            save(change, &UserKey { last_used: Some(*at), ..key })?;
        }
    }
    Ok(())
}

/// The keys whose time is over at `now`. Read beside the writer, for it may be long.
pub(super) fn dead(view: &View, now: Timestamp) -> Result<Vec<u64>, StoreError> {
    let all = page(view, None, usize::MAX)?.into_iter();
    Ok(all.filter(|key| key.is_expired(now)).map(|key| key.id).collect())
}

/// Removes those of the keys that are still there.
pub(super) fn bury(change: &Change<'_>, ids: &[u64]) -> Result<(), StoreError> {
    for id in ids {
        if let Some(key) = find(change, *id)? {
            remove(change, &key)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_as_it_was() {
        let at = Timestamp::from_millis;
        let full = UserKey {
            id: 7,
            user: UserId(3),
            hash: [9; 32],
            name: "backup".to_owned(),
            hint: "pck_ab12".to_owned(),
            scopes: Some(vec!["editor".to_owned()]),
            created: at(1),
            expires: Some(at(2)),
            last_used: Some(at(3)),
        };
        let bare = UserKey { scopes: None, expires: None, last_used: None, ..full.clone() };
        // No role at all is not every role.
        let without = UserKey { scopes: Some(Vec::new()), ..full.clone() };
        for key in [full, bare, without] {
            let bytes = minicbor::to_vec(UserKeyRecord::from(&key)).unwrap();
            let record: UserKeyRecord = minicbor::decode(&bytes).unwrap();
            assert_eq!(record.into_key(7), key);
        }
    }
}
