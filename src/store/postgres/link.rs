//! The pool of connections, and calls that are tried again where others were in the way.
//!
//! Connections live on threads of the store's own: a worker that is busy with requests would keep
//! the answers of the database waiting, and whoever hangs up must not leave a transaction open.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime as PoolRuntime};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio_postgres::{CancelToken, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::conn::Conn;
use super::failure::Failure;
use super::settings::PostgresSettings;
use crate::store::StoreError;
use crate::tls::client_config;

/// Threads that speak with the database, whatever the number of connections.
const THREADS: usize = 2;

/// How often a call is begun anew at most, where others are in its way.
const TRIES: u32 = 12;

/// How long is waited before the second try at most; twice as long before each further one.
const PAUSE: Duration = Duration::from_millis(4);

/// How long what takes long may take: a batch of an import, or an index of all users.
const LONG: Duration = Duration::from_secs(15 * 60);

/// How long is waited before a try at most.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// What a call does on a connection. It may run more than once, each time on rows that know nothing
/// of the time before.
pub(super) type Work<A, T> = for<'c> fn(&'c Conn, &'c A) -> Answer<'c, T>;

/// What it comes to.
pub(super) type Answer<'c, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'c>>;

/// How a call sees the rows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mode {
    /// Each statement by itself; none changes anything.
    Look,
    /// One statement that changes something.
    Statement,
    /// All as they are at one moment; nothing is changed.
    Snapshot,
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
}

/// The threads, and the way.
pub(super) struct Linked {
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    link: Link,
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

impl Linked {
    /// Nothing is connected before it is needed.
    ///
    /// # Errors
    ///
    /// Nobody is trusted to say who the server is, or the threads cannot be started.
    pub(super) fn new(
        settings: &PostgresSettings,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("store-database")
            .enable_all()
            .build()?;
        let tls = match &settings.roots {
            Some(roots) => {
                let config = client_config(roots, None, &[])?;
                Some(MakeRustlsConnect::new(rustls::ClientConfig::clone(&config)))
            }
            None => None,
        };
        // A connection is known to be closed when the server closes it.
        let how = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = match tls.clone() {
            Some(tls) => Manager::from_config(settings.driver(), tls, how),
            None => Manager::from_config(settings.driver(), NoTls, how),
        };
        let pool = Pool::builder(manager)
            .max_size(settings.connections.get())
            .wait_timeout(Some(settings.timeout))
            .create_timeout(Some(settings.timeout))
            .recycle_timeout(Some(settings.timeout))
            .runtime(PoolRuntime::Tokio1)
            .build()?;
        let millis = settings.timeout.as_millis().max(1);
        // Within the transaction: behind a PgBouncer the connection is somebody else's next.
        let begin = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = {millis}; \
             SET LOCAL idle_in_transaction_session_timeout = {millis}"
        );
        let cancel = Cancel { tls, timeout: settings.timeout };
        let (prepared, timeout) = (settings.prepared, settings.timeout);
        let link = Link { pool, prepared, timeout, cancel, begin: begin.into() };
        Ok(Self { runtime: Some(runtime), link })
    }

    /// Does `work`, on the store's threads: it comes to its end, whoever goes away meanwhile.
    pub(super) async fn call<A, T>(
        &self,
        mode: Mode,
        asked: A,
        work: Work<A, T>,
    ) -> Result<T, StoreError>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        // To the end, whether or not anybody waits for it.
        self.start(mode, asked, work, move |outcome| drop(answer.send(outcome)))?;
        answered.await.map_err(|gone| StoreError::Unavailable(gone.into()))?.map_err(Into::into)
    }

    /// The same, for who is not asynchronous; it blocks.
    pub(super) fn block<A, T>(
        &self,
        mode: Mode,
        asked: A,
        work: Work<A, T>,
    ) -> Result<T, StoreError>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        // Not of tokio's: whoever is on a runtime may block as well, while it builds a gateway.
        let (answer, answered) = std::sync::mpsc::sync_channel(1);
        self.start(mode, asked, work, move |outcome| drop(answer.send(outcome)))?;
        answered.recv().map_err(|gone| StoreError::Unavailable(gone.into()))?.map_err(Into::into)
    }

    /// Has it done on the store's threads. Nothing is told where it panicked.
    fn start<A, T>(
        &self,
        mode: Mode,
        asked: A,
        work: Work<A, T>,
        tell: impl FnOnce(Result<T, Failure>) + Send + 'static,
    ) -> Result<(), StoreError>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        let Some(runtime) = &self.runtime else { return Err(Failure::Late.into()) };
        let link = self.link.clone();
        runtime.spawn(async move { tell(link.call(mode, &asked, work).await) });
        Ok(())
    }
}

