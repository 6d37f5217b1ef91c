//! The pool of connections, and calls that are tried again where others were in the way.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime as PoolRuntime};
use tokio_postgres::{CancelToken, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::conn::Conn;
use super::events;
use super::failure::Failure;
use super::settings::PostgresSettings;
use crate::tls::client_config;

/// How often a call is begun anew at most, where others are in its way.
const TRIES: u32 = 12;

/// How long is waited before the second try at most; twice as long before each further one.
const PAUSE: Duration = Duration::from_millis(4);

/// How long what takes long may take: a batch of an import, or an index of all users.
const LONG: Duration = Duration::from_secs(15 * 60);

/// How a transaction begins that waits for whoever takes what it reads.
const POUR: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0; \
                    SET LOCAL idle_in_transaction_session_timeout = 0";

/// How those who listen are woken.
pub(super) const NOTIFY: &str = "NOTIFY portcullis";

/// How long is waited before a try at most.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// What a call does on a connection. It may run more than once, each time on rows that know nothing
/// of the time before.
pub(super) type Work<A, T> = for<'c> fn(&'c Conn, &'c A) -> Answer<'c, T>;

/// What it comes to.
pub(super) type Answer<'c, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'c>>;

/// A call, and what it has come to. All of them are of this one type, so that the way to the database
/// is compiled once and not for each.
trait Attempt: Send {
    /// Makes it once.
    fn make<'c>(&'c mut self, conn: &'c Conn) -> Answer<'c, ()>;
}

struct Call<'a, A, T> {
    asked: &'a A,
    work: Work<A, T>,
    outcome: Result<T, Failure>,
}

impl<A: Sync, T: Send> Attempt for Call<'_, A, T> {
    fn make<'c>(&'c mut self, conn: &'c Conn) -> Answer<'c, ()> {
        Box::pin(async move {
            self.outcome = Ok((self.work)(conn, self.asked).await?);
            Ok(())
        })
    }
}

/// How a call sees the rows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mode {
    /// Each statement by itself; none changes anything.
    Look,
    /// One statement that changes something.
    Statement,
    /// All as they are at one moment; nothing is changed.
    Snapshot,
    /// The same for as long as it takes. It is not begun anew: much of it is handed over by then.
    Pour,
    /// One transaction. A statement sees what others have committed before it began, so whatever
    /// is decided by is locked first.
    Change,
    /// The same, of many records, or of tables.
    Long,
}

/// The way to the database. Clones share it.
#[derive(Clone)]
pub(super) struct Link {
    pool: Pool,
    prepared: bool,
    timeout: Duration,
    cancel: Cancel,
    begin: Arc<str>,
    /// Whether the database passes on that something has changed.
    notifies: Arc<AtomicBool>,
    pub(super) direct: Arc<Direct>,
}

/// How the server itself is reached, past any pool.
pub(super) struct Direct {
    pub(super) config: tokio_postgres::Config,
    pub(super) tls: Option<MakeRustlsConnect>,
}

/// How a statement is cancelled.
#[derive(Clone)]
pub(super) struct Cancel {
    tls: Option<MakeRustlsConnect>,
    timeout: Duration,
}

impl Cancel {
    /// Tells the database that nobody waits for it any more, as well as that can be told.
    pub(super) fn cancel(self, token: CancelToken) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let told = async move {
            match self.tls {
                Some(tls) => token.cancel_query(tls).await,
                None => token.cancel_query(NoTls).await,
            }
        };
        runtime.spawn(tokio::time::timeout(self.timeout, told));
    }
}

