//! A store in the making: what a restore builds beside the place where it will be.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

use redb::{Database, ReadableDatabase, TableHandle};

use super::copying::{NotTaken, RawRow, copy_in};
use super::finished::{FinishedDraft, further};
use super::lasting::Lasting;
use super::open::Place;
use super::tables::{
    Change, LETTERS, LETTERS_DUE, LETTERS_TO, META, ONE_TIME, Source, USERS, VERSION, View, failed,
};
use super::{all_tables, copying, moving, users, writer};
use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::new_file::NewFile;
use crate::store::copy::Piece;
use crate::store::{Numbers, OpenError, StoreError, UserChange};

/// Most bytes of rows in one transaction.
const BATCH: usize = 8 << 20;

/// What a row costs beside its bytes: a million empty ones are not nothing.
const ROW: usize = 64;

/// Users that one transaction changes at most.
const STEP: usize = 1024;

/// A store that is made of the pieces of a copy. It has its name only when it is published;
/// dropped before, it is gone.
pub struct StoreDraft {
    new: NewFile,
    path: PathBuf,
    db: Database,
    table: String,
    /// Tables that rows were taken of.
    taken: BTreeSet<String>,
    rows: Vec<RawRow>,
    bytes: usize,
}

/// What is done to a copy before it is a store again.
#[derive(Clone, Copy, Debug)]
pub struct Finish {
    /// The last numbers that a later state of the same store gave: none of them is given again.
    /// Where they are not known, or are not later, the numbers of the copy leap far ahead.
    pub later: Option<Numbers>,
    /// Every session and token up to that moment is over, and so are letters that wait and links
    /// that were sent. `None`: they are as they were.
    pub end_logins: Option<Timestamp>,
}

/// Hashes of passwords are in its rows.
impl fmt::Debug for StoreDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreDraft").field("path", &self.path).finish_non_exhaustive()
    }
}

impl StoreDraft {
    /// Whether a store can be made of a copy in that form with so many rows of each table, as far as
    /// that tells. `path` is that of the copy.
    ///
    /// # Errors
    ///
    /// [`OpenError::Foreign`] if not.
    pub fn judge(path: &Path, format: u64, rows: &BTreeMap<String, u64>) -> Result<(), OpenError> {
        let place = Place(path);
        if format > VERSION {
            return Err(place.newer());
        }
        let known = all_tables::names();
        if rows.keys().any(|name| !known.contains(&name.as_str())) {
            return Err(place.unfit("it has rows that are in no store"));
        }
        if !rows.contains_key(META.name()) {
            return Err(place.unfit("it is not marked as one"));
        }
        Ok(())
    }

    /// Begins a store that will be at `path`, of a copy in that form.
    ///
    /// # Errors
    ///
    /// [`OpenError::Foreign`] if the form is newer than this code; otherwise the system's.
    pub fn begin(path: &Path, format: u64) -> Result<Self, OpenError> {
        let place = Place(path);
        if format > VERSION {
            return Err(place.newer());
        }
        let new = NewFile::create(path).map_err(|error| place.io(error))?;
        let disk = Lasting::new(place.backend(place.copy_of(new.file())?)?);
        let db = place.database(disk)?;
        let create = || {
            let txn = db.begin_write()?;
            all_tables::create(&txn)?;
            txn.commit()?;
            Ok(())
        };
        create().map_err(|error| place.failed(error))?;
        Ok(Self {
            new,
            path: path.to_owned(),
            db,
            table: String::new(),
            taken: BTreeSet::new(),
            rows: Vec::new(),
            bytes: 0,
        })
    }

