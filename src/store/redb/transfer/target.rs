//! A file that is being made a copy of another store.

use std::fmt;
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

use redb::{
    Database, Key, ReadableDatabase, TableDefinition, TableHandle, Value, WriteTransaction,
};

use super::rows::RowReader;
use super::{UNFINISHED, UNFINISHED_COPY};
use crate::new_file::NewFile;
use crate::store::copy::{CopySink, Piece};
use crate::store::redb::all_tables::{self, EachTable, each_table};
use crate::store::redb::lasting::Lasting;
use crate::store::redb::open::Place;
use crate::store::redb::probe::Probe;
use crate::store::redb::tables::{
    Bytes, Change, Counter, FORMAT, META, SIGNED, Table, VERSION, View,
};
use crate::store::redb::{
    copying, deleted, factors, groups, invitations, keys, letters, one_time, sessions, user_keys,
    users, writer,
};
use crate::store::transfer::{
    AllNumbers, CopyTarget, Progress, RecordSender, StoreRecord, TOGETHER,
};
use crate::store::{OpenError, SealedRing, StoreError};

const OCCUPIED: &str = "there is a store with something in it: a copy is made in a new one; name another \
                        file as `[store] path`, or remove this one";
const OTHER: &str =
    "this is the unfinished copy of another store: remove the file, or finish that copy";

/// In an unfinished copy alone: what it is a copy of, and how far it has come.
static COPYING: TableDefinition<'static, &'static str, Bytes> = TableDefinition::new("copying");
const SOURCE: &str = "source";
const PROGRESS: &str = "progress";

/// The copy of a store in the making, in a file. It is locked as a store is.
pub struct FileCopy {
    path: PathBuf,
    db: Database,
    progress: Progress,
}

/// Hashes of passwords are in it.
impl fmt::Debug for FileCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileCopy").field("path", &self.path).finish_non_exhaustive()
    }
}

/// What is at the place of a copy.
enum There {
    /// A store with nothing in it.
    Empty,
    /// A copy of the same, that was broken off.
    Begun(Progress),
}

impl FileCopy {
    /// Begins a copy of `source` at `path`, or goes on with one. It blocks.
    ///
    /// # Errors
    ///
    /// [`OpenError::Foreign`] if something else is there; otherwise as a store that is opened.
    pub fn open(path: &Path, source: &str) -> Result<Self, OpenError> {
        let place = Place(path);
        match path.metadata() {
            Ok(_) => Self::go_on(place, source),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(place, source),
            Err(error) => Err(place.io(error)),
        }
    }

    /// Under another name until it is marked: who is killed meanwhile leaves nothing.
    fn make(place: Place<'_>, source: &str) -> Result<Self, OpenError> {
        let new = NewFile::create(place.0).map_err(|error| place.io(error))?;
        let disk = Lasting::new(place.backend(place.copy_of(new.file())?)?);
        let db = place.database(disk)?;
        begin(&db, source).map_err(|error| place.failed(error))?;
        new.publish().map_err(|error| place.io(error))?;
        Ok(Self { path: place.0.to_owned(), db, progress: Progress::default() })
    }

    fn go_on(place: Place<'_>, source: &str) -> Result<Self, OpenError> {
        let disk = place.disk()?;
        // Nothing is written before it is known what it is; redb may panic where it is damaged.
        let looked = std::panic::catch_unwind(AssertUnwindSafe(|| {
            let probe = Probe::new(disk.clone()).map_err(|error| place.io(error))?;
            look(place, &place.database(probe)?, source)
        }));
        let there = looked.unwrap_or_else(|_panic| Err(place.damaged()))?;
        let db = place.database(disk)?;
        let progress = match there {
            There::Begun(progress) => progress,
            There::Empty => {
                begin(&db, source).map_err(|error| place.failed(error))?;
                Progress::default()
            }
        };
        Ok(Self { path: place.0.to_owned(), db, progress })
    }

    fn change<T>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let txn = writer::begin(&self.db).map_err(lost)?;
        let done = work(&txn)?;
        txn.commit().map_err(lost)?;
        Ok(done)
    }
}

impl CopyTarget for FileCopy {
    fn progress(&self) -> Progress {
        self.progress
    }

    fn clear(&mut self) -> Result<(), StoreError> {
        self.change(|txn| {
            each_table(&mut Clear(txn)).map_err(lost)?;
            note(txn, Progress::default()).map_err(lost)
        })?;
        self.progress = Progress::default();
        Ok(())
    }

    fn take(&mut self, records: Vec<StoreRecord>, progress: Progress) -> Result<(), StoreError> {
        self.change(|txn| {
            let change = Change::new(txn);
            records.into_iter().try_for_each(|record| put(&change, record))?;
            note(txn, progress).map_err(lost)
        })?;
        self.progress = progress;
        Ok(())
    }

    fn pour(&self, sender: RecordSender) -> Result<(), StoreError> {
        let view = View(self.db.begin_read().map_err(lost)?);
        let (mut reader, mut batch) = (RowReader::default(), Vec::with_capacity(TOGETHER));
        let mut sink: CopySink = Box::new(move |piece| {
            batch.extend(reader.take(piece).map_err(io::Error::other)?);
            if batch.len() < TOGETHER && piece != Piece::End {
                return Ok(());
            }
            let full = std::mem::replace(&mut batch, Vec::with_capacity(TOGETHER));
            sender.blocking_send(full).map_err(io::Error::other)
        });
        copying::copy_out(&view, &mut sink)
    }

