//! A store in the making: what a restore builds beside the place where it will be.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

use redb::{Database, ReadableDatabase};

use super::copying::{NotTaken, RawRow, copy_in};
use super::lasting::Lasting;
use super::open::Place;
use super::tables::{
    Change, LETTERS, LETTERS_DUE, LETTERS_TO, ONE_TIME, Source, USERS, VERSION, View, failed,
};
use super::{all_tables, copying, moving, users, writer};
use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::new_file::NewFile;
use crate::store::copy::Piece;
use crate::store::{Numbers, OpenError, StoreError, UserChange};

/// Most bytes of rows in one transaction.
const BATCH: usize = 8 << 20;

/// How far numbers leap where nobody knows how many were given since: more than are given between
/// two backups, and little enough for whoever keeps ids in 32 bits.
const LEAP: u64 = 100_000;

/// Users that one transaction changes at most.
const STEP: usize = 1024;

/// A store that is made of the pieces of a copy. It has its name only when it is published;
/// dropped before, it is gone.
#[derive(Debug)]
pub struct StoreDraft {
    new: NewFile,
    path: PathBuf,
    db: Database,
    table: String,
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

impl StoreDraft {
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
                name.clone_into(&mut self.table);
            }
            Piece::Row { key, value } => {
                self.bytes += key.len() + value.len();
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
            Err(NotTaken::Foreign) => return Err(self.place().damaged()),
            Err(NotTaken::Redb(error)) => return Err(self.place().failed(error)),
        }
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

/// A whole store on disk, that has no name yet.
#[derive(Debug)]
pub struct FinishedDraft {
    new: NewFile,
    path: PathBuf,
    counts: BTreeMap<String, u64>,
    numbers: Numbers,
}

/// Numbers behind all that were given since the copy was made.
fn further(copy: Numbers, later: Option<Numbers>) -> Numbers {
    let is_later = |later: &Numbers| {
        later.users >= copy.users
            && later.sessions >= copy.sessions
            && later.invitations >= copy.invitations
            && later.keys >= copy.keys
    };
    later.filter(is_later).unwrap_or_else(|| {
        let leap = |number: u64| number.saturating_add(LEAP);
        Numbers {
            users: leap(copy.users),
            sessions: leap(copy.sessions),
            invitations: leap(copy.invitations),
            keys: leap(copy.keys),
        }
    })
}

impl FinishedDraft {
    /// The last numbers that count as given.
    pub const fn numbers(&self) -> Numbers {
        self.numbers
    }

    /// How many rows of each table were taken.
    pub const fn counts(&self) -> &BTreeMap<String, u64> {
        &self.counts
    }

    /// Gives it its name, where there is no other store.
    ///
    /// # Errors
    ///
    /// The system's; there is none then.
    pub fn publish(self) -> Result<(), OpenError> {
        let Self { new, path, .. } = self;
        new.publish().map_err(|error| Place(&path).io(error))
    }

    /// Takes the place of the store that is there.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn replace(self) -> Result<(), OpenError> {
        let Self { new, path, .. } = self;
        new.replace().map_err(|error| Place(&path).io(error))
    }
}
