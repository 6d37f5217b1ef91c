//! Opening a store in a database, and finding out whether its tables are those that are wanted.

use std::error::Error;
use std::sync::Arc;

use super::PostgresStore;
use super::link::Mode;
use super::migrate::{self, Migration, VERSION};
use super::settings::PostgresSettings;
use super::threads::Threads;
use crate::store::{OpenError, OpenMode};

const NONE: &str = "there is no store in it: start the gateway, or run `portcullis store migrate`";
const OLDER: &str = "its tables are of an older version: run `portcullis store migrate`";
const NEWER: &str = "its tables are of a newer portcullis: run that one";

/// How far the tables of a database are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Layout {
    /// Their version; 0 where there are none.
    pub version: u64,
    /// What is to be done, in order.
    pub pending: Vec<Migration>,
}

impl PostgresStore {
    /// Opens the store of that database; it blocks until the database has answered. Where there is
    /// none, or an older one, [`OpenMode::CreateIfMissing`] does what [`PostgresStore::migrate`] does.
    ///
    /// # Errors
    ///
    /// Each [`OpenError`] says where the database is, and what to do about it.
    pub fn open(settings: &PostgresSettings, mode: OpenMode) -> Result<Self, OpenError> {
        let opening = Opening::new(settings)?;
        let version = opening.version()?;
        let lacks = version < VERSION;
        match mode {
            OpenMode::Existing if version == 0 => return Err(opening.layout(NONE, false)),
            OpenMode::Existing if lacks => return Err(opening.layout(OLDER, false)),
            OpenMode::CreateIfMissing if lacks => drop(opening.migrate()?),
            OpenMode::Existing | OpenMode::CreateIfMissing => {}
        }
        opening.rights()?;
        Ok(Self { threads: Arc::new(opening.threads) })
    }

    /// How far the tables are. Nothing is changed.
    ///
    /// # Errors
    ///
    /// As [`PostgresStore::open`].
    #[doc(hidden)]
    pub fn layout(settings: &PostgresSettings) -> Result<Layout, OpenError> {
        let version = Opening::new(settings)?.version()?;
        Ok(Layout { version, pending: migrate::behind(version) })
    }

    /// Makes the tables those that this version wants, and says what was done. Of many who do so
    /// together one does.
    ///
    /// # Errors
    ///
    /// As [`PostgresStore::open`]; a step is done whole or not at all.
    #[doc(hidden)]
    pub fn migrate(settings: &PostgresSettings) -> Result<Vec<Migration>, OpenError> {
        let opening = Opening::new(settings)?;
        opening.version()?;
        opening.migrate()
    }
}

/// What the account may not do.
#[derive(Debug, thiserror::Error)]
#[error(
    "the account may not read and write all tables; with the one that made them: GRANT SELECT, INSERT, UPDATE, \
     DELETE ON {} TO the account", .0.join(", ")
)]
struct NoRights(Vec<String>);

struct Opening {
    threads: Threads,
    place: String,
}

impl Opening {
    fn new(settings: &PostgresSettings) -> Result<Self, OpenError> {
        let place = settings.to_string();
        match Threads::new(settings) {
            Ok(threads) => Ok(Self { threads, place }),
            Err(source) => Err(OpenError::Database { place, source }),
        }
    }

    /// The version of the tables, which is none that only a newer program knows.
    fn version(&self) -> Result<u64, OpenError> {
        let looked =
            self.threads.calls().block(Mode::Look, (), |conn, ()| Box::pin(migrate::version(conn)));
        match looked.map_err(|error| self.database(error))? {
            newer if newer > VERSION => Err(self.layout(NEWER, true)),
            version => Ok(version),
        }
    }

    /// Makes sure that the account may read and write every table: another one may have made some.
    fn rights(&self) -> Result<(), OpenError> {
        let lacking =
            self.threads.calls().block(Mode::Look, (), |conn, ()| Box::pin(migrate::lacking(conn)));
        let tables = lacking.map_err(|error| self.database(error))?;
        if tables.is_empty() { Ok(()) } else { Err(self.database(NoRights(tables))) }
    }

    fn migrate(&self) -> Result<Vec<Migration>, OpenError> {
        let prepared = self
            .threads
            .calls()
            .block(Mode::Change, (), |conn, ()| Box::pin(migrate::prepare(conn)));
        prepared.map_err(|error| self.database(error))?;
        let done =
            self.threads.calls().block(Mode::Long, (), |conn, ()| Box::pin(migrate::run(conn)));
        let done = done.map_err(|error| self.database(error))?;
        for step in &done {
            tracing::info!(place = self.place, version = step.version, "migrated: {}", step.title);
        }
        Ok(done)
    }

    fn database(&self, source: impl Error + Send + Sync + 'static) -> OpenError {
        OpenError::Database { place: self.place.clone(), source: source.into() }
    }

    fn layout(&self, reason: &'static str, newer: bool) -> OpenError {
        OpenError::Layout { place: self.place.clone(), reason, newer }
    }
}
