//! The ids of users who were deleted.

use std::ops::Bound;

use redb::ReadableTable;

use super::tables::{Change, Counter, DELETED, Source, USERS, View, failed};
use crate::identity::UserId;
use crate::store::StoreError;

pub(super) fn is_deleted(source: &impl Source, id: UserId) -> Result<bool, StoreError> {
    source.is_in(&DELETED, id.0)
}

pub(super) fn note(change: &Change<'_>, id: UserId) -> Result<(), StoreError> {
    change.put(&DELETED, id.0, ())
}

/// Those of the ids that are users.
pub(super) fn alive(source: &impl Source, ids: &[UserId]) -> Result<Vec<UserId>, StoreError> {
    let mut alive = Vec::new();
    for id in ids {
        if source.is_in(&USERS, id.0)? {
            alive.push(*id);
        }
    }
    Ok(alive)
}

/// Notes those that are no users, and returns those that are.
pub(super) fn take(change: &Change<'_>, ids: &[UserId]) -> Result<Vec<UserId>, StoreError> {
    let alive = alive(change, ids)?;
    for id in ids.iter().filter(|id| !alive.contains(id)) {
        // What is there already is no reason to write.
        if !is_deleted(change, *id)? {
            change.raise(Counter::Users, id.0)?;
            note(change, *id)?;
        }
    }
    Ok(alive)
}

pub(super) fn page(
    view: &View,
    after: Option<UserId>,
    limit: usize,
) -> Result<Vec<UserId>, StoreError> {
    let start = after.map_or(Bound::Unbounded, |id| Bound::Excluded(id.0));
    let table = view.open(&DELETED)?;
    let rows = table.range::<u64>((start, Bound::Unbounded));
    let rows = rows.map_err(|error| failed(&DELETED, error))?;
    rows.take(limit)
        .map(|row| Ok(UserId(row.map_err(|error| failed(&DELETED, error))?.0.value())))
        .collect()
}
