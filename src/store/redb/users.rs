//! Users: found, made, changed and deleted within a transaction.

use std::ops::Bound;

use redb::ReadableTable;

use super::codec::{ApiKeyRecord, UserRecord};
use super::tables::{
    API_KEY_HASHES, API_KEYS, Change, Counter, EMAILS, NAMES, Source, USERS, View, dangling,
    decode, failed,
};
use super::{indexes, invitations, one_time, recipes, sessions};
use crate::identity::UserId;
use crate::store::record::{ApiKey, Creation, Mark, NewUser, User, UserChange};
use crate::store::{Admission, Clashes, StoreError, Terms};

pub(super) fn find(source: &impl Source, id: UserId) -> Result<Option<User>, StoreError> {
    let found: Option<UserRecord> = source.record(&USERS, id.0)?;
    Ok(found.map(|record| record.into_user(id)))
}

pub(super) fn by_name(source: &impl Source, name: &str) -> Result<Option<User>, StoreError> {
    let Some(id) = source.number(&NAMES, name)? else { return Ok(None) };
    find(source, UserId(id))?.map(Some).ok_or_else(|| dangling(&NAMES))
}

pub(super) fn page(
    view: &View,
    after: Option<UserId>,
    limit: usize,
) -> Result<Vec<User>, StoreError> {
    let start = after.map_or(Bound::Unbounded, |id| Bound::Excluded(id.0));
    let table = view.open(&USERS)?;
    let rows = table.range::<u64>((start, Bound::Unbounded));
    let rows = rows.map_err(|error| failed(&USERS, error))?;
    rows.take(limit)
        .map(|row| {
            let (id, bytes) = row.map_err(|error| failed(&USERS, error))?;
            let record: UserRecord = decode(&USERS, bytes.value())?;
            Ok(record.into_user(UserId(id.value())))
        })
        .collect()
}

pub(super) fn create(change: &Change<'_>, new: &NewUser) -> Result<Creation, StoreError> {
    if change.number(&NAMES, new.username.as_str())?.is_some() {
        return Ok(Creation::NameTaken);
    }
    insert(change, new).map(Creation::Created)
}

/// What a user of that name and address would have in common with others.
pub(super) fn clashes(
    source: &impl Source,
    username: &str,
    email: &str,
) -> Result<Clashes, StoreError> {
    Ok(Clashes {
        name: source.number(&NAMES, username)?.is_some(),
        look: indexes::is_alike(source, username)?,
        email: !indexes::with_email(source, email)?.is_empty(),
    })
}

pub(super) fn by_email(source: &impl Source, email: &str) -> Result<Vec<User>, StoreError> {
    let stored = |id| find(source, UserId(id))?.ok_or_else(|| dangling(&EMAILS));
    indexes::with_email(source, email)?.into_iter().map(stored).collect()
}

/// Makes a user whose terms hold, and uses the invitation up.
pub(super) fn admit(
    change: &Change<'_>,
    new: &NewUser,
    terms: &Terms,
) -> Result<Admission, StoreError> {
    let mut new = new.clone();
    let invitation = match terms.invitation {
        None => None,
        Some(hash) => {
            let found = invitations::by_hash(change, hash)?;
            let good = found.filter(|found| found.admits(&new.email, new.created));
            let Some(invitation) = good else { return Ok(Admission::NotInvited) };
            new.roles.extend(invitation.roles.iter().cloned());
            Some((hash, invitation))
        }
    };
    let clashes = clashes(change, &new.username, &new.email)?;
    if clashes.name {
        return Ok(Admission::NameTaken);
    }
    if terms.distinct_looks && clashes.look {
        return Ok(Admission::NameAlike);
    }
    if terms.unique_email && clashes.email {
        return Ok(Admission::EmailTaken);
    }
    if let Some((hash, invitation)) = invitation {
        invitations::spend(change, hash, invitation)?;
    }
    insert(change, &new).map(Admission::Created)
}

/// Writes a user whose name is free, under the next id.
fn insert(change: &Change<'_>, new: &NewUser) -> Result<User, StoreError> {
    let mut roles = new.roles.clone();
    roles.sort_unstable();
    roles.dedup();
    let user = User {
        id: UserId(change.next(Counter::Users)?),
        username: new.username.clone(),
        email: new.email.clone(),
        email_verified: false,
        password: new.password.clone(),
        active: true,
        roles,
        claims: std::collections::BTreeMap::new(),
        created: new.created,
        last_login: None,
        password_mark: None,
        logout_mark: None,
    };
    change.put(&NAMES, user.username.as_str(), user.id.0)?;
    change.put_record(&USERS, user.id.0, &UserRecord::from(&user))?;
    recipes::replace(change, None, user.password.as_ref())?;
    indexes::enter(change, &user)?;
    Ok(user)
}

