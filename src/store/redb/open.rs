//! Opening a store: making a file, or finding out that one is ours before anything touches it.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::OpenOptionsExt;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::backends::{FileBackend, InMemoryBackend};
use redb::{Database, DatabaseError, ReadableDatabase, StorageBackend, StorageError};

use super::probe::Probe;
use super::tables::{self, COUNTED, FORMAT, INDEXED, META, VERSION};
use super::writer::{self, Writer};
use super::{RedbStore, indexes, recipes};
use crate::store::{OpenError, StoreError};

/// Pages kept in memory, in bytes.
const CACHE: usize = 64 << 20;

/// How each redb file begins.
const MAGIC: [u8; 9] = *b"redb\x1A\x0A\xA9\x0D\x0A";

const EMPTY: &str =
    "the file is empty: remove it to begin a new store, or put a backup in its place";
const ALIEN: &str = "this is no store of portcullis: set `[store] path` to another file";
const DAMAGED: &str = "the store is damaged: put a backup in its place";
const NEWER: &str =
    "the store was written by a newer portcullis: run that one, or restore a backup";

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
            Ok(_) => place.open(),
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
        let db = place.database(backend)?;
        if !new {
            place.check(&db)?;
        }
        place.start(db)
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
struct Place<'p>(&'p Path);

impl Place<'_> {
    fn open(self) -> Result<RedbStore, OpenError> {
        let file = File::options().read(true).write(true).open(self.0);
        let mut file = file.map_err(|error| self.io(error))?;
        let mut head = Vec::new();
        let read = Read::by_ref(&mut file).take(MAGIC.len() as u64).read_to_end(&mut head);
        read.and_then(|_| file.rewind()).map_err(|error| self.io(error))?;
        if head != MAGIC {
            return Err(self.foreign(ALIEN, None));
        }
        // redb may panic where a file was cut or altered. Nothing of the probe outlives that.
        std::panic::catch_unwind(AssertUnwindSafe(|| self.probe(&file)))
            .unwrap_or_else(|_panic| Err(self.foreign(DAMAGED, None)))?;
        let db = self.database(self.backend(file)?)?;
        self.check(&db)?;
        self.start(db)
    }

    /// Opens a view of the file and reads what marks it as ours.
    fn probe(self, file: &File) -> Result<(), OpenError> {
        let file = file.try_clone().map_err(|error| self.io(error))?;
        let probe = Probe::new(self.backend(file)?).map_err(|error| self.io(error))?;
        let db = self.database(probe)?;
        self.check(&db)?;
        self.prepare(&db)
    }

    fn create(self) -> Result<RedbStore, OpenError> {
        // Under another name until it is a store: who is killed meanwhile leaves nothing that the
        // next start would have to refuse.
        let tag = getrandom::u64().map_err(|error| self.io(io::Error::other(error)))?;
        let mut draft = self.0.as_os_str().to_owned();
        draft.push(format!(".{tag:016x}.new"));
        let draft = Path::new(&draft);
        let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(draft);
        let file = file.map_err(|error| self.io(error))?;
        let made = self.backend(file).and_then(|file| self.database(file));
        let made = made.and_then(|db| self.start(db));
        let made = made.and_then(|store| self.publish(draft).map(|()| store));
        // Its first name, or what became of nothing.
        drop(std::fs::remove_file(draft));
        let store = made?;
        self.sync_directory().inspect_err(|_| drop(std::fs::remove_file(self.0)))?;
        Ok(store)
    }

    /// Gives the file its name, which no other may have: a link follows no link, and takes over
    /// no file that somebody else made meanwhile.
    fn publish(self, draft: &Path) -> Result<(), OpenError> {
        let linked = std::fs::hard_link(draft, self.0).or_else(|error| {
            use io::ErrorKind::{NotFound, PermissionDenied, Unsupported};
            let no_links = matches!(error.kind(), PermissionDenied | Unsupported);
            match std::fs::symlink_metadata(self.0) {
                Err(there) if no_links && there.kind() == NotFound => {
                    std::fs::rename(draft, self.0)
                }
                _ => Err(error),
            }
        });
        linked.map_err(|error| self.io(error))
    }

    /// A file lasts only when the directory that names it does.
    fn sync_directory(self) -> Result<(), OpenError> {
        let parent = self.0.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = File::open(parent.unwrap_or_else(|| Path::new(".")));
        directory.and_then(|directory| directory.sync_all()).map_err(|error| self.io(error))
    }

    fn backend(self, file: File) -> Result<FileBackend, OpenError> {
        FileBackend::new(file).map_err(|error| self.refused(error))
    }

    fn database(self, backend: impl StorageBackend) -> Result<Database, OpenError> {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE);
        builder.create_with_backend(backend).map_err(|error| self.refused(error))
    }

    /// Whether the database is ours, of a version we can read.
    fn check(self, db: &Database) -> Result<(), OpenError> {
        let damaged = |error: redb::Error| self.foreign(DAMAGED, Some(error.into()));
        let txn = db.begin_read().map_err(|error| damaged(error.into()))?;
        let meta = match txn.open_table(META) {
            Ok(meta) => meta,
            Err(redb::TableError::Storage(error)) => return Err(damaged(error.into())),
            Err(error) => return Err(self.foreign(ALIEN, Some(error.into()))),
        };
        let version = redb::ReadableTable::get(&meta, FORMAT).map_err(|e| damaged(e.into()))?;
        match version.map(|version| version.value()) {
            None => Err(self.foreign(ALIEN, None)),
            Some(version) if version > VERSION => Err(self.foreign(NEWER, None)),
            Some(_) => Ok(()),
        }
    }

    /// Makes the tables that are not there yet, fills those that an older version did not have,
    /// and marks the database as ours.
    fn prepare(self, db: &Database) -> Result<(), OpenError> {
        let prepare = || {
            let txn = writer::begin(db)?;
            tables::create(&txn)?;
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
            Unprepared::Redb(redb::Error::Io(error)) => self.io(error),
            Unprepared::Redb(error) => self.foreign(DAMAGED, Some(error.into())),
            Unprepared::Store(error) => self.foreign(DAMAGED, Some(error.into())),
        })
    }

    fn start(self, db: Database) -> Result<RedbStore, OpenError> {
        self.prepare(&db)?;
        let db = Arc::new(db);
        let writer = Writer::start(Arc::clone(&db)).map_err(|error| self.io(error))?;
        Ok(RedbStore { writer, db })
    }

    fn refused(self, error: DatabaseError) -> OpenError {
        if let DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch = error {
            return OpenError::Locked { path: self.path() };
        }
        if let DatabaseError::Storage(StorageError::Io(error)) = error {
            // What the file holds, or what the disk says?
            use io::ErrorKind::{InvalidData, UnexpectedEof};
            if !matches!(error.kind(), InvalidData | UnexpectedEof) {
                return self.io(error);
            }
            return self.foreign(DAMAGED, Some(error.into()));
        }
        self.foreign(DAMAGED, Some(error.into()))
    }

    fn foreign(
        self,
        reason: &'static str,
        source: Option<Box<dyn Error + Send + Sync>>,
    ) -> OpenError {
        OpenError::Foreign { path: self.path(), reason, source }
    }

    fn io(self, source: io::Error) -> OpenError {
        OpenError::Io { path: self.path(), source }
    }

    fn path(self) -> PathBuf {
        self.0.to_owned()
    }
}
