//! The tables of the file, and typed access to them inside one transaction.

use std::borrow::Borrow;
use std::cell::Cell;
use std::error::Error;

use minicbor::{Decode, Encode};
use redb::{
    Key, ReadTransaction, ReadableTable, TableDefinition, TableHandle, Value, WriteTransaction,
};

use crate::store::StoreError;

/// A table, with the name that errors and the file know it by.
pub(super) type Table<K, V> = &'static TableDefinition<'static, K, V>;

/// A CBOR record, see [`super::codec`].
pub(super) type Bytes = &'static [u8];

/// [`FORMAT`], and the last number given by each counter.
pub(super) static META: TableDefinition<'static, &'static str, u64> = TableDefinition::new("meta");
/// User id to user.
pub(super) static USERS: TableDefinition<'static, u64, Bytes> = TableDefinition::new("users");
/// Username to user id.
pub(super) static NAMES: TableDefinition<'static, &'static str, u64> =
    TableDefinition::new("names");
/// Session number to session.
pub(super) static SESSIONS: TableDefinition<'static, u64, Bytes> = TableDefinition::new("sessions");
/// The sessions of each user: user id, session number.
pub(super) static USER_SESSIONS: TableDefinition<'static, (u64, u64), ()> =
    TableDefinition::new("user_sessions");
/// The `jti` of a token made elsewhere to the session that stands for it.
pub(super) static ADOPTED: TableDefinition<'static, &'static str, u64> =
    TableDefinition::new("adopted");
/// User id to API key.
pub(super) static API_KEYS: TableDefinition<'static, u64, Bytes> = TableDefinition::new("api_keys");
/// SHA-256 of an API key to user id.
pub(super) static API_KEY_HASHES: TableDefinition<'static, [u8; 32], u64> =
    TableDefinition::new("api_key_hashes");
/// The recipe of a password hash to how many users have one.
pub(super) static RECIPES: TableDefinition<'static, &'static str, u64> =
    TableDefinition::new("recipes");
/// The users of an address, folded: address, user id.
pub(super) static EMAILS: TableDefinition<'static, (&'static str, u64), ()> =
    TableDefinition::new("emails");
/// The users whose name has a look, see [`crate::store::looks`]: look, user id.
pub(super) static LOOKS: TableDefinition<'static, (&'static str, u64), ()> =
    TableDefinition::new("looks");
/// Invitation number to invitation.
pub(super) static INVITATIONS: TableDefinition<'static, u64, Bytes> =
    TableDefinition::new("invitations");
/// SHA-256 of an invitation to its number.
pub(super) static INVITATION_HASHES: TableDefinition<'static, [u8; 32], u64> =
    TableDefinition::new("invitation_hashes");
/// The ids of users who were deleted: no import brings them back as somebody else.
pub(super) static DELETED: TableDefinition<'static, u64, ()> = TableDefinition::new("deleted");

/// Group number to group.
pub(super) static GROUPS: TableDefinition<'static, u64, Bytes> = TableDefinition::new("groups");
/// Group name to group number.
pub(super) static GROUP_NAMES: TableDefinition<'static, &'static str, u64> =
    TableDefinition::new("group_names");

/// Letter number to letter.
pub(super) static LETTERS: TableDefinition<'static, u64, Bytes> = TableDefinition::new("letters");
/// The letters in the order in which they are due: milliseconds, letter number.
pub(super) static LETTERS_DUE: TableDefinition<'static, (u64, u64), ()> =
    TableDefinition::new("letters_due");
/// The letters to each address, as addresses are compared: address, letter number.
pub(super) static LETTERS_TO: TableDefinition<'static, (&'static str, u64), ()> =
    TableDefinition::new("letters_to");
/// User id and purpose to one-time tokens.
pub(super) static ONE_TIME: TableDefinition<'static, (u64, u8), Bytes> =
    TableDefinition::new("one_time_tokens");

/// Number to key that a user made.
pub(super) static USER_KEYS: TableDefinition<'static, u64, Bytes> =
    TableDefinition::new("user_keys");
