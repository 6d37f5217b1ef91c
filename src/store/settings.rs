//! Where users and sessions are kept.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(feature = "postgres")]
use super::postgres::{PostgresSettings, PostgresStore};
use super::{OpenError, OpenMode, RedbStore, Store};

/// Where users and sessions are kept.
///
/// ```
/// use std::path::Path;
///
/// use portcullis::store::{OpenMode, StoreSettings};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let settings = StoreSettings::File(folder.path().join("users.redb"));
/// let _store = settings.open(OpenMode::CreateIfMissing)?;
/// assert!(settings.file().is_some_and(Path::exists));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StoreSettings {
    /// In this file, which one process has at a time.
    File(PathBuf),
    /// In a database, which many gateways share.
    #[cfg(feature = "postgres")]
    Postgres(Box<PostgresSettings>),
}

impl StoreSettings {
    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => None,
        }
    }

    /// Opens it. It blocks on the disk, or until the database has answered.
    ///
    /// # Errors
    ///
    /// Each [`OpenError`] says which store it is about, and what to do.
    pub fn open(&self, mode: OpenMode) -> Result<Arc<dyn Store>, OpenError> {
        Ok(match self {
            Self::File(path) => Arc::new(RedbStore::open(path, mode)?),
            #[cfg(feature = "postgres")]
            Self::Postgres(settings) => Arc::new(PostgresStore::open(settings, mode)?),
        })
    }
}

impl fmt::Display for StoreSettings {
    /// For people: nothing of it opens a database.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            #[cfg(feature = "postgres")]
            Self::Postgres(settings) => write!(f, "database {settings}"),
        }
    }
}
