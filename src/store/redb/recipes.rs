//! How many password hashes of each recipe there are, so that the price of them all is known
//! without a look at every user.

use redb::{ReadableTable, WriteTransaction};

use super::codec::UserRecord;
use super::tables::{Change, RECIPES, Source, USERS, View, decode, failed};
use crate::identity::UserId;
use crate::store::StoreError;
use crate::store::record::PasswordHash;

/// Counts a hash that comes in the place of another.
pub(super) fn replace(
    change: &Change<'_>,
    before: Option<&PasswordHash>,
    after: Option<&PasswordHash>,
) -> Result<(), StoreError> {
    let [before, after] = [before, after].map(|hash| hash.map(PasswordHash::recipe));
    if before == after {
        return Ok(());
    }
    if let Some(recipe) = after {
        let count = change.number(&RECIPES, recipe.as_str())?.unwrap_or(0);
        change.put(&RECIPES, recipe.as_str(), count.saturating_add(1))?;
    }
    let Some(recipe) = before else { return Ok(()) };
    match change.number(&RECIPES, recipe.as_str())? {
        None | Some(0 | 1) => change.remove(&RECIPES, recipe.as_str()),
        Some(count) => change.put(&RECIPES, recipe.as_str(), count - 1),
    }
}

/// The recipes that there are.
pub(super) fn all(view: &View) -> Result<Vec<String>, StoreError> {
    let table = view.open(&RECIPES)?;
    let rows = table.iter().map_err(|error| failed(&RECIPES, error))?;
    rows.map(|row| {
        let (recipe, _) = row.map_err(|error| failed(&RECIPES, error))?;
        Ok(recipe.value().to_owned())
    })
    .collect()
}

/// Counts the hashes of a file that was written before they were counted.
pub(super) fn build(txn: &WriteTransaction) -> Result<(), StoreError> {
    let change = Change::new(txn);
    let users = change.open(&USERS)?;
    for row in users.iter().map_err(|error| failed(&USERS, error))? {
        let (id, bytes) = row.map_err(|error| failed(&USERS, error))?;
        let record: UserRecord = decode(&USERS, bytes.value())?;
        let (user, _groups) = record.into_user(UserId(id.value()));
        replace(&change, None, user.password.as_ref())?;
    }
    Ok(())
}