/// SHA-256 of such a key to its number.
pub(super) static USER_KEY_HASHES: TableDefinition<'static, [u8; 32], u64> =
    TableDefinition::new("user_key_hashes");
/// Those of each user: user id, number.
pub(super) static KEYS_OF_USERS: TableDefinition<'static, (u64, u64), ()> =
    TableDefinition::new("keys_of_users");

/// User id to second factors.
pub(super) static FACTORS: TableDefinition<'static, u64, Bytes> = TableDefinition::new("factors");

/// SHA-256 of the credential of a passkey to the user who has it.
pub(super) static PASSKEYS: TableDefinition<'static, [u8; 32], u64> =
    TableDefinition::new("passkeys");
/// SHA-256 of a challenge that a passkey has signed to when it would have ended: it is good once.
pub(super) static SIGNED: TableDefinition<'static, [u8; 32], u64> =
    TableDefinition::new("signed_challenges");

/// The entry of [`META`] that makes a redb file a store of ours; its value is the version.
pub(super) const FORMAT: &str = "portcullis";

/// The layout that this code writes. Raise it when an older binary would do harm to a newer
/// file, by misreading it or by dropping a field whose loss matters.
///
/// 2: [`RECIPES`], which an older binary would leave as it is when passwords change. 3: [`EMAILS`]
/// and [`LOOKS`], which it would leave as they are when users change. 4: [`FACTORS`], which it would
/// not ask for. 5: passkeys in [`FACTORS`], which it would not ask for either.
pub(super) const VERSION: u64 = 5;

/// The first version whose files have [`RECIPES`].
pub(super) const COUNTED: u64 = 2;

/// The first version whose files have [`EMAILS`] and [`LOOKS`].
pub(super) const INDEXED: u64 = 3;

/// A series of numbers, each given once, whatever is deleted and however often we restart.
#[derive(Clone, Copy, Debug)]
pub(super) enum Counter {
    Users,
    Sessions,
    Invitations,
    Groups,
    Letters,
    UserKeys,
}

impl Counter {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Users => "last_user",
            Self::Sessions => "last_session",
            Self::Invitations => "last_invitation",
            Self::Groups => "last_group",
            Self::Letters => "last_letter",
            Self::UserKeys => "last_user_key",
        }
    }
}

/// What a transaction can be asked, whether it may write or not.
pub(super) trait Source {
    /// The table as this transaction sees it.
    fn open<K: Key, V: Value>(
        &self,
        table: Table<K, V>,
    ) -> Result<impl ReadableTable<K, V>, StoreError>;

    /// The number kept under `key`.
    fn number<'k, K: Key>(
        &self,
        table: Table<K, u64>,
        key: impl Borrow<K::SelfType<'k>>,
    ) -> Result<Option<u64>, StoreError> {
        let open = self.open(table)?;
        let found = open.get(key).map_err(|error| failed(table, error))?;
        Ok(found.map(|value| value.value()))
    }

    /// Whether something is kept under `key`.
    fn is_in<'k, K: Key, V: Value>(
        &self,
        table: Table<K, V>,
        key: impl Borrow<K::SelfType<'k>>,
    ) -> Result<bool, StoreError> {
        let open = self.open(table)?;
        let found = open.get(key).map_err(|error| failed(table, error))?;
        Ok(found.is_some())
    }

    /// The record kept under `key`.
    fn record<'k, K: Key, R: for<'b> Decode<'b, ()>>(
        &self,
        table: Table<K, Bytes>,
        key: impl Borrow<K::SelfType<'k>>,
    ) -> Result<Option<R>, StoreError> {
        let open = self.open(table)?;
        let found = open.get(key).map_err(|error| failed(table, error))?;
        found.map(|value| decode(table, value.value())).transpose()
    }

    /// The last number that `counter` gave; 0 if none.
    fn last(&self, counter: Counter) -> Result<u64, StoreError> {
        Ok(self.number(&META, counter.name())?.unwrap_or(0))
    }
}

/// The store as it was at one moment.
pub(super) struct View(pub(super) ReadTransaction);

