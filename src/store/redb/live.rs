//! The database while the store is open, opened anew where the disk has failed.
//!
//! Once an operation on a file has failed, redb does nothing more with it: what it has in memory
//! may not be what is on the disk. So the database is closed, which writes nothing then, and
//! opened again as after a crash: in the state of its last commit, or of the one that failed if
//! that is on the disk after all. Where not even that can be written, a view of the file serves
//! those who only read.

use std::error::Error;
use std::fmt;
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use redb::{Database, ReadableDatabase, StorageBackend};

use super::lasting::Lasting;
use super::open::Place;
use super::probe::Probe;
use super::tables::View;
use crate::store::{OpenError, StoreError};

/// How often a reader begins anew, in a database that was opened anew.
const AGAIN: usize = 2;

/// How many rests have to pass without a failure before the disk is said to be well.
const CALM: u32 = 5;

/// The database, for one writer and any number of readers.
pub(super) struct Live {
    path: PathBuf,
    /// How long a disk that has refused a write is left alone: opening anew is not free.
    rest: Duration,
    /// Held by whoever writes or opens anew.
    writing: Mutex<Outage>,
    open: RwLock<Open>,
}

struct Open {
    /// `None` once it was handed over.
    disk: Option<Lasting>,
    /// `None` if nothing could be opened the last time.
    database: Option<Database>,
    /// Whether what is written reaches the file.
    writable: bool,
    /// How often it was opened anew.
    age: u64,
}

/// How writing went.
#[derive(Default)]
struct Outage {
    /// The last write that failed.
    last: Option<Instant>,
    /// Whether the log says that writes fail.
    told: bool,
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ended {
    /// All jobs are done, and durable.
    Committed,
    /// All jobs are done, and there was nothing to write.
    Unchanged,
    /// One did not succeed; nothing was changed.
    JobFailed,
}

/// Why nothing is known about a write.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error("the disk refused a write a moment ago")]
    Resting,
    #[error("the store was handed over to another process")]
    HandedOver,
    #[error("the store could not be opened again after its disk failed")]
    Closed,
    #[error("the change broke off, by a fault of portcullis")]
    Panicked,
    #[error(transparent)]
    Redb(#[from] redb::Error),
}

impl Lost {
    fn from_redb(error: impl Into<redb::Error>) -> Self {
        Self::Redb(error.into())
    }
}

impl Live {
    /// A database that was just opened on `disk`.
    pub(super) fn new(path: PathBuf, disk: Lasting, database: Database, rest: Duration) -> Self {
        let open = Open { disk: Some(disk), database: Some(database), writable: true, age: 0 };
        Self { path, rest, writing: Mutex::default(), open: RwLock::new(open) }
    }

    /// Does `work` on the store as it is at one moment. It is begun anew where the disk has failed
    /// since the database was opened, which need not have been this reader's fault.
    pub(super) fn read<T>(
        &self,
        work: impl Fn(&View) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut again = AGAIN;
        loop {
            let (age, view) = self.view();
            let outcome = view.and_then(|view| work(&view));
            if again == 0 || !matches!(outcome, Err(StoreError::Unavailable(_))) {
                return outcome;
            }
            again -= 1;
            let _alone = self.outage();
            if self.open().age == age {
                self.reopen();
            }
        }
    }

    /// The store as it is now, and the age of the database that shows it.
    pub(super) fn view(&self) -> (u64, Result<View, StoreError>) {
        let open = self.open();
        if open.disk.is_none() {
            return (open.age, Err(StoreError::HandedOver));
        }
        let view = match &open.database {
            Some(database) => database.begin_read().map(View).map_err(redb::Error::from),
            None => Err(redb::Error::DatabaseClosed),
        };
        (open.age, view.map_err(|error| StoreError::Unavailable(error.into())))
    }

