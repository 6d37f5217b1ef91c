//! Rows as they are stored, read as the records that they are.

use std::collections::BTreeMap;

use redb::{Key, TableHandle, Value};

use super::UNFINISHED;
use super::spans::Spans;
use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::store::copy::Piece;
use crate::store::redb::tables::{
    API_KEYS, Counter, DELETED, FACTORS, FORMAT, GROUPS, INVITATIONS, LETTERS, META, ONE_TIME,
    SESSIONS, SIGNED, Table, USER_KEYS, USERS, VERSION, corrupt,
};
use crate::store::redb::{
    all_tables, factors, groups, invitations, keys, letters, one_time, sessions, user_keys, users,
};
use crate::store::transfer::{AllNumbers, StoreRecord};
use crate::store::{SignedChallenge, StoreError, User};

const OLD_ORDER: &str =
    "its gateway is older than this program: start it anew with this one, or stop it";
const NEWER: &str = "it was written by a newer portcullis: copy it with that one";

/// Makes records of the pieces of a copy. Rows that belong to users who are gone, which an old binary
/// may have left, are left out: a database would not take them, and nobody can use them.
#[derive(Debug, Default)]
pub struct RowReader {
    table: String,
    numbers: AllNumbers,
    /// By number. `None` until their table begins.
    groups: Option<BTreeMap<u64, String>>,
    users: Spans,
    left_out: u64,
}

impl RowReader {
    /// How many rows were left out.
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Reads a piece. Rows of an index are no records, and the numbers are one together.
    ///
    /// # Errors
    ///
    /// It is no store, or one that this version cannot read.
    pub fn take(&mut self, piece: Piece<'_>) -> Result<Option<StoreRecord>, StoreError> {
        match piece {
            // A copy that is not finished has this form, whatever it says.
            Piece::Store { format, .. } if format > VERSION && format != UNFINISHED => {
                Err(refused(NEWER))
            }
            Piece::Store { .. } | Piece::End => Ok(None),
            Piece::Table(name) => self.begin(name),
            Piece::Row { key, value } => self.row(key, value),
        }
    }

    fn begin(&mut self, name: &str) -> Result<Option<StoreRecord>, StoreError> {
        if !all_tables::names().contains(&name) {
            return Err(refused(NEWER));
        }
        if name == GROUPS.name() {
            self.groups = Some(BTreeMap::new());
        }
        let ended = self.table == META.name();
        name.clone_into(&mut self.table);
        Ok(ended.then_some(StoreRecord::Numbers(self.numbers)))
    }

    fn row(&mut self, key: &[u8], value: &[u8]) -> Result<Option<StoreRecord>, StoreError> {
        let table = self.table.as_str();
        let record = if table == META.name() {
            self.number(key, value)?;
            return Ok(None);
        } else if table == GROUPS.name() {
            let (number, group) = (fit(&GROUPS, key)?, groups::kept(value)?);
            let names = self.groups.get_or_insert_default();
            names.insert(number, group.name.clone());
            StoreRecord::Group { number, group }
        } else if table == USERS.name() {
            StoreRecord::User(self.user(UserId(fit(&USERS, key)?), value)?)
        } else if table == SESSIONS.name() {
            StoreRecord::Session(sessions::kept_row(fit(&SESSIONS, key)?, value)?)
        } else if table == API_KEYS.name() {
            let user = UserId(fit(&API_KEYS, key)?);
            StoreRecord::ApiKey { user, key: keys::kept(value)? }
        } else if table == INVITATIONS.name() {
            StoreRecord::Invitation(invitations::kept(fit(&INVITATIONS, key)?, value)?)
        } else if table == DELETED.name() {
            StoreRecord::Deleted(UserId(fit(&DELETED, key)?))
        } else if table == LETTERS.name() {
            let letter = letters::kept(fit(&LETTERS, key)?, value)?;
            StoreRecord::Letter(letter.ok_or_else(|| refused(NEWER))?)
        } else if table == ONE_TIME.name() {
            let tokens = one_time::kept(fit(&ONE_TIME, key)?, value)?;
            if tokens.tokens.is_empty() {
                return Ok(None);
            }
            StoreRecord::Tokens(tokens)
        } else if table == USER_KEYS.name() {
            StoreRecord::UserKey(user_keys::kept(fit(&USER_KEYS, key)?, value)?)
        } else if table == FACTORS.name() {
            let user = UserId(fit(&FACTORS, key)?);
            StoreRecord::Factors { user, factors: factors::kept(value)? }
        } else if table == SIGNED.name() {
            let (hash, expires) = (fit(&SIGNED, key)?, fit_value(&SIGNED, value)?);
            let expires = Timestamp::from_millis(expires);
            StoreRecord::Signed(SignedChallenge { hash, expires })
        } else {
            // An index, made anew where the records are stored.
            return Ok(None);
        };
        if owner(&record).is_some_and(|user| !self.users.has(user.0)) {
            self.left_out += 1;
            return Ok(None);
        }
        Ok(Some(record))
    }

