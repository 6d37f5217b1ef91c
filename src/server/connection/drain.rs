//! The drain, as a connection meets it.

use std::pin::pin;
use std::time::Duration;

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::web::Takeover;

/// How long a connection that was taken over has for its last words.
const LEAVE: Duration = Duration::from_secs(2);

/// The drain of one worker's connections.
#[derive(Clone, Debug)]
pub(in crate::server) struct Drain {
    begins: CancellationToken,
    ends: CancellationToken,
    taken: TaskTracker,
}

impl Drain {
    /// A drain that has not begun.
    pub(in crate::server) fn new() -> Self {
        Self {
            begins: CancellationToken::new(),
            ends: CancellationToken::new(),
            taken: TaskTracker::new(),
        }
    }

    /// Lets the connections know: what runs is finished, what waits is closed.
    pub(in crate::server) fn begin(&self) {
        self.begins.cancel();
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

    /// Waited for at the end of the drain until it is dropped.
    pub(super) fn counted(&self) -> TaskTrackerToken {
        self.taken.token()
    }

    /// Where the drain is over, lets a connection end of which a stream was taken over: the last
    /// words may still have to go out.
    pub(super) async fn let_end(&self, end: &CancellationToken) {
        if self.ends.is_cancelled() && tokio::time::timeout(LEAVE, end.cancelled()).await.is_err() {
            tracing::debug!("connection cut at the end of the drain");
        }
    }

    /// What goes on on a connection after HTTP, until the drain is over and a moment longer, to
    /// say so.
    pub(super) async fn bound(&self, takeover: &Takeover) {
        let Some(work) = takeover.take() else { return };
        let mut work = pin!(work);
        let _counted = self.taken.token();
        tokio::select! {
            () = self.ends.cancelled() => {}
            () = &mut work => return,
        }
        takeover.leave();
        if tokio::time::timeout(LEAVE, work).await.is_err() {
            tracing::debug!("connection cut at the end of the drain");
        }
    }
}
