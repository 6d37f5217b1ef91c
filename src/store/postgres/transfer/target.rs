//! A database that is being made a copy of another store.

use std::fmt;

use super::{UNFINISHED, pour, put, tables};
use crate::store::postgres::conn::Conn;
use crate::store::postgres::events;
use crate::store::postgres::failure::Failure;
use crate::store::postgres::link::Mode;
use crate::store::postgres::migrate::VERSION;
use crate::store::postgres::open::Opening;
use crate::store::postgres::ring;
use crate::store::postgres::rows::{From, number};
use crate::store::postgres::settings::PostgresSettings;
use crate::store::transfer::{CopyTarget, Progress, RecordSender, StoreRecord};
use crate::store::{OpenError, SealedRing, StoreError};

const OCCUPIED: &str = "there is a store with something in it: a copy is made in a new one; name another \
                        database, or `DROP SCHEMA portcullis CASCADE` if nobody needs what is there";
const SERVED: &str =
    "a gateway serves from it, or did so in the last 20 seconds: stop it, and try again then";
const OTHER: &str = "it is the unfinished copy of another store: finish that one, or `DROP SCHEMA portcullis \
                     CASCADE` to begin with nothing";
const OTHER_VERSION: &str = "it is an unfinished copy that another version of portcullis began: finish it with \
                             that one, or `DROP SCHEMA portcullis CASCADE` to begin with nothing";

/// Where it stands of what store this is a copy, how far it has come, and in what version of the
/// tables. It is there only as long as the copy is not finished.
const COPYING: &str = "CREATE TABLE portcullis.copying ( \
                           one     smallint PRIMARY KEY CHECK (one = 1), \
                           source  text NOT NULL, \
                           version bigint NOT NULL, \
                           records bigint NOT NULL, \
                           digest  bytea NOT NULL \
                       )";

/// The copy of a store in the making, in a database.
pub struct DatabaseCopy {
    opening: Opening,
    progress: Progress,
}

impl fmt::Debug for DatabaseCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseCopy").field("place", &self.opening.place).finish_non_exhaustive()
    }
}

/// What a batch is stored with.
struct Step {
    records: Vec<StoreRecord>,
    from: Progress,
    to: Progress,
}

impl DatabaseCopy {
    /// Begins a copy of `source` in that database, or goes on with one. It blocks.
    ///
    /// # Errors
    ///
    /// [`OpenError::Layout`] if something else is there, or somebody serves from it; otherwise as a
    /// store that is opened.
    pub fn open(settings: &PostgresSettings, source: &str) -> Result<Self, OpenError> {
        let opening = Opening::new(settings)?;
        let calls = opening.threads.calls();
        let told = |error| opening.database(error);
        let version = opening.stored_version()?;
        if version != UNFINISHED {
            if opening.known(version)? < VERSION {
                opening.migrate()?;
            }
            opening.rights()?;
        }
        let living = calls.block(Mode::Look, (), |conn, ()| Box::pin(events::alive(conn)));
        if living.map_err(told)? > 0 {
            return Err(opening.layout(SERVED, false));
        }
        if version == UNFINISHED {
            let noted = calls.block(Mode::Look, (), |conn, ()| Box::pin(noted(conn)));
            let (of, version, progress) = noted.map_err(told)?;
            return match () {
                () if of != source => Err(opening.layout(OTHER, false)),
                () if version != VERSION => Err(opening.layout(OTHER_VERSION, false)),
                () => Ok(Self { opening, progress }),
            };
        }
        let source = source.to_owned();
        let begun = calls.block(Mode::Long, source, |conn, source| Box::pin(begin(conn, source)));
        if !begun.map_err(told)? {
            return Err(opening.layout(OCCUPIED, false));
        }
        Ok(Self { opening, progress: Progress::default() })
    }
}

impl CopyTarget for DatabaseCopy {
    fn progress(&self) -> Progress {
        self.progress
    }