    /// Takes the next piece.
    ///
    /// # Errors
    ///
    /// [`OpenError::Foreign`] if no store has such a piece; otherwise the system's.
    pub fn take(&mut self, piece: Piece<'_>) -> Result<(), OpenError> {
        match piece {
            Piece::Table(name) => {
                self.flush()?;
                // Each table is a commit at least: nobody else says how many there are.
                if self.taken.contains(name) {
                    return Err(self.place().unfit("a table comes twice"));
                }
                name.clone_into(&mut self.table);
            }
            Piece::Row { key, value } => {
                self.bytes += key.len() + value.len() + ROW;
                self.rows.push((key.to_owned(), value.to_owned()));
                if self.bytes >= BATCH {
                    self.flush()?;
                }
            }
            Piece::Store { .. } => {}
            Piece::End => self.flush()?,
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), OpenError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let write = || {
            let txn = self.db.begin_write()?;
            copy_in(&txn, &self.table, &self.rows)?;
            txn.commit()?;
            Ok(())
        };
        // What a row holds is read without a check by redb, which panics where it is no such thing.
        let written = std::panic::catch_unwind(AssertUnwindSafe(write));
        match written.unwrap_or(Err(NotTaken::Foreign)) {
            Ok(()) => {}
            Err(NotTaken::Foreign) => {
                return Err(self.place().unfit("it has rows that are in no store"));
            }
            Err(NotTaken::Redb(error)) => return Err(self.place().failed(error)),
        }
        self.taken.insert(self.table.clone());
        self.rows.clear();
        self.bytes = 0;
        Ok(())
    }

    /// Makes a store of what was taken, and puts it on disk. It is published by whoever has it
    /// then.
    ///
    /// # Errors
    ///
    /// [`OpenError::Foreign`] if what was taken is no whole store; otherwise the system's.
    pub fn finish(self, finish: &Finish) -> Result<FinishedDraft, OpenError> {
        let place = self.place();
        let told = |error| place.spoiled(error);
        let counts = copying::counts(&self.view().map_err(told)?).map_err(told)?;
        place.check(&self.db)?;
        place.prepare(&self.db)?;
        let numbers = self.numbers().map_err(told)?;
        let numbers = further(numbers, finish.later);
        self.change(|change| moving::raise(change, numbers)).map_err(told)?;
        if let Some(at) = finish.end_logins {
            self.end_logins(at).map_err(told)?;
        }
        let Self { new, path, db, .. } = self;
        db.close().map_err(|error| Place(&path).failed(error.into()))?;
        Ok(FinishedDraft { new, path, counts, numbers })
    }

    fn numbers(&self) -> Result<Numbers, StoreError> {
        moving::numbers(&self.view()?)
    }

    fn view(&self) -> Result<View, StoreError> {
        let txn = self.db.begin_read().map_err(|error| StoreError::Unavailable(error.into()))?;
        Ok(View(txn))
    }

    /// Draws a line through the sessions of every user, and forgets what was on its way to them.
    fn end_logins(&self, at: Timestamp) -> Result<(), StoreError> {
        let mut last = None;
        loop {
            let ids = self.users_after(last)?;
            let Some(end) = ids.last().copied() else { break };
            last = Some(end);
            self.change(|change| {
                for id in &ids {
                    users::alter(change, *id, &UserChange::LoggedOutEverywhere(at))?;
                }
                Ok(())
            })?;
        }
        let clear = || {
            let txn = writer::begin(&self.db)?;
            txn.delete_table(LETTERS)?;
            txn.delete_table(LETTERS_DUE)?;
            txn.delete_table(LETTERS_TO)?;
            txn.delete_table(ONE_TIME)?;
            all_tables::create(&txn)?;
            txn.commit()?;
            Ok(())
        };
        clear().map_err(|error: redb::Error| StoreError::Unavailable(error.into()))
    }

    fn users_after(&self, last: Option<UserId>) -> Result<Vec<UserId>, StoreError> {
        let view = self.view()?;
        let table = view.open(&USERS)?;
        let rows = users::rows(&table, last)?.take(STEP);
        rows.map(|row| Ok(UserId(row.map_err(|error| failed(&USERS, error))?.0.value()))).collect()
    }

    fn change(
        &self,
        work: impl FnOnce(&Change<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let lost = |error: redb::Error| StoreError::Unavailable(error.into());
        let txn = writer::begin(&self.db).map_err(lost)?;
        work(&Change::new(&txn))?;
        txn.commit().map_err(|error| lost(error.into()))
    }

    fn place(&self) -> Place<'_> {
        Place(&self.path)
    }
}