impl Drop for Linked {
    fn drop(&mut self) {
        // Not waited for: whoever drops it may be asynchronous.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Link {
    async fn call<A: Sync, T>(
        &self,
        mode: Mode,
        asked: &A,
        work: Work<A, T>,
    ) -> Result<T, Failure> {
        let limit = if mode == Mode::Long { self.timeout.max(LONG) } else { self.timeout };
        let tries = self.tries(mode, asked, work);
        tokio::time::timeout(limit, tries).await.unwrap_or(Err(Failure::Late))
    }

    async fn tries<A: Sync, T>(
        &self,
        mode: Mode,
        asked: &A,
        work: Work<A, T>,
    ) -> Result<T, Failure> {
        let begun = Instant::now();
        let mut tried = 1;
        loop {
            let failure = match self.once(mode, asked, work).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let contended = failure.is_contention() && tried < TRIES;
            // A connection that waited in the pool may be to a server that was stopped since.
            let lost = failure.is_loss()
                && tried == 1
                && mode != Mode::Statement
                && !matches!(failure, Failure::Unknown(_) | Failure::Late);
            if !contended && !lost {
                return Err(failure);
            }
            let waited = begun.elapsed();
            tracing::debug!(error = &failure as &dyn std::error::Error, ?waited, "tried again");
            tokio::time::sleep(pause(tried)).await;
            tried += 1;
        }
    }

    async fn once<A: Sync, T>(
        &self,
        mode: Mode,
        asked: &A,
        work: Work<A, T>,
    ) -> Result<T, Failure> {
        let client = self.pool.get().await?;
        let conn = Conn::new(client, self.prepared, self.cancel.clone());
        let outcome = self.within(&conn, mode, asked, work).await;
        match &outcome {
            Err(failure) if failure.is_loss() => drop(conn),
            Err(_) if mode.is_transaction() => {
                // What cannot be rolled back is closed.
                conn.commands("ROLLBACK").await?;
                conn.give_back();
            }
            Ok(_) | Err(_) => conn.give_back(),
        }
        outcome
    }

    async fn within<A: Sync, T>(
        &self,
        conn: &Conn,
        mode: Mode,
        asked: &A,
        work: Work<A, T>,
    ) -> Result<T, Failure> {
        match mode {
            Mode::Look | Mode::Statement => return work(conn, asked).await,
            Mode::Snapshot => {
                conn.commands("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
            }
            Mode::Change | Mode::Long => conn.commands(&self.begin).await?,
        }
        let answer = work(conn, asked).await?;
        conn.commands("COMMIT").await.map_err(|error| match error.as_db_error() {
            // What the database says of the change itself; of a connection that was lost meanwhile
            // whoever stands between may say it as well, and then nobody knows.
            Some(db) if !is_of_the_connection(db.code().code()) => Failure::Database(error),
            Some(_) | None => Failure::Unknown(error),
        })?;
        Ok(answer)
    }
}

/// Whether a code is about the connection or the server: of class 08 or 57.
fn is_of_the_connection(code: &str) -> bool {
    code.starts_with("08") || code.starts_with("57")
}

impl Mode {
    const fn is_transaction(self) -> bool {
        matches!(self, Self::Snapshot | Self::Change | Self::Long)
    }
}

/// How long to wait after so many tries: at random, so that those who met do not meet again.
fn pause(tried: u32) -> Duration {
    let most = PAUSE.saturating_mul(1 << tried.min(16)).min(LONGEST_PAUSE);
    let mut random = [0; 4];
    // Without randomness: the longest.
    if getrandom::fill(&mut random).is_err() {
        return most;
    }
    most.mul_f64(f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX))
}

impl fmt::Debug for Linked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Linked").finish_non_exhaustive()
    }
}
