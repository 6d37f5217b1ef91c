//! Connections and streams that leave HTTP: the upgraded one, and what goes on there.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::Extensions;
use hyper::upgrade::OnUpgrade;
use tokio_util::sync::CancellationToken;

/// In the extensions of a request whose connection, or stream, may be taken over. Our own server
/// sets it: whoever else hands requests in would not run the [`Takeover`].
#[derive(Clone, Debug)]
pub(crate) enum Upgradable {
    /// A connection of HTTP/1.1 whose client asks for another protocol.
    Connection(OnUpgrade),
    /// A stream of HTTP/2, by an extended CONNECT (RFC 8441). `gone` is cancelled when nothing
    /// more can be sent on it, as after a reset: reading tells that from an ordinary end only
    /// for some of the reset's reasons.
    Stream { upgrade: OnUpgrade, gone: CancellationToken },
}

impl Upgradable {
    /// Whether a request with these extensions is an extended CONNECT.
    pub(crate) fn is_stream(extensions: &Extensions) -> bool {
        matches!(extensions.get(), Some(Self::Stream { .. }))
    }
}

/// Bytes that went through a connection after it was taken over.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// From the client.
    pub(crate) received: AtomicU64,
    /// To the client.
    pub(crate) sent: AtomicU64,
    /// Whether it came to that: the client may have gone before.
    pub(crate) begun: AtomicBool,
}

impl Traffic {
    /// What has gone through so far: received and sent, in bytes.
    pub(crate) fn so_far(&self) -> (u64, u64) {
        (self.received.load(Ordering::Relaxed), self.sent.load(Ordering::Relaxed))
    }
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// In the extensions of a 101, or of the 200 to an extended CONNECT: what goes on when that has
/// been sent. Dropped, it closes what it holds.
#[derive(Clone)]
pub(crate) struct Takeover {
    work: Arc<Mutex<Option<Work>>>,
    traffic: Arc<Traffic>,
    leaving: CancellationToken,
}

impl Takeover {
    /// That work, which counts its bytes in `traffic` and takes leave when `leaving` is
    /// cancelled.
    pub(crate) fn new(
        work: impl Future<Output = ()> + Send + 'static,
        traffic: Arc<Traffic>,
        leaving: CancellationToken,
    ) -> Self {
        Self { work: Arc::new(Mutex::new(Some(Box::pin(work)))), traffic, leaving }
    }

    /// Asks the work to come to its end, which it may say on the connection.
    pub(crate) fn leave(&self) {
        self.leaving.cancel();
    }

    /// The count of its bytes.
    pub(crate) fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }

    /// The work, for the one who does it.
    pub(crate) fn take(&self) -> Option<impl Future<Output = ()> + Send + 'static + use<>> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Keeps `guard` until the work is over, or given up, or was never begun.
    #[must_use]
    pub(crate) fn keeping(self, guard: impl Send + 'static) -> Self {
        let work = self.take();
        let (traffic, leaving) = (Arc::clone(&self.traffic), self.leaving.clone());
        let kept = async move {
            let _guard = guard;
            if let Some(work) = work {
                work.await;
            }
        };
        Self::new(kept, traffic, leaving)
    }
}

impl fmt::Debug for Takeover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Takeover").field("traffic", &self.traffic).finish_non_exhaustive()
    }
}
