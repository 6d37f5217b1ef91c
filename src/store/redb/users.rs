//! Users: found, made, changed and deleted within a transaction.

use std::ops::Bound;

use redb::{AccessGuard, ReadableTable, StorageError};

use super::codec::UserRecord;
use super::tables::{
    Bytes, Change, Counter, EMAILS, NAMES, Source, USERS, View, dangling, decode, failed,
};
use super::{deleted, factors, groups, indexes, invitations, keys, one_time, recipes, sessions};
use crate::identity::UserId;
use crate::store::record::{Creation, NewUser, User, UserChange};
use crate::store::{Admission, Clashes, StoreError, Terms};

/// A user as it is written: the roles are its own, and its groups are numbers.
pub(super) struct Own {
    pub(super) user: User,
    pub(super) groups: Vec<u64>,
}

impl Own {
    fn at(source: &impl Source, id: UserId) -> Result<Option<Self>, StoreError> {
        let found: Option<UserRecord> = source.record(&USERS, id.0)?;
        Ok(found.map(|record| Self::of(record, id)))
    }

    fn of(record: UserRecord, id: UserId) -> Self {
        let (user, groups) = record.into_user(id);
        Self { user, groups }
    }

    fn save(&self, change: &Change<'_>) -> Result<(), StoreError> {
        change.put_record(&USERS, self.user.id.0, &UserRecord::new(&self.user, &self.groups))
    }

    /// The user with the names of its groups, and without what they give.
    fn named(self, source: &impl Source) -> Result<User, StoreError> {
        let Self { mut user, groups } = self;
        for number in groups {
            user.groups.extend(groups::by_number(source, number)?.map(|group| group.name));
        }
        user.groups.sort_unstable();
        Ok(user)
    }

    /// The user with what its groups give.
    pub(super) fn resolved(self, source: &impl Source) -> Result<User, StoreError> {
        let Self { user, groups } = self;
        let (mut names, mut gives) = (Vec::new(), Vec::new());
        for number in groups {
            // One that was deleted gives nothing.
            let Some(group) = groups::by_number(source, number)? else { continue };
            names.push(group.name);
            gives.extend(group.roles);
        }
        Ok(user.in_groups(names, gives))
    }
}

pub(super) fn find(source: &impl Source, id: UserId) -> Result<Option<User>, StoreError> {
    Own::at(source, id)?.map(|own| own.resolved(source)).transpose()
}

/// The user with the roles of its own alone, as it is written, and the names of its groups.
pub(super) fn own(source: &impl Source, id: UserId) -> Result<Option<User>, StoreError> {
    Own::at(source, id)?.map(|own| own.named(source)).transpose()
}

pub(super) fn by_name(source: &impl Source, name: &str) -> Result<Option<User>, StoreError> {
    let Some(id) = source.number(&NAMES, name)? else { return Ok(None) };
    find(source, UserId(id))?.map(Some).ok_or_else(|| dangling(&NAMES))
}

type Row<'a> = Result<(AccessGuard<'a, u64>, AccessGuard<'a, Bytes>), StorageError>;

/// The records of users with ids above `after`, in order of their ids.
pub(super) fn rows(
    table: &impl ReadableTable<u64, Bytes>,
    after: Option<UserId>,
) -> Result<impl Iterator<Item = Row<'_>>, StoreError> {
    let start = after.map_or(Bound::Unbounded, |id| Bound::Excluded(id.0));
    table.range::<u64>((start, Bound::Unbounded)).map_err(|error| failed(&USERS, error))
}

pub(super) fn read(row: Row<'_>) -> Result<Own, StoreError> {
    let (id, bytes) = row.map_err(|error| failed(&USERS, error))?;
    kept(UserId(id.value()), bytes.value())
}

/// A user as it is kept.
pub(super) fn kept(id: UserId, bytes: &[u8]) -> Result<Own, StoreError> {
    Ok(Own::of(decode(&USERS, bytes)?, id))
}

/// The same as [`page`], with the roles of their own alone, and the names of their groups.
pub(super) fn own_page(
    view: &View,
    after: Option<UserId>,
    limit: usize,
) -> Result<Vec<User>, StoreError> {
    let table = view.open(&USERS)?;
    rows(&table, after)?.take(limit).map(|row| read(row)?.named(view)).collect()
}

pub(super) fn page(
    view: &View,
    after: Option<UserId>,
    limit: usize,
) -> Result<Vec<User>, StoreError> {
    let table = view.open(&USERS)?;
    rows(&table, after)?.take(limit).map(|row| read(row)?.resolved(view)).collect()
}

pub(super) fn create(change: &Change<'_>, new: &NewUser) -> Result<Creation, StoreError> {
    if change.number(&NAMES, new.username.as_str())?.is_some() {
        return Ok(Creation::NameTaken);
    }
    make(change, new).map(Creation::Created)
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
    make(change, &new).map(Admission::Created)
}

/// Writes a user whose name is free, under the next id.
fn make(change: &Change<'_>, new: &NewUser) -> Result<User, StoreError> {
    let user = new.numbered(change.next(Counter::Users)?);
    insert(change, &user, &[])?;
    Ok(user)
}

/// Stores a user who is not there yet, under a name that is free. Its roles are its own.
pub(super) fn insert(change: &Change<'_>, user: &User, groups: &[u64]) -> Result<(), StoreError> {
    change.put(&NAMES, user.username.as_str(), user.id.0)?;
    change.put_record(&USERS, user.id.0, &UserRecord::new(user, groups))?;
    recipes::replace(change, None, user.password.as_ref())?;
    indexes::enter(change, user)
}

pub(super) fn alter(
    change: &Change<'_>,
    id: UserId,
    what: &UserChange,
) -> Result<Option<User>, StoreError> {
    let Some(before) = Own::at(change, id)? else { return Ok(None) };
    let mut groups = before.groups.clone();
    if let UserChange::JoinGroup(name) = what {
        let joined = groups::number(change, name)?.filter(|number| !groups.contains(number));
        groups.extend(joined);
    } else if let UserChange::LeaveGroup(name) = what {
        let left = groups::number(change, name)?;
        groups.retain(|number| Some(*number) != left);
    }
    let user = before.user.clone().after(what, change.last(Counter::Sessions)?);
    let after = Own { user, groups };
    if after.user != before.user || after.groups != before.groups {
        after.save(change)?;
        recipes::replace(change, before.user.password.as_ref(), after.user.password.as_ref())?;
    }
    if after.user.email != before.user.email {
        indexes::leave(change, &before.user)?;
        indexes::enter(change, &after.user)?;
    }
    after.resolved(change).map(Some)
}

pub(super) fn delete(change: &Change<'_>, id: UserId) -> Result<bool, StoreError> {
    let Some(user) = find(change, id)? else { return Ok(false) };
    for number in sessions::numbers(change, id)? {
        sessions::remove(change, number)?;
    }
    keys::forget(change, id)?;
    factors::forget(change, id)?;
    recipes::replace(change, user.password.as_ref(), None)?;
    indexes::leave(change, &user)?;
    one_time::forget(change, id)?;
    change.remove(&NAMES, user.username.as_str())?;
    change.remove(&USERS, id.0)?;
    deleted::note(change, id)?;
    Ok(true)
}
