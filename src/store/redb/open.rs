//! Opening a store: making a file, or finding out that one is ours before anything touches it.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use redb::backends::{FileBackend, InMemoryBackend};
use redb::{Database, ReadableDatabase, StorageBackend};

use super::lasting::Lasting;
use super::live::Live;
use super::probe::Probe;
use super::refusal::{ALIEN, EMPTY};
use super::tables::{COUNTED, FORMAT, INDEXED, META, VERSION, View};
use super::transfer::{self, UNFINISHED};
use super::writer::{self, Writer};
use super::{RedbStore, all_tables, indexes, recipes};
use crate::new_file::NewFile;
use crate::store::{OpenError, StoreError};

/// Pages kept in memory, in bytes.
const CACHE: usize = 64 << 20;

/// How long a disk that refused a write is left alone.
const REST: Duration = Duration::from_secs(1);

/// How long logins that are under way at once wait for one another, from one commit to the next: so
/// long that about one in a hundred of other requests meets one.
const PACE: Duration = Duration::from_millis(200);

/// How each redb file begins.
const MAGIC: [u8; 9] = *b"redb\x1A\x0A\xA9\x0D\x0A";

/// What to do when there is no file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OpenMode {
    /// Refuse: [`OpenError::Missing`].
    Existing,
    /// Make one, readable and writable by its owner only.
    CreateIfMissing,
}

impl RedbStore {
    /// Opens the store in that file. It blocks on the disk, for longer after a crash.
    ///
    /// A file that is not an intact store of ours, whatever it is, is refused and not touched.
    ///
    /// # Errors
    ///
    /// Each [`OpenError`] names the file and says what to do about it.
    pub fn open(path: &Path, mode: OpenMode) -> Result<Self, OpenError> {
        let place = Place(path);
        match std::fs::metadata(path) {
            Ok(found) if !found.is_file() => Err(place.foreign(ALIEN, None)),
            Ok(found) if found.len() == 0 => Err(place.foreign(EMPTY, None)),
            Ok(_) => {
                let (disk, db) = place.open()?;
                place.start(disk, db, REST, PACE)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => match mode {
                OpenMode::Existing => Err(OpenError::Missing { path: path.to_owned() }),
                OpenMode::CreateIfMissing => place.create(),
            },
            Err(error) => Err(place.io(error)),
        }
    }

    /// A store that is gone when it is dropped, for tests and embedders that keep no users.
    ///
    /// # Errors
    ///
    /// [`OpenError::Io`] if the writing thread cannot be started.
    pub fn in_memory() -> Result<Self, OpenError> {
        Self::with_backend(InMemoryBackend::new())
    }

    /// The store in any storage redb can use; empty storage is made a store. For tests that let
    /// the disk fail, and for storage that is no file: it is not probed before redb touches it.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), with `storage` for a path.
    pub fn with_backend(backend: impl StorageBackend) -> Result<Self, OpenError> {
        let place = Place(Path::new("storage"));
        let new = backend.len().map_err(|error| place.io(error))? == 0;
        let disk = Lasting::new(backend);
        let db = place.database(disk.clone())?;
        if !new {
            place.check(&db)?;
        }
        // No disk that would have to be spared.
        place.start(disk, db, Duration::ZERO, Duration::ZERO)
    }
}

/// Why the tables of a file could not be made ready.
enum Unprepared {
    Redb(redb::Error),
    Store(StoreError),
}

impl<E: Into<redb::Error>> From<E> for Unprepared {
    fn from(error: E) -> Self {
        Self::Redb(error.into())
    }
}

/// Where the store is, for the errors.
#[derive(Clone, Copy)]
pub(super) struct Place<'p>(pub(super) &'p Path);

