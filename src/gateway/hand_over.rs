//! Another process goes on where this one was: with its listeners, and then with its store.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio_util::sync::DropGuard;

use super::Gateway;
use super::hearing::Hears;
use super::lingering::Lingering;
use super::run::ServeError;
use super::traces::Exporting;
use crate::audit::{Event, Kind};
use crate::server::{FIRST_WORDS, Sockets};
use crate::token::Bumped;

/// How often it is looked whether anything is undecided.
const LOOK: Duration = Duration::from_millis(5);

/// For how long nothing may be undecided: a client of HTTP/2 may not have read yet that this
/// connection takes no more.
const QUIET: Duration = Duration::from_millis(300);

/// How long is waited for whoever may need the store: nobody is served meanwhile, and one slow body at
/// an endpoint shall not keep all others out.
const PATIENCE: Duration = Duration::from_secs(10);

/// How serving is to end.
///
/// ```
/// use portcullis::End;
///
/// /// What a program does that is told so by its operator.
/// fn end(somebody_takes_over: bool) -> End {
///     if somebody_takes_over { End::HandOver } else { End::Drain }
/// }
/// assert_eq!(end(false), End::Drain);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// With all that runs.
    Drain,
    /// For another process, which has the [sockets](Gateway::sockets): no connection is refused.
    HandOver,
}

/// How serving has ended.
///
/// ```
/// use std::path::Path;
/// use std::sync::Arc;
///
/// use portcullis::identity::UserId;
/// use portcullis::store::RedbStore;
/// use portcullis::{Config, End, Gateway, Served, Store, StoreError};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let policy = "listen = [\"127.0.0.1:0\"]\nworkers = 1";
/// let config = Config::parse("policy", policy, Path::new("."))?.config;
/// let store = Arc::new(RedbStore::in_memory()?);
/// let mut gateway = Gateway::builder(config).store(store.clone()).ephemeral_keys().build()?;
/// gateway.bind()?;
/// // For whoever goes on here: as long as these are open, clients wait for an answer.
/// let sockets = gateway.sockets()?;
/// let Served::HandedOver(lingering) = gateway.run_until(async { End::HandOver }).await? else {
///     unreachable!("it was to be handed over")
/// };
/// assert_eq!(sockets.len(), 1);
/// assert!(matches!(store.user(UserId(1)).await, Err(StoreError::HandedOver)));
/// // Nobody tells of changes: what is live ends, too.
/// lingering.ended(std::future::ready(()), async || None).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub enum Served {
    /// Nothing is left.
    Drained,
    /// The store is free, and nobody accepts connections. What is live goes on.
    HandedOver(Lingering),
}

#[doc(hidden)]
impl Gateway {
    /// All sockets that it listens at, once more: where this gateway accepts no more, and nobody
    /// else has them, clients wait at them in vain.
    ///
    /// # Errors
    ///
    /// The operating system's: no more files can be open.
    pub fn sockets(&self) -> io::Result<Vec<OwnedFd>> {
        let mut all = Vec::new();
        for bound in &self.bound {
            match &bound.sockets {
                Sockets::Tcp(sockets) => {
                    for socket in sockets {
                        all.push(socket.as_fd().try_clone_to_owned()?);
                    }
                }
                Sockets::Unix(socket) => all.push(socket.as_fd().try_clone_to_owned()?),
            }
        }
        Ok(all)
    }

    /// Lets go of the store once nobody needs it, and leaves what is live to itself.
    pub(super) async fn hand_over(
        self,
        ends: DropGuard,
        workers: JoinHandle<Result<(), ServeError>>,
        mail: JoinHandle<()>,
        traces: Exporting,
        hears: Hears,
    ) -> Lingering {
        self.settled().await;
        let sessions = self.sessions();
        sessions.write_uses().await;
        if mail.await.is_err() {
            tracing::error!("what sends letters had panicked");
        }
        self.let_go().await;
        let revisions = Arc::clone(&self.ground.revisions);
        let (tls, clock) = (self.tls.clone(), Arc::clone(&self.ground.clock));
        Lingering { revisions, sessions, hears, workers, traces, ends, tls, clock }
    }

    /// What changes about users from now on, for a gateway that was there before.
    pub fn changes(&self) -> broadcast::Receiver<Bumped> {
        self.ground.revisions.listen()
    }

    /// Waits for whoever may need the store, but not for long.
    async fn settled(&self) {
        let quiet = async {
            // Until then those who came last may ask for something.
            tokio::time::sleep(FIRST_WORDS).await;
            let mut since = tokio::time::Instant::now();
            while since.elapsed() < QUIET {
                tokio::time::sleep(LOOK).await;
                if self.census.undecided() > 0 {
                    since = tokio::time::Instant::now();
                }
            }
        };
        if tokio::time::timeout(PATIENCE, quiet).await.is_err() {
            tracing::warn!("requests that need the store are still under way at the hand-over");
        }
    }

    /// Lets go of all that only one process can have.
    async fn let_go(&self) {
        let audit = self.ground.accounts.audit().clone();
        audit.note(Event::new(Kind::HandedOver)).keep_or_count().await;
        if let Err(error) = self.ground.store.hand_over().await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "the store was not handed over");
        }
        // After the store, so that every change has its line. It joins a thread.
        if tokio::task::spawn_blocking(move || audit.close()).await.is_err() {
            tracing::error!("the audit record was not closed");
        }
    }
}