    fn finish(self: Box<Self>, _ring: Option<SealedRing>) -> Result<(), StoreError> {
        self.change(|txn| {
            let finish = || {
                txn.delete_table(COPYING)?;
                txn.open_table(META)?.insert(FORMAT, VERSION)?;
                Ok(())
            };
            finish().map_err(|error: redb::Error| lost(error))
        })?;
        self.db.close().map_err(lost)
    }
}

fn lost(error: impl Into<redb::Error>) -> StoreError {
    StoreError::Unavailable(error.into().into())
}

/// What there is, without writing a byte of it.
fn look(place: Place<'_>, db: &Database, source: &str) -> Result<There, OpenError> {
    if place.version(db)? == UNFINISHED {
        let (of, progress) = noted(db).map_err(|error| place.failed(error))?;
        if of != source.as_bytes() {
            return Err(place.foreign(OTHER, None));
        }
        let progress = progress.ok_or_else(|| place.foreign(UNFINISHED_COPY, None))?;
        return Ok(There::Begun(progress));
    }
    place.check(db)?;
    place.prepare(db)?;
    let view = View(db.begin_read().map_err(|error| place.failed(error.into()))?);
    let counts = copying::counts(&view).map_err(|error| place.spoiled(error))?;
    // The one row is the version: no number was given, and nothing has any.
    let is_empty = counts.into_iter().eq([(META.name().to_owned(), 1)]);
    if is_empty { Ok(There::Empty) } else { Err(place.foreign(OCCUPIED, None)) }
}

/// What it is a copy of, and how far it has come.
fn noted(db: &Database) -> Result<(Vec<u8>, Option<Progress>), redb::Error> {
    let txn = db.begin_read()?;
    let table = txn.open_table(COPYING)?;
    let source = table.get(SOURCE)?.map(|it| it.value().to_owned()).unwrap_or_default();
    let progress = table.get(PROGRESS)?.and_then(|it| {
        let (records, digest) = it.value().split_first_chunk()?;
        Some(Progress { records: u64::from_le_bytes(*records), digest: digest.try_into().ok()? })
    });
    Ok((source, progress))
}

/// Marks it as a copy that has nothing yet.
fn begin(db: &Database, source: &str) -> Result<(), redb::Error> {
    let txn = writer::begin(db)?;
    all_tables::create(&txn)?;
    txn.open_table(META)?.insert(FORMAT, UNFINISHED)?;
    txn.open_table(COPYING)?.insert(SOURCE, source.as_bytes())?;
    note(&txn, Progress::default())?;
    txn.commit()?;
    Ok(())
}

fn note(txn: &WriteTransaction, progress: Progress) -> Result<(), redb::Error> {
    let bytes = [&progress.records.to_le_bytes()[..], &progress.digest].concat();
    txn.open_table(COPYING)?.insert(PROGRESS, bytes.as_slice())?;
    Ok(())
}

struct Clear<'t>(&'t WriteTransaction);

impl EachTable for Clear<'_> {
    type Error = redb::Error;

    fn visit<K: Key + 'static, V: Value + 'static>(
        &mut self,
        table: Table<K, V>,
    ) -> Result<(), redb::Error> {
        self.0.delete_table(*table)?;
        self.0.open_table(*table)?;
        if table.name() == META.name() {
            self.0.open_table(META)?.insert(FORMAT, UNFINISHED)?;
        }
        Ok(())
    }
}

/// Stores a record that is not there yet, with what others are found by.
fn put(change: &Change<'_>, record: StoreRecord) -> Result<(), StoreError> {
    match record {
        StoreRecord::Numbers(AllNumbers { exported, groups, letters }) => {
            for (counter, last) in [
                (Counter::Users, exported.users),
                (Counter::Sessions, exported.sessions),
                (Counter::Invitations, exported.invitations),
                (Counter::UserKeys, exported.keys),
                (Counter::Groups, groups),
                (Counter::Letters, letters),
            ] {
                change.raise(counter, last)?;
            }
            Ok(())
        }
        StoreRecord::Group { number, group } => groups::keep(change, number, &group),
        StoreRecord::User(user) => {
            let groups = groups::numbers(change, &user.groups)?;
            users::insert(change, &user, &groups)
        }
        StoreRecord::Session(kept) => sessions::keep(change, kept),
        StoreRecord::ApiKey { user, key } => keys::put_key(change, user, &key),
        StoreRecord::Invitation(kept) => invitations::insert(change, kept.hash, &kept.invitation),
        StoreRecord::Deleted(user) => deleted::note(change, user),
        StoreRecord::Letter(letter) => letters::keep(change, &letter),
        StoreRecord::Tokens(tokens) => one_time::keep(change, tokens),
        StoreRecord::UserKey(key) => user_keys::put(change, &key),
        StoreRecord::Factors { user, factors } => factors::put(change, user, &factors),
        StoreRecord::Signed(signed) => change.put(&SIGNED, signed.hash, signed.expires.as_millis()),
    }
}