impl Place<'_> {
    /// The database in a file that proves to be ours.
    pub(super) fn open(self) -> Result<(Lasting, Database), OpenError> {
        let disk = self.disk()?;
        // redb may panic where a file was cut or altered. Nothing of the probe outlives that.
        std::panic::catch_unwind(AssertUnwindSafe(|| self.probe(disk.clone())))
            .unwrap_or_else(|_panic| Err(self.damaged()))?;
        let db = self.database(disk.clone())?;
        self.check(&db)?;
        Ok((disk, db))
    }

    /// A file that begins as one of redb does.
    pub(super) fn disk(self) -> Result<Lasting, OpenError> {
        let file = File::options().read(true).write(true).open(self.0);
        let mut file = file.map_err(|error| self.io(error))?;
        let mut head = Vec::new();
        let read = Read::by_ref(&mut file).take(MAGIC.len() as u64).read_to_end(&mut head);
        read.and_then(|_| file.rewind()).map_err(|error| self.io(error))?;
        if head != MAGIC {
            return Err(self.foreign(ALIEN, None));
        }
        Ok(Lasting::new(self.backend(file)?))
    }

    /// Opens a view of the file and reads what marks it as ours.
    fn probe(self, disk: Lasting) -> Result<(), OpenError> {
        let probe = Probe::new(disk).map_err(|error| self.io(error))?;
        let db = self.database(probe)?;
        self.check(&db)?;
        self.prepare(&db)
    }

    fn create(self) -> Result<RedbStore, OpenError> {
        // Under another name until it is a store: who is killed meanwhile leaves nothing that the
        // next start would have to refuse.
        let new = NewFile::create(self.0).map_err(|error| self.io(error))?;
        let disk = Lasting::new(self.backend(self.copy_of(new.file())?)?);
        let store = self.start(disk.clone(), self.database(disk)?, REST, PACE)?;
        new.publish().map_err(|error| self.io(error))?;
        Ok(store)
    }

    pub(super) fn copy_of(self, file: &File) -> Result<File, OpenError> {
        file.try_clone().map_err(|error| self.io(error))
    }

    pub(super) fn backend(self, file: File) -> Result<FileBackend, OpenError> {
        FileBackend::new(file).map_err(|error| self.refused(error))
    }

    pub(super) fn database(self, backend: impl StorageBackend) -> Result<Database, OpenError> {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE);
        builder.create_with_backend(backend).map_err(|error| self.refused(error))
    }

    /// Whether the database is ours, of a version we can read.
    pub(super) fn check(self, db: &Database) -> Result<(), OpenError> {
        match self.version(db)? {
            UNFINISHED => Err(self.foreign(transfer::UNFINISHED_COPY, None)),
            version if version > VERSION => Err(self.newer()),
            _ => Ok(()),
        }
    }

    /// The version of a database that is ours.
    pub(super) fn version(self, db: &Database) -> Result<u64, OpenError> {
        let txn = db.begin_read().map_err(|error| self.failed(error.into()))?;
        let meta = match txn.open_table(META) {
            Ok(meta) => meta,
            Err(redb::TableError::Storage(error)) => return Err(self.failed(error.into())),
            Err(error) => return Err(self.foreign(ALIEN, Some(error.into()))),
        };
        let version = redb::ReadableTable::get(&meta, FORMAT).map_err(|e| self.failed(e.into()))?;
        version.map(|version| version.value()).ok_or_else(|| self.foreign(ALIEN, None))
    }

    /// Makes the tables that are not there yet, fills those that an older version did not have,
    /// and marks the database as ours.
    ///
    /// Where there is nothing to do, nothing is written: a gateway starts on a full disk.
    pub(super) fn prepare(self, db: &Database) -> Result<(), OpenError> {
        let prepare = || {
            if is_ready(db)? {
                return Ok(());
            }
            let txn = writer::begin(db)?;
            all_tables::create(&txn)?;
            let before = txn.open_table(META)?.insert(FORMAT, VERSION)?.map(|it| it.value());
            // A file that is new has nobody in it yet.
            if before.is_some_and(|version| version < COUNTED) {
                recipes::build(&txn).map_err(Unprepared::Store)?;
            }
            if before.is_some_and(|version| version < INDEXED) {
                indexes::build(&txn).map_err(Unprepared::Store)?;
            }
            txn.commit()?;
            Ok(())
        };
        prepare().map_err(|error| match error {
            Unprepared::Redb(error) => self.failed(error),
            Unprepared::Store(error) => self.spoiled(error),
        })
    }

    fn start(
        self,
        disk: Lasting,
        db: Database,
        rest: Duration,
        pace: Duration,
    ) -> Result<RedbStore, OpenError> {
        self.prepare(&db)?;
        let live = Arc::new(Live::new(self.path(), disk, db, rest));
        let writer = Writer::start(Arc::clone(&live), pace).map_err(|error| self.io(error))?;
        Ok(RedbStore { writer, live })
    }
}

/// Whether the database has everything that a store of ours has now.
fn is_ready(db: &Database) -> Result<bool, redb::Error> {
    let view = View(db.begin_read()?);
    let marked = view.0.open_table(META);
    let Ok(marked) = marked else { return Ok(false) };
    let version = redb::ReadableTable::get(&marked, FORMAT)?.map(|version| version.value());
    Ok(version == Some(VERSION) && all_tables::are_there(&view))
}