pub(super) fn alter(
    change: &Change<'_>,
    id: UserId,
    what: &UserChange,
) -> Result<Option<User>, StoreError> {
    let Some(before) = find(change, id)? else { return Ok(None) };
    let after = changed(before.clone(), what, change.last(Counter::Sessions)?);
    if after != before {
        change.put_record(&USERS, id.0, &UserRecord::from(&after))?;
        recipes::replace(change, before.password.as_ref(), after.password.as_ref())?;
    }
    if after.email != before.email {
        indexes::leave(change, &before)?;
        indexes::enter(change, &after)?;
    }
    Ok(Some(after))
}

/// The user after `what`, where `session` is the highest session number given so far.
fn changed(mut user: User, what: &UserChange, session: u64) -> User {
    match what.clone() {
        UserChange::Password { hash, at } => {
            user.password = Some(hash);
            user.password_mark = Some(Mark { session, at });
        }
        UserChange::Rehash { seen, hash } => {
            if user.password.as_ref() == Some(&seen) {
                user.password = Some(hash);
            }
        }
        UserChange::Active(active) => user.active = active,
        UserChange::AddRole(role) => {
            if let Err(place) = user.roles.binary_search(&role) {
                user.roles.insert(place, role);
            }
        }
        UserChange::RemoveRole(role) => user.roles.retain(|held| *held != role),
        UserChange::SetClaim { name, value } => {
            user.claims.insert(name, value);
        }
        UserChange::RemoveClaim(name) => {
            user.claims.remove(&name);
        }
        UserChange::Email { email, verified } => {
            user.email = email;
            user.email_verified = verified;
        }
        UserChange::LoggedIn(at) => user.last_login = Some(at),
        UserChange::LoggedOutEverywhere(at) => user.logout_mark = Some(Mark { session, at }),
    }
    user
}

pub(super) fn delete(change: &Change<'_>, id: UserId) -> Result<bool, StoreError> {
    let Some(user) = find(change, id)? else { return Ok(false) };
    for number in sessions::numbers(change, id)? {
        sessions::remove(change, number)?;
    }
    if let Some(key) = stored_key(change, id)? {
        change.remove(&API_KEY_HASHES, key.hash)?;
        change.remove(&API_KEYS, id.0)?;
    }
    recipes::replace(change, user.password.as_ref(), None)?;
    indexes::leave(change, &user)?;
    one_time::forget(change, id)?;
    change.remove(&NAMES, user.username.as_str())?;
    change.remove(&USERS, id.0)?;
    Ok(true)
}

/// The API key of a user, who may have none.
pub(super) fn stored_key(source: &impl Source, id: UserId) -> Result<Option<ApiKey>, StoreError> {
    let found: Option<ApiKeyRecord> = source.record(&API_KEYS, id.0)?;
    Ok(found.map(Into::into))
}

/// The key there is, or `candidate` in its place; `None` if the user is gone.
pub(super) fn key(
    change: &Change<'_>,
    id: UserId,
    candidate: &ApiKey,
) -> Result<Option<ApiKey>, StoreError> {
    if find(change, id)?.is_none() {
        return Ok(None);
    }
    if let Some(key) = stored_key(change, id)? {
        return Ok(Some(key));
    }
    // Never hand one user's key over to another; a candidate drawn anew will do.
    if change.number(&API_KEY_HASHES, candidate.hash)?.is_some() {
        return Err(StoreError::Unavailable("this API key belongs to another user".into()));
    }
    change.put(&API_KEY_HASHES, candidate.hash, id.0)?;
    change.put_record(&API_KEYS, id.0, &ApiKeyRecord::from(candidate))?;
    Ok(Some(candidate.clone()))
}

pub(super) fn by_key(source: &impl Source, hash: [u8; 32]) -> Result<Option<User>, StoreError> {
    let Some(id) = source.number(&API_KEY_HASHES, hash)? else { return Ok(None) };
    find(source, UserId(id))?.map(Some).ok_or_else(|| dangling(&API_KEY_HASHES))
}