impl Source for View {
    fn open<K: Key, V: Value>(
        &self,
        table: Table<K, V>,
    ) -> Result<impl ReadableTable<K, V>, StoreError> {
        self.0.open_table(*table).map_err(|error| failed(table, error))
    }
}

/// The store as it will be if the transaction commits.
///
/// A table may be open only once in a write transaction, so nothing here keeps one open.
pub(super) struct Change<'t> {
    txn: &'t WriteTransaction,
    dirty: Cell<bool>,
}

impl<'t> Change<'t> {
    pub(super) const fn new(txn: &'t WriteTransaction) -> Self {
        Self { txn, dirty: Cell::new(false) }
    }

    /// Whether anything was written, so that there is something to commit.
    pub(super) const fn is_dirty(&self) -> bool {
        self.dirty.get()
    }

    pub(super) fn put<'k, 'v, K: Key, V: Value>(
        &self,
        table: Table<K, V>,
        key: impl Borrow<K::SelfType<'k>>,
        value: impl Borrow<V::SelfType<'v>>,
    ) -> Result<(), StoreError> {
        self.dirty.set(true);
        let mut open = self.txn.open_table(*table).map_err(|error| failed(table, error))?;
        open.insert(key, value).map_err(|error| failed(table, error))?;
        Ok(())
    }

    pub(super) fn put_record<'k, K: Key>(
        &self,
        table: Table<K, Bytes>,
        key: impl Borrow<K::SelfType<'k>>,
        record: &impl Encode<()>,
    ) -> Result<(), StoreError> {
        let bytes =
            minicbor::to_vec(record).map_err(|error| StoreError::Unavailable(error.into()))?;
        self.put(table, key, bytes.as_slice())
    }

    pub(super) fn remove<'k, K: Key, V: Value>(
        &self,
        table: Table<K, V>,
        key: impl Borrow<K::SelfType<'k>>,
    ) -> Result<(), StoreError> {
        self.dirty.set(true);
        let mut open = self.txn.open_table(*table).map_err(|error| failed(table, error))?;
        open.remove(key).map_err(|error| failed(table, error))?;
        Ok(())
    }

    /// The next number of `counter`, the first being 1.
    pub(super) fn next(&self, counter: Counter) -> Result<u64, StoreError> {
        let next = self.last(counter)?.checked_add(1);
        let next = next.ok_or_else(|| StoreError::Unavailable("out of numbers".into()))?;
        self.put(&META, counter.name(), next)?;
        Ok(next)
    }
}

impl Change<'_> {
    /// Lets `counter` go on from `number` at least.
    pub(super) fn raise(&self, counter: Counter, number: u64) -> Result<(), StoreError> {
        if number > self.last(counter)? {
            self.put(&META, counter.name(), number)?;
        }
        Ok(())
    }
}

impl Source for Change<'_> {
    fn open<K: Key, V: Value>(
        &self,
        table: Table<K, V>,
    ) -> Result<impl ReadableTable<K, V>, StoreError> {
        self.txn.open_table(*table).map_err(|error| failed(table, error))
    }
}

/// Reads a record of `table`.
pub(super) fn decode<K: Key, R: for<'b> Decode<'b, ()>>(
    table: Table<K, Bytes>,
    bytes: &[u8],
) -> Result<R, StoreError> {
    minicbor::decode(bytes).map_err(|error| corrupt(table, error))
}

/// What an error of redb while working on `table` means to the caller.
pub(super) fn failed<K: Key, V: Value>(
    table: Table<K, V>,
    error: impl Into<redb::Error>,
) -> StoreError {
    let error = error.into();
    if matches!(error, redb::Error::Corrupted(_)) {
        return corrupt(table, error);
    }
    StoreError::Unavailable(error.into())
}

/// `table` holds what it cannot hold.
pub(super) fn corrupt<K: Key, V: Value>(
    table: Table<K, V>,
    source: impl Into<Box<dyn Error + Send + Sync>>,
) -> StoreError {
    StoreError::Corrupt { table: table.name(), source: source.into() }
}

/// An index of `table` names a record that is not there.
pub(super) fn dangling<K: Key, V: Value>(table: Table<K, V>) -> StoreError {
    corrupt(table, "an index names a record that is not there")
}