    /// Has `work` written. An error means that nothing was changed, or that nothing is known; the
    /// database has been opened anew then.
    pub(super) fn write(
        &self,
        work: impl FnOnce(&Database) -> Result<Ended, redb::Error>,
    ) -> Result<Ended, Lost> {
        let mut outage = self.outage();
        if outage.last.is_some_and(|failed| failed.elapsed() < self.rest) {
            return Err(Lost::Resting);
        }
        let written = self.attempt(work);
        match &written {
            Ok(Ended::Committed) => {
                // On a disk that is almost full, a small write goes well now and then.
                let calm = CALM * self.rest;
                if outage.told && outage.last.is_none_or(|failed| failed.elapsed() >= calm) {
                    outage.told = false;
                    tracing::info!(path = %self.path.display(), "the store is written again");
                }
            }
            Ok(Ended::Unchanged | Ended::JobFailed) | Err(Lost::HandedOver) => {}
            // The disk is well: whoever comes next is served.
            Err(Lost::Panicked) => {
                let path = self.path.display();
                tracing::error!(%path, "a change of the store panicked, and was not made");
            }
            Err(lost) => {
                outage.last = Some(Instant::now());
                if !std::mem::replace(&mut outage.told, true) {
                    let error: &dyn Error = lost;
                    let path = self.path.display();
                    tracing::error!(error, %path, "the store cannot be written: changes and logins are refused until it can");
                }
            }
        }
        written
    }

    fn attempt(
        &self,
        work: impl FnOnce(&Database) -> Result<Ended, redb::Error>,
    ) -> Result<Ended, Lost> {
        if !self.open().writable {
            self.reopen();
        }
        let open = self.open();
        if open.disk.is_none() {
            return Err(Lost::HandedOver);
        }
        let database = open.database.as_ref().filter(|_| open.writable).ok_or(Lost::Closed)?;
        // What was being changed meanwhile is gone with the database that is opened anew.
        let written = match std::panic::catch_unwind(AssertUnwindSafe(|| work(database))) {
            Err(_panic) => Err(Lost::Panicked),
            // It may have been the disk that failed it.
            Ok(Ok(Ended::JobFailed)) => match database.begin_write() {
                Ok(unused) => unused.abort().map(|()| Ended::JobFailed).map_err(Lost::from_redb),
                Err(error) => Err(Lost::from_redb(error)),
            },
            Ok(written) => written.map_err(Lost::Redb),
        };
        drop(open);
        written.inspect_err(|_| self.reopen())
    }

    /// Closes the database and opens it again. For whoever holds `writing`: what was open may write
    /// when it is closed, and must be gone when the next one is there.
    fn reopen(&self) {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        drop(open.database.take());
        open.age += 1;
        let Some(disk) = open.disk.clone() else { return };
        let opened = self.database(disk.clone());
        open.writable = opened.is_ok();
        open.database = match opened {
            Ok(database) => Some(database),
            Err(error) => {
                let error: &dyn Error = &error;
                tracing::warn!(error, "the store is read as it is, until its disk can be written");
                Probe::new(disk).and_then(|view| self.database(view).map_err(io::Error::other)).ok()
            }
        };
    }

    /// Closes the database for good, so that another process may open it. What is under way is
    /// finished before, but for long reads: the file is free when the last of them ends.
    pub(super) fn hand_over(&self) {
        let _alone = self.outage();
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        drop(open.database.take());
        open.disk = None;
        open.age += 1;
    }

    /// redb may panic where a file was altered.
    fn database(&self, storage: impl StorageBackend) -> Result<Database, OpenError> {
        let place = Place(&self.path);
        let opened = std::panic::catch_unwind(AssertUnwindSafe(|| place.database(storage)));
        opened.unwrap_or_else(|_panic| Err(place.damaged()))
    }

    fn open(&self) -> RwLockReadGuard<'_, Open> {
        self.open.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn outage(&self) -> MutexGuard<'_, Outage> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("path", &self.path).finish_non_exhaustive()
    }
}