    fn number(&mut self, name: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let value = fit_value(&META, value)?;
        let AllNumbers { exported, groups, letters } = &mut self.numbers;
        let is = |counter: Counter| counter.name().as_bytes() == name;
        let last = match () {
            () if name == FORMAT.as_bytes() => return Ok(()),
            () if is(Counter::Users) => &mut exported.users,
            () if is(Counter::Sessions) => &mut exported.sessions,
            () if is(Counter::Invitations) => &mut exported.invitations,
            () if is(Counter::UserKeys) => &mut exported.keys,
            () if is(Counter::Groups) => groups,
            () if is(Counter::Letters) => letters,
            () => return Err(refused(NEWER)),
        };
        *last = value;
        Ok(())
    }

    fn user(&mut self, id: UserId, value: &[u8]) -> Result<User, StoreError> {
        let names = self.groups.as_ref().ok_or_else(|| refused(OLD_ORDER))?;
        let own = users::kept(id, value)?;
        let mut user = own.user;
        // Numbers of groups that were deleted stay with those who were their members.
        user.groups = own.groups.iter().filter_map(|number| names.get(number).cloned()).collect();
        user.groups.sort_unstable();
        user.groups.dedup();
        self.users.push(id.0);
        Ok(user)
    }
}

/// The user that a record goes with.
const fn owner(record: &StoreRecord) -> Option<UserId> {
    match record {
        StoreRecord::Session(kept) => Some(kept.session.user),
        StoreRecord::Tokens(kept) => Some(kept.user),
        StoreRecord::UserKey(key) => Some(key.user),
        StoreRecord::ApiKey { user, .. } | StoreRecord::Factors { user, .. } => Some(*user),
        StoreRecord::Numbers(_)
        | StoreRecord::Group { .. }
        | StoreRecord::User(_)
        | StoreRecord::Invitation(_)
        | StoreRecord::Deleted(_)
        | StoreRecord::Letter(_)
        | StoreRecord::Signed(_) => None,
    }
}

fn refused(why: &'static str) -> StoreError {
    StoreError::Unavailable(why.into())
}

/// A key of that table.
fn fit<K: Key, V: Value>(table: Table<K, V>, bytes: &[u8]) -> Result<K::SelfType<'_>, StoreError> {
    // redb reads it without a check, and panics where it has another length.
    if K::fixed_width() == Some(bytes.len()) {
        return Ok(K::from_bytes(bytes));
    }
    Err(corrupt(table, "a key has another length"))
}

/// A value of that table.
fn fit_value<K: Key, V: Value>(
    table: Table<K, V>,
    bytes: &[u8],
) -> Result<V::SelfType<'_>, StoreError> {
    if V::fixed_width() == Some(bytes.len()) {
        return Ok(V::from_bytes(bytes));
    }
    Err(corrupt(table, "a value has another length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table that is added is a record, or an index; which one is decided here and in `row`.
    #[test]
    fn every_table_is_copied_or_made_anew() {
        let records = [
            "meta",
            "groups",
            "users",
            "sessions",
            "api_keys",
            "invitations",
            "deleted",
            "letters",
            "one_time_tokens",
            "user_keys",
            "factors",
            "signed_challenges",
        ];
        let indexes = [
            "names",
            "user_sessions",
            "adopted",
            "api_key_hashes",
            "recipes",
            "emails",
            "looks",
            "invitation_hashes",
            "group_names",
            "letters_due",
            "letters_to",
            "user_key_hashes",
            "keys_of_users",
            "passkeys",
        ];
        let mut decided = [&records[..], &indexes[..]].concat();
        let mut tables = all_tables::names();
        decided.sort_unstable();
        tables.sort_unstable();
        assert_eq!(tables, decided);
        for name in all_tables::names() {
            let mut reader = RowReader::default();
            reader.begin(name).unwrap();
            // What is a record is looked at, and this is none.
            let read = reader.row(b"", b"");
            assert_eq!(read.is_err(), records.contains(&name), "{name}: {read:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let mut reader = RowReader::default();
        assert!(reader.take(Piece::Store { format: VERSION + 1, rows: 0 }).is_err());
        assert!(reader.take(Piece::Table("later")).is_err());
        reader.take(Piece::Table("meta")).unwrap();
        let row = |key| Piece::Row { key, value: &[1, 0, 0, 0, 0, 0, 0, 0] };
        assert!(reader.take(row(b"last_of_another_kind")).is_err());
        reader.take(row(b"last_user")).unwrap();
        let numbers = reader.take(Piece::Table("users")).unwrap();
        assert!(matches!(numbers, Some(StoreRecord::Numbers(all)) if all.exported.users == 1));
        let error = reader.take(row(&[7, 0, 0, 0, 0, 0, 0, 0])).unwrap_err();
        assert!(crate::causes::chain(&error).contains("older than this program"), "{error:?}");
    }
}
