//! Every row of every table, as it is stored: out of one store and into another.

use std::collections::BTreeMap;

use redb::{Key, ReadableTable, ReadableTableMetadata, TableHandle, Value, WriteTransaction};

use super::all_tables::{EachTable, each_table};
use super::tables::{FORMAT, META, Source, Table, VERSION, View, failed};
use crate::store::StoreError;
use crate::store::copy::{CopySink, Piece};

/// Hands every row over as it was at one moment. Nobody waits for it, but what is deleted
/// meanwhile gives no room back until it is over.
pub(super) fn copy_out(view: &View, sink: &mut CopySink) -> Result<(), StoreError> {
    let rows = counts(view)?.values().sum();
    let format = view.number(&META, FORMAT)?.unwrap_or(VERSION);
    given(sink(Piece::Store { format, rows }))?;
    each_table(&mut Out { view, sink })?;
    given(sink(Piece::End))
}

fn given(outcome: std::io::Result<()>) -> Result<(), StoreError> {
    outcome.map_err(|error| StoreError::Unavailable(error.into()))
}

/// How many rows there are in each table that has any.
pub(super) fn counts(view: &View) -> Result<BTreeMap<String, u64>, StoreError> {
    let mut count = Count { view, rows: BTreeMap::new() };
    each_table(&mut count)?;
    Ok(count.rows)
}

struct Count<'v> {
    view: &'v View,
    rows: BTreeMap<String, u64>,
}

impl EachTable for Count<'_> {
    type Error = StoreError;

    fn visit<K: Key + 'static, V: Value + 'static>(
        &mut self,
        table: Table<K, V>,
    ) -> Result<(), StoreError> {
        let count = self.view.open(table)?.len().map_err(|error| failed(table, error))?;
        if count > 0 {
            self.rows.insert(table.name().to_owned(), count);
        }
        Ok(())
    }
}

struct Out<'v> {
    view: &'v View,
    sink: &'v mut CopySink,
}

impl EachTable for Out<'_> {
    type Error = StoreError;

    fn visit<K: Key + 'static, V: Value + 'static>(
        &mut self,
        table: Table<K, V>,
    ) -> Result<(), StoreError> {
        given((self.sink)(Piece::Table(table.name())))?;
        let open = self.view.open(table)?;
        for row in open.iter().map_err(|error| failed(table, error))? {
            let (key, value) = row.map_err(|error| failed(table, error))?;
            let (key, value) = (key.value(), value.value());
            let (key, value) = (K::as_bytes(&key), V::as_bytes(&value));
            given((self.sink)(Piece::Row { key: key.as_ref(), value: value.as_ref() }))?;
        }
        Ok(())
    }
}

/// A row as it is stored.
pub(super) type RawRow = (Vec<u8>, Vec<u8>);

/// Why rows were not taken.
pub(super) enum NotTaken {
    /// There is no such table, or no such row can be in it.
    Foreign,
    /// The disk failed.
    Redb(redb::Error),
}

impl<E: Into<redb::Error>> From<E> for NotTaken {
    fn from(error: E) -> Self {
        Self::Redb(error.into())
    }
}

/// Writes rows into the table of that name. It panics where a row cannot be one of the table but
/// has the length of one.
pub(super) fn copy_in(txn: &WriteTransaction, name: &str, rows: &[RawRow]) -> Result<(), NotTaken> {
    let mut taker = In { txn, name, rows, found: false };
    each_table(&mut taker)?;
    if taker.found { Ok(()) } else { Err(NotTaken::Foreign) }
}

struct In<'r> {
    txn: &'r WriteTransaction,
    name: &'r str,
    rows: &'r [RawRow],
    found: bool,
}

impl EachTable for In<'_> {
    type Error = NotTaken;

    fn visit<K: Key + 'static, V: Value + 'static>(
        &mut self,
        table: Table<K, V>,
    ) -> Result<(), NotTaken> {
        if table.name() != self.name {
            return Ok(());
        }
        self.found = true;
        let mut open = self.txn.open_table(*table)?;
        for (key, value) in self.rows {
            let fits =
                |width: Option<usize>, bytes: &[u8]| width.is_none_or(|it| it == bytes.len());
            if !fits(K::fixed_width(), key) || !fits(V::fixed_width(), value) {
                return Err(NotTaken::Foreign);
            }
            open.insert(K::from_bytes(key), V::from_bytes(value))?;
        }
        Ok(())
    }
}