impl Link {
    /// Two ways, the second by a connection of its own. Nothing is connected before it is needed.
    ///
    /// # Errors
    ///
    /// Nobody is trusted to say who the server is.
    pub(super) fn two(
        settings: &PostgresSettings,
    ) -> Result<(Self, Self), Box<dyn std::error::Error + Send + Sync>> {
        let tls = match &settings.roots {
            Some(roots) => {
                let config = client_config(roots, None, &[])?;
                Some(MakeRustlsConnect::new(rustls::ClientConfig::clone(&config)))
            }
            None => None,
        };
        // A connection is known to be closed when the server closes it.
        let how = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let pool = |connections| {
            let how = how.clone();
            let manager = match tls.clone() {
                Some(tls) => Manager::from_config(settings.driver(), tls, how),
                None => Manager::from_config(settings.driver(), NoTls, how),
            };
            Pool::builder(manager)
                .max_size(connections)
                .wait_timeout(Some(settings.timeout))
                .create_timeout(Some(settings.timeout))
                .recycle_timeout(Some(settings.timeout))
                .runtime(PoolRuntime::Tokio1)
                .build()
        };
        let (pool, own) = (pool(settings.connections.get())?, pool(1)?);
        let millis = settings.timeout.as_millis().max(1);
        // Within the transaction: behind a PgBouncer the connection is somebody else's next.
        let begin = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = {millis}; \
             SET LOCAL idle_in_transaction_session_timeout = {millis}"
        );
        let direct = Arc::new(Direct { config: settings.direct(), tls: tls.clone() });
        let cancel = Cancel { tls, timeout: settings.timeout };
        let (prepared, timeout) = (settings.prepared, settings.timeout);
        let (begin, notifies) = (begin.into(), Arc::new(AtomicBool::new(true)));
        let link = Self { pool, prepared, timeout, cancel, begin, notifies, direct };
        let apart = Self { pool: own, ..link.clone() };
        Ok((link, apart))
    }

    pub(super) async fn call<A: Sync, T: Send>(
        &self,
        mode: Mode,
        asked: &A,
        work: Work<A, T>,
    ) -> Result<T, Failure> {
        let mut call = Call { asked, work, outcome: Err(Failure::Late) };
        let limit = match mode {
            Mode::Pour => Duration::MAX,
            Mode::Long => self.timeout.max(LONG),
            Mode::Look | Mode::Statement | Mode::Snapshot | Mode::Change => self.timeout,
        };
        let tries = self.tries(mode, &mut call);
        tokio::time::timeout(limit, tries).await.unwrap_or(Err(Failure::Late))?;
        call.outcome
    }

    async fn tries(&self, mode: Mode, call: &mut dyn Attempt) -> Result<(), Failure> {
        let begun = Instant::now();
        let mut tried = 1;
        loop {
            let Err(failure) = self.once(mode, call).await else { return Ok(()) };
            let contended = failure.is_contention() && tried < TRIES;
            // A connection that waited in the pool may be to a server that was stopped since.
            let lost = failure.is_loss()
                && tried == 1
                && mode != Mode::Statement
                && !matches!(failure, Failure::Unknown(_) | Failure::Late);
            if !contended && !lost || mode == Mode::Pour {
                return Err(failure);
            }
            let waited = begun.elapsed();
            tracing::debug!(error = &failure as &dyn std::error::Error, ?waited, "tried again");
            tokio::time::sleep(pause(tried)).await;
            tried += 1;
        }
    }

    async fn once(&self, mode: Mode, call: &mut dyn Attempt) -> Result<(), Failure> {
        let client = self.pool.get().await?;
        let conn = Conn::new(client, self.prepared, self.cancel.clone());
        let outcome = self.within(&conn, mode, call).await;
        match &outcome {
            Err(failure) if failure.is_loss() => drop(conn),
            Err(_) if mode.is_transaction() => {
                // What cannot be rolled back is closed.
                conn.commands("ROLLBACK").await?;
                conn.give_back();
            }
            Ok(()) if !conn.told().is_empty() => drop(tokio::spawn(self.clone().wake_all(conn))),
            Ok(()) | Err(_) => conn.give_back(),
        }
        outcome
    }

    fn notifies(&self) -> bool {
        self.notifies.load(Ordering::Relaxed)
    }

    /// Notes whether the database passes on that something has changed.
    pub(super) fn note_notifies(&self, it_does: bool) {
        self.notifies.store(it_does, Ordering::Relaxed);
    }

    /// Wakes those who listen. Not within the transaction: there it would make all commits wait for one
    /// another. Where it is lost, or the database knows no such thing, they find out by themselves.
    async fn wake_all(self, conn: Conn) {
        if !self.notifies() {
            return conn.give_back();
        }
        let said = match tokio::time::timeout(self.timeout, conn.commands(NOTIFY)).await {
            Ok(said) => said,
            // The connection is closed with it: nobody knows what comes on it next.
            Err(_late) => return,
        };
        if let Err(error) = said {
            let Some(db) = error.as_db_error() else { return };
            // It may be full, or starting: then the next change wakes them.
            self.note_notifies(!knows_no_such_thing(db.code().code()));
            let error = &error as &dyn std::error::Error;
            tracing::debug!(error, "the database wakes nobody");
        }
        conn.give_back();
    }

    async fn within(&self, conn: &Conn, mode: Mode, call: &mut dyn Attempt) -> Result<(), Failure> {
        match mode {
            Mode::Look | Mode::Statement => {
                call.make(conn).await?;
                // What is told is stored at the commit, and here is none of ours.
                debug_assert!(conn.told().is_empty(), "told outside of a transaction");
                return Ok(());
            }
            Mode::Snapshot => {
                conn.commands("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
            }
            Mode::Pour => conn.commands(POUR).await?,
            Mode::Change | Mode::Long => conn.commands(&self.begin).await?,
        }
        call.make(conn).await?;
        let told = conn.told();
        if told.is_empty() {
            conn.commands("COMMIT").await.map_err(at_commit)?;
        } else {
            let (limit, commit) = (events::limit(), events::commit(&told)?);
            // One behind the other without waiting in between.
            let both = futures_util::future::join(conn.commands(&limit), conn.commands(&commit));
            let (limited, committed) = both.await;
            limited.map_err(at_commit)?;
            committed.map_err(at_commit)?;
        }
        Ok(())
    }
}

