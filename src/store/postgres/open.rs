//! Opening a store in a database, and finding out whether its tables are those that are wanted.

use std::error::Error;
use std::sync::Arc;

use super::PostgresStore;
use super::link::Mode;
use super::migrate::{self, Migration, VERSION};
use super::settings::PostgresSettings;
use super::threads::Threads;
use super::transfer::UNFINISHED;
use crate::store::{OpenError, OpenMode};

const NONE: &str = "there is no store in it: start the gateway, or run `portcullis store migrate`";
const OLDER: &str = "its tables are of an older version: run `portcullis store migrate`";
const UNFINISHED_COPY: &str = "it is a copy that was not finished: run the same `portcullis store copy` again, \
                               or `DROP SCHEMA portcullis CASCADE` to begin with nothing";
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

pub(super) struct Opening {
    pub(super) threads: Threads,
    pub(super) place: String,
}

impl Opening {
    pub(super) fn new(settings: &PostgresSettings) -> Result<Self, OpenError> {
        let place = settings.to_string();
        match Threads::new(settings) {
            Ok(threads) => Ok(Self { threads, place }),
            Err(source) => Err(OpenError::Database { place, source }),
        }
    }

    /// The version of the tables, which is none that only a newer program knows.
    fn version(&self) -> Result<u64, OpenError> {
        match self.stored_version()? {
            UNFINISHED => Err(self.layout(UNFINISHED_COPY, false)),
            version => self.known(version),
        }
    }

    /// What stands in the place of a version.
    pub(super) fn stored_version(&self) -> Result<u64, OpenError> {
        let looked =
            self.threads.calls().block(Mode::Look, (), |conn, ()| Box::pin(migrate::version(conn)));
        looked.map_err(|error| self.database(error))
    }

    /// Refuses a version that only a newer program knows.
    pub(super) fn known(&self, version: u64) -> Result<u64, OpenError> {
        match version {
            newer if newer > VERSION => Err(self.layout(NEWER, true)),
            version => Ok(version),
        }
    }

    /// Makes sure that the account may read and write every table: another one may have made some.
    pub(super) fn rights(&self) -> Result<(), OpenError> {
        let lacking =
            self.threads.calls().block(Mode::Look, (), |conn, ()| Box::pin(migrate::lacking(conn)));
        let tables = lacking.map_err(|error| self.database(error))?;
        if tables.is_empty() { Ok(()) } else { Err(self.database(NoRights(tables))) }
    }

    pub(super) fn migrate(&self) -> Result<Vec<Migration>, OpenError> {
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

    pub(super) fn database(&self, source: impl Error + Send + Sync + 'static) -> OpenError {
        OpenError::Database { place: self.place.clone(), source: source.into() }
    }

    pub(super) fn layout(&self, reason: &'static str, newer: bool) -> OpenError {
        OpenError::Layout { place: self.place.clone(), reason, newer }
    }
}
