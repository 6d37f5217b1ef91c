//! The threads that speak with the database, and the calls that are made there.
//!
//! Connections live on threads of the store's own: a worker that is busy with requests would keep
//! the answers of the database waiting, and whoever hangs up must not leave a transaction open.

use std::fmt;
use std::pin::Pin;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::failure::Failure;
use super::link::{Link, Mode, Work};
use super::settings::PostgresSettings;
use crate::store::StoreError;

/// Threads that speak with the database, whatever the number of connections.
const THREADS: usize = 2;

/// The threads, and the ways to the database.
pub(super) struct Threads {
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    link: Link,
    /// The same by a connection of its own: what is heard of others must not wait behind requests.
    apart: Link,
}

/// Calls by one of the ways. They come to their end, whoever goes away meanwhile.
#[derive(Clone, Copy)]
pub(super) struct Calls<'a> {
    threads: &'a Threads,
    link: &'a Link,
}

impl Threads {
    /// Nothing is connected before it is needed.
    ///
    /// # Errors
    ///
    /// Nobody is trusted to say who the server is, or the threads cannot be started.
    pub(super) fn new(
        settings: &PostgresSettings,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let (link, apart) = Link::two(settings)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("store-database")
            .enable_all()
            .build()?;
        Ok(Self { runtime: Some(runtime), link, apart })
    }

    /// Those that share the connections.
    pub(super) const fn calls(&self) -> Calls<'_> {
        Calls { threads: self, link: &self.link }
    }

    /// Those that wait behind none of them.
    pub(super) const fn apart(&self) -> Calls<'_> {
        Calls { threads: self, link: &self.apart }
    }

    /// The way that is shared.
    pub(super) const fn link(&self) -> &Link {
        &self.link
    }

    /// Runs something beside the calls.
    pub(super) fn spawn(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> Result<AbortHandle, StoreError> {
        let Some(runtime) = &self.runtime else { return Err(Failure::Late.into()) };
        // Boxed, so that what tokio does for a task is compiled once and not for each call.
        let task: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(task);
        Ok(runtime.spawn(task).abort_handle())
    }
}

impl Calls<'_> {
    /// Does `work`.
    pub(super) async fn call<A, T>(
        self,
        mode: Mode,
        asked: A,
        work: Work<A, T>,
    ) -> Result<T, StoreError>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        self.start(mode, asked, work, move |outcome| drop(answer.send(outcome)))?;
        answered.await.map_err(|gone| StoreError::Unavailable(gone.into()))?.map_err(Into::into)
    }

    /// [`Self::call`] for who is not asynchronous; it blocks.
    pub(super) fn block<A, T>(self, mode: Mode, asked: A, work: Work<A, T>) -> Result<T, StoreError>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        // Not of tokio's: whoever is on a runtime may block as well, while it builds a gateway.
        let (answer, answered) = std::sync::mpsc::sync_channel(1);
        self.start(mode, asked, work, move |outcome| drop(answer.send(outcome)))?;
        answered.recv().map_err(|gone| StoreError::Unavailable(gone.into()))?.map_err(Into::into)
    }

    /// Has it done. Nothing is told where it panicked.
    fn start<A, T>(
        self,
        mode: Mode,
        asked: A,
        work: Work<A, T>,
        tell: impl FnOnce(Result<T, Failure>) + Send + 'static,
    ) -> Result<(), StoreError>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        let link = self.link.clone();
        self.threads.spawn(async move { tell(link.call(mode, &asked, work).await) }).map(drop)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Not waited for: whoever drops it may be asynchronous.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads").finish_non_exhaustive()
    }
}
