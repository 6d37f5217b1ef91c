//! Groups: roles that are given to many at once.
//!
//! A user's record holds the numbers of its groups. A number is never given twice, so that one
//! whose group was deleted says nothing for ever, and nobody has to look for the members.

use async_trait::async_trait;
use redb::ReadableTable;

use super::codec::GroupRecord;
use super::tables::{
    Change, Counter, GROUP_NAMES, GROUPS, Source, USERS, View, dangling, decode, failed,
};
use super::{RedbStore, users};
use crate::identity::UserId;
use crate::store::{Group, GroupArrival, GroupChange, GroupStore, StoreError, User};

#[async_trait]
impl GroupStore for RedbStore {
    async fn create_group(&self, name: &str) -> Result<Option<Group>, StoreError> {
        let name = name.to_owned();
        self.write(move |change| create(change, &name)).await
    }

    async fn group(&self, name: &str) -> Result<Option<Group>, StoreError> {
        let name = name.to_owned();
        self.read(move |view| by_name(view, &name)).await
    }

    async fn groups(&self) -> Result<Vec<Group>, StoreError> {
        self.read(all).await
    }

    async fn group_members(
        &self,
        name: &str,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<User>, StoreError> {
        let name = name.to_owned();
        self.read(move |view| members(view, &name, after, limit)).await
    }

    async fn change_group(
        &self,
        name: &str,
        change: GroupChange,
    ) -> Result<Option<Group>, StoreError> {
        let name = name.to_owned();
        self.write(move |txn| alter(txn, &name, &change)).await
    }

    async fn delete_group(&self, name: &str) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.write(move |change| delete(change, &name)).await
    }
}

pub(super) fn number(source: &impl Source, name: &str) -> Result<Option<u64>, StoreError> {
    source.number(&GROUP_NAMES, name)
}

pub(super) fn by_name(source: &impl Source, name: &str) -> Result<Option<Group>, StoreError> {
    let Some(number) = number(source, name)? else { return Ok(None) };
    by_number(source, number)?.map(Some).ok_or_else(|| dangling(&GROUP_NAMES))
}

/// The group of that number; `None` if it was deleted.
pub(super) fn by_number(source: &impl Source, number: u64) -> Result<Option<Group>, StoreError> {
    let found: Option<GroupRecord> = source.record(&GROUPS, number)?;
    Ok(found.map(Into::into))
}

/// All groups, by name.
pub(super) fn all(view: &View) -> Result<Vec<Group>, StoreError> {
    let table = view.open(&GROUPS)?;
    let rows = table.iter().map_err(|error| failed(&GROUPS, error))?;
    let groups = rows.map(|row| {
        let (_, bytes) = row.map_err(|error| failed(&GROUPS, error))?;
        kept(bytes.value())
    });
    let mut groups: Vec<Group> = groups.collect::<Result<_, StoreError>>()?;
    groups.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Ok(groups)
}

/// `None` if there is one of that name.
pub(super) fn create(change: &Change<'_>, name: &str) -> Result<Option<Group>, StoreError> {
    if number(change, name)?.is_some() {
        return Ok(None);
    }
    let group = Group { name: name.to_owned(), roles: Vec::new() };
    insert(change, &group)?;
    Ok(Some(group))
}

/// Stores a group whose name is free, and returns its number.
fn insert(change: &Change<'_>, group: &Group) -> Result<u64, StoreError> {
    let number = change.next(Counter::Groups)?;
    keep(change, number, group)?;
    Ok(number)
}

/// Stores a group whose name and number are free.
pub(super) fn keep(change: &Change<'_>, number: u64, group: &Group) -> Result<(), StoreError> {
    change.put(&GROUP_NAMES, group.name.as_str(), number)?;
    change.put_record(&GROUPS, number, &GroupRecord::from(group))
}

/// A group as it is kept.
pub(super) fn kept(bytes: &[u8]) -> Result<Group, StoreError> {
    decode::<_, GroupRecord>(&GROUPS, bytes).map(Into::into)
}

/// The numbers of those groups. One that is not there is made, without roles: it gives nothing
/// until somebody says what.
pub(super) fn numbers(change: &Change<'_>, names: &[String]) -> Result<Vec<u64>, StoreError> {
    let mut numbers = Vec::with_capacity(names.len());
    for name in names {
        let number = match number(change, name)? {
            Some(number) => number,
            None => insert(change, &Group { name: name.clone(), roles: Vec::new() })?,
        };
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    Ok(numbers)
}

/// What would become of a group that comes in.
pub(super) fn judge(source: &impl Source, new: &Group) -> Result<GroupArrival, StoreError> {
    Ok(match by_name(source, &new.name)? {
        None => GroupArrival::Stored,
        Some(there) => GroupArrival::Present { differs: there.roles != new.roles },
    })
}

/// Stores a group that comes in, unless there is one of its name.
pub(super) fn take(change: &Change<'_>, new: &Group) -> Result<GroupArrival, StoreError> {
    let arrival = judge(change, new)?;
    if arrival == GroupArrival::Stored {
        insert(change, new)?;
    }
    Ok(arrival)
}

pub(super) fn alter(
    change: &Change<'_>,
    name: &str,
    what: &GroupChange,
) -> Result<Option<Group>, StoreError> {
    let Some(number) = number(change, name)? else { return Ok(None) };
    let group = by_number(change, number)?.ok_or_else(|| dangling(&GROUP_NAMES))?;
    let after = group.clone().after(what);
    if after != group {
        change.put_record(&GROUPS, number, &GroupRecord::from(&after))?;
    }
    Ok(Some(after))
}

pub(super) fn delete(change: &Change<'_>, name: &str) -> Result<bool, StoreError> {
    let Some(number) = number(change, name)? else { return Ok(false) };
    change.remove(&GROUP_NAMES, name)?;
    change.remove(&GROUPS, number)?;
    Ok(true)
}

/// At most `limit` members with ids above `after`, in order of their ids. All users are looked
/// at: who is a member is written at the member.
pub(super) fn members(
    view: &View,
    name: &str,
    after: Option<UserId>,
    limit: usize,
) -> Result<Vec<User>, StoreError> {
    let Some(number) = number(view, name)? else { return Ok(Vec::new()) };
    let table = view.open(&USERS)?;
    let rows = users::rows(&table, after)?;
    let mut found = Vec::new();
    for row in rows {
        if found.len() == limit {
            break;
        }
        let own = users::read(row)?;
        if own.groups.contains(&number) {
            found.push(own.resolved(view)?);
        }
    }
    Ok(found)
}
