//! The drain, as a connection meets it.

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};
use tokio_util::task::TaskTracker;

/// The drain of one worker's connections.
#[derive(Clone, Debug)]
pub(in crate::server) struct Drain {
    begins: CancellationToken,
    ends: CancellationToken,
    taken: TaskTracker,
}

impl Drain {
    /// A drain that begins when `begins` is cancelled.
    pub(in crate::server) fn new(begins: CancellationToken) -> Self {
        Self { begins, ends: CancellationToken::new(), taken: TaskTracker::new() }
    }

    /// Waits for its beginning.
    pub(in crate::server) fn begun(&self) -> WaitForCancellationFuture<'_> {
        self.begins.cancelled()
    }

    /// Closes the connections that were taken over: they have no end of their own.
    pub(in crate::server) async fn end(&self) {
        self.ends.cancel();
        self.taken.close();
        self.taken.wait().await;
    }

    /// What goes on on a connection after HTTP, until the drain is over.
    pub(super) async fn bound(&self, work: impl Future<Output = ()>) {
        let _counted = self.taken.token();
        tokio::select! {
            () = self.ends.cancelled() => {}
            () = work => {}
        }
    }
}
