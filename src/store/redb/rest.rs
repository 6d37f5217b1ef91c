//! A store at rest: held so that no gateway opens it, and made smaller.

use std::fs::{self, File};
use std::io;
use std::ops::Bound;
use std::panic::AssertUnwindSafe;
use std::path::Path;

use redb::{ReadableDatabase, StorageBackend};

use super::RedbStore;
use super::lasting::Lasting;
use super::moving::numbers;
use super::open::Place;
use super::probe::Probe;
use super::tables::View;
use crate::store::{Numbers, OpenError};

/// A file in the place of a store, held so that nobody opens it meanwhile: it may be damaged, or
/// no store at all.
#[derive(Debug)]
pub struct HeldStore {
    _disk: Lasting,
    numbers: Option<Numbers>,
}

impl HeldStore {
    /// Holds what is at `path`; `None` if nothing is.
    ///
    /// # Errors
    ///
    /// [`OpenError::Locked`] if somebody uses it, otherwise the system's.
    pub fn hold(path: &Path) -> Result<Option<Self>, OpenError> {
        let place = Place(path);
        let file = match File::options().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(place.io(error)),
        };
        let backend = place.backend(file)?;
        match backend.try_lock_range(Bound::Unbounded, Bound::Unbounded) {
            Ok(true) => {}
            Ok(false) => return Err(OpenError::Locked { path: path.to_owned() }),
            Err(error) => return Err(place.io(io::Error::other(error))),
        }
        let disk = Lasting::new(backend);
        let view = Probe::new(disk.clone()).map_err(|error| place.io(error))?;
        // Whatever it is, it may be replaced.
        let read = std::panic::catch_unwind(AssertUnwindSafe(|| {
            let db = place.database(view).ok()?;
            place.check(&db).ok()?;
            numbers(&View(db.begin_read().ok()?)).ok()
        }));
        Ok(Some(Self { _disk: disk, numbers: read.unwrap_or_default() }))
    }

    /// The last numbers that it gave, if it is a store that can be read.
    pub const fn numbers(&self) -> Option<Numbers> {
        self.numbers
    }
}

/// How large a file was, and is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Compacted {
    /// Bytes before.
    pub before: u64,
    /// Bytes now.
    pub after: u64,
}

impl RedbStore {
    /// Gives the system back what the file has no more use for. It blocks, for as long as it takes
    /// to write the whole store.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); [`OpenError::Locked`] while somebody uses it.
    #[doc(hidden)]
    pub fn compact(path: &Path) -> Result<Compacted, OpenError> {
        let place = Place(path);
        let size = || fs::metadata(path).map(|found| found.len());
        let before = match size() {
            Ok(size) => size,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(OpenError::Missing { path: path.to_owned() });
            }
            Err(error) => return Err(place.io(error)),
        };
        let (_disk, mut db) = place.open()?;
        db.compact().map_err(|error| place.failed(error.into()))?;
        db.close().map_err(|error| place.failed(error.into()))?;
        Ok(Compacted { before, after: size().map_err(|error| place.io(error))? })
    }
}
