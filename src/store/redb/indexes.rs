//! Users by what they are compared by, kept in step with every change of a user.

use redb::{ReadableTable, WriteTransaction};

use super::codec::UserRecord;
use super::tables::{Change, EMAILS, LOOKS, Source, Table, USERS, decode, failed};
use crate::identity::UserId;
use crate::store::record::User;
use crate::store::{StoreError, fold_case, looks};

type Index = Table<(&'static str, u64), ()>;

/// Notes a user that is new, or whose address is.
pub(super) fn enter(change: &Change<'_>, user: &User) -> Result<(), StoreError> {
    for look in looks(&user.username) {
        change.put(&LOOKS, (look.as_str(), user.id.0), ())?;
    }
    if user.email.is_empty() {
        return Ok(());
    }
    change.put(&EMAILS, (fold_case(&user.email).as_str(), user.id.0), ())
}

/// Forgets a user as it was.
pub(super) fn leave(change: &Change<'_>, user: &User) -> Result<(), StoreError> {
    for look in looks(&user.username) {
        change.remove(&LOOKS, (look.as_str(), user.id.0))?;
    }
    change.remove(&EMAILS, (fold_case(&user.email).as_str(), user.id.0))
}

/// Who has that address; nobody has the empty one.
pub(super) fn with_email(source: &impl Source, email: &str) -> Result<Vec<u64>, StoreError> {
    listed(source, &EMAILS, &fold_case(email))
}

/// Whether somebody's name can be taken for that one, or is that one.
pub(super) fn is_alike(source: &impl Source, name: &str) -> Result<bool, StoreError> {
    for look in looks(name) {
        if !listed(source, &LOOKS, &look)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn listed(source: &impl Source, index: Index, text: &str) -> Result<Vec<u64>, StoreError> {
    let table = source.open(index)?;
    let rows = table.range((text, 0)..=(text, u64::MAX));
    let rows = rows.map_err(|error| failed(index, error))?;
    rows.map(|row| {
        let (key, _) = row.map_err(|error| failed(index, error))?;
        Ok(key.value().1)
    })
    .collect()
}

/// Notes every user of a file that was written before there were these tables.
pub(super) fn build(txn: &WriteTransaction) -> Result<(), StoreError> {
    let change = Change::new(txn);
    let users = change.open(&USERS)?;
    for row in users.iter().map_err(|error| failed(&USERS, error))? {
        let (id, bytes) = row.map_err(|error| failed(&USERS, error))?;
        let record: UserRecord = decode(&USERS, bytes.value())?;
        let (user, _groups) = record.into_user(UserId(id.value()));
        enter(&change, &user)?;
    }
    Ok(())
}