    fn clear(&mut self) -> Result<(), StoreError> {
        let calls = self.opening.threads.calls();
        calls.block(Mode::Long, self.progress, |conn, from| {
            Box::pin(async move {
                tables::clear(conn).await?;
                note(conn, *from, Progress::default()).await
            })
        })?;
        self.progress = Progress::default();
        Ok(())
    }

    fn take(&mut self, records: Vec<StoreRecord>, progress: Progress) -> Result<(), StoreError> {
        let step = Step { records, from: self.progress, to: progress };
        self.opening.threads.calls().block(Mode::Long, step, |conn, step| {
            Box::pin(async move {
                // First: of two who copy into one place, one gets no further.
                note(conn, step.from, step.to).await?;
                put::all(conn, &step.records).await
            })
        })?;
        self.progress = progress;
        Ok(())
    }

    fn pour(&self, sender: RecordSender) -> Result<(), StoreError> {
        pour::all(&self.opening.threads, sender)
    }

    fn finish(self: Box<Self>, ring: Option<SealedRing>) -> Result<(), StoreError> {
        let asked = (self.progress, ring);
        self.opening.threads.calls().block(Mode::Long, asked, |conn, (progress, ring)| {
            Box::pin(finish(conn, *progress, ring.as_ref()))
        })
    }
}

/// Marks an empty store as a copy that has nothing yet; `false` if it is not empty.
async fn begin(conn: &Conn, source: &str) -> Result<bool, Failure> {
    // Of two who begin at once the other sees what this one has made.
    let sql = "SELECT version FROM portcullis.layout WHERE one = 1 FOR UPDATE";
    conn.row(sql, &[]).await?;
    if tables::is_occupied(conn).await? {
        return Ok(false);
    }
    conn.commands(COPYING).await?;
    let sql = "INSERT INTO portcullis.copying (one, source, version, records, digest) \
               VALUES (1, $1, $2, 0, $3)";
    let nothing = Progress::default();
    conn.execute(sql, &[&source, &number(VERSION), &&nothing.digest[..]]).await?;
    mark(conn, UNFINISHED).await?;
    Ok(true)
}

async fn mark(conn: &Conn, version: u64) -> Result<(), Failure> {
    let sql = "UPDATE portcullis.layout SET version = $1 WHERE one = 1";
    conn.execute(sql, &[&number(version)]).await?;
    Ok(())
}

/// What it is a copy of, in which version of the tables, and how far it has come.
async fn noted(conn: &Conn) -> Result<(String, u64, Progress), Failure> {
    let sql = "SELECT source, version, records, digest FROM portcullis.copying WHERE one = 1";
    let row = conn.row(sql, &[]).await?;
    let row = row.ok_or_else(|| StoreError::Corrupt {
        table: "copying",
        source: "it says nothing of what is copied".into(),
    })?;
    let from = From::new("copying", &row);
    let progress = Progress { records: from.number("records")?, digest: from.hash("digest")? };
    Ok((from.get("source")?, from.number("version")?, progress))
}

/// Notes that it has come from there to here.
async fn note(conn: &Conn, from: Progress, to: Progress) -> Result<(), Failure> {
    let sql = "UPDATE portcullis.copying SET records = $3, digest = $4 \
               WHERE one = 1 AND records = $1 AND digest = $2";
    let (before, after) = (&from.digest[..], &to.digest[..]);
    let noted =
        conn.execute(sql, &[&number(from.records), &before, &number(to.records), &after]).await?;
    if noted == 1 {
        return Ok(());
    }
    Err(StoreError::Unavailable("somebody else copies into the same database".into()).into())
}

async fn finish(conn: &Conn, progress: Progress, ring: Option<&SealedRing>) -> Result<(), Failure> {
    note(conn, progress, progress).await?;
    // One that was open before the copy began has been serving what was half of it.
    if events::alive(conn).await? > 0 {
        return Err(StoreError::Unavailable(SERVED.into()).into());
    }
    if let Some(SealedRing { version, sealed }) = ring {
        ring::put(conn, version.saturating_sub(1), sealed).await?;
    }
    conn.commands("DROP TABLE portcullis.copying").await?;
    mark(conn, VERSION).await
}