fn at_commit(error: tokio_postgres::Error) -> Failure {
    match error.as_db_error() {
        // What the database says of the change itself; of a connection that was lost meanwhile
        // whoever stands between may say it as well, and then nobody knows.
        Some(db) if !is_of_the_connection(db.code().code()) => Failure::Database(error),
        Some(_) | None => Failure::Unknown(error),
    }
}

/// Whether a code is about the connection or the server: of class 08 or 57.
fn is_of_the_connection(code: &str) -> bool {
    code.starts_with("08") || code.starts_with("57")
}

/// Whether a code says that the server will never do it: a feature that it has not, or of class 42, a
/// statement that it does not know or may not be given.
fn knows_no_such_thing(code: &str) -> bool {
    code == "0A000" || code.starts_with("42")
}

impl Mode {
    const fn is_transaction(self) -> bool {
        matches!(self, Self::Snapshot | Self::Pour | Self::Change | Self::Long)
    }
}

/// How long to wait after so many tries: at random, so that those who met do not meet again.
fn pause(tried: u32) -> Duration {
    let most = PAUSE.saturating_mul(1 << tried.min(16)).min(LONGEST_PAUSE);
    most.mul_f64(random_part())
}

/// Some part of a whole. Without randomness: all of it.
pub(super) fn random_part() -> f64 {
    let mut random = [0; 4];
    if getrandom::fill(&mut random).is_err() {
        return 1.0;
    }
    f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waking_is_given_up_only_where_the_server_never_will() {
        for code in ["0A000", "42601", "42501"] {
            assert!(knows_no_such_thing(code), "{code}");
        }
        // A queue that is full, a server that recovers, is stopped or has no memory.
        for code in ["54000", "25006", "55000", "57P01", "53200"] {
            assert!(!knows_no_such_thing(code), "{code}");
        }
    }
}
