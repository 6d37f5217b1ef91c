//! What is done to every table, whatever it holds.

use std::convert::Infallible;

use redb::{Key, TableHandle, Value, WriteTransaction};

use super::tables::{
    ADOPTED, API_KEY_HASHES, API_KEYS, DELETED, EMAILS, FACTORS, GROUP_NAMES, GROUPS,
    INVITATION_HASHES, INVITATIONS, KEYS_OF_USERS, LETTERS, LETTERS_DUE, LETTERS_TO, LOOKS, META,
    NAMES, ONE_TIME, PASSKEYS, RECIPES, SESSIONS, SIGNED, Source, Table, USER_KEY_HASHES,
    USER_KEYS, USER_SESSIONS, USERS, View,
};
use crate::store::StoreError;

/// Something that is done to every table.
pub(super) trait EachTable {
    type Error;

    fn visit<K: Key + 'static, V: Value + 'static>(
        &mut self,
        table: Table<K, V>,
    ) -> Result<(), Self::Error>;
}

/// Does it to all tables there are, in the order in which their rows are copied: groups before their
/// members, users before what is theirs.
pub(super) fn each_table<E: EachTable>(each: &mut E) -> Result<(), E::Error> {
    each.visit(&META)?;
    each.visit(&GROUPS)?;
    each.visit(&USERS)?;
    each.visit(&NAMES)?;
    each.visit(&SESSIONS)?;
    each.visit(&USER_SESSIONS)?;
    each.visit(&ADOPTED)?;
    each.visit(&API_KEYS)?;
    each.visit(&API_KEY_HASHES)?;
    each.visit(&RECIPES)?;
    each.visit(&EMAILS)?;
    each.visit(&LOOKS)?;
    each.visit(&INVITATIONS)?;
    each.visit(&INVITATION_HASHES)?;
    each.visit(&DELETED)?;
    each.visit(&GROUP_NAMES)?;
    each.visit(&LETTERS)?;
    each.visit(&LETTERS_DUE)?;
    each.visit(&LETTERS_TO)?;
    each.visit(&ONE_TIME)?;
    each.visit(&USER_KEYS)?;
    each.visit(&USER_KEY_HASHES)?;
    each.visit(&KEYS_OF_USERS)?;
    each.visit(&FACTORS)?;
    each.visit(&PASSKEYS)?;
    each.visit(&SIGNED)
}

/// Makes the tables that are not there yet, for a table that was never made cannot be read.
pub(super) fn create(txn: &WriteTransaction) -> Result<(), redb::Error> {
    each_table(&mut Create(txn))
}

struct Create<'t>(&'t WriteTransaction);

impl EachTable for Create<'_> {
    type Error = redb::Error;

    fn visit<K: Key + 'static, V: Value + 'static>(
        &mut self,
        table: Table<K, V>,
    ) -> Result<(), redb::Error> {
        self.0.open_table(*table)?;
        Ok(())
    }
}

/// What they are called.
pub(super) fn names() -> Vec<&'static str> {
    let mut names = Names(Vec::new());
    let Ok(()) = each_table(&mut names);
    names.0
}

struct Names(Vec<&'static str>);

impl EachTable for Names {
    type Error = Infallible;

    fn visit<K: Key + 'static, V: Value + 'static>(
        &mut self,
        table: Table<K, V>,
    ) -> Result<(), Infallible> {
        self.0.push(table.name());
        Ok(())
    }
}

/// Whether there are all of them.
pub(super) fn are_there(view: &View) -> bool {
    each_table(&mut Look(view)).is_ok()
}

struct Look<'v>(&'v View);

impl EachTable for Look<'_> {
    type Error = StoreError;

    fn visit<K: Key + 'static, V: Value + 'static>(
        &mut self,
        table: Table<K, V>,
    ) -> Result<(), StoreError> {
        self.0.open(table).map(drop)
    }
}
