//! Accepting and draining.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{self, Drain, Serving};
use super::listener::{Accepted, Listener};
use super::{ConnectionLimits, Handler, Preamble};
use crate::metrics::Counter;

/// How long whoever has just come in has to say what for, before waiting connections are closed:
/// a client whose connection was taken sends its request, and does not send it twice.
pub(crate) const FIRST_WORDS: Duration = Duration::from_millis(250);

/// How many connections there may be, over all workers.
#[derive(Clone, Debug)]
pub struct Slots {
    free: Arc<Semaphore>,
    most: usize,
    accepted: Arc<Counter>,
}

impl Slots {
    /// As many as `limits` say.
    pub fn new(limits: &ConnectionLimits) -> Self {
        let most = limits.connections.min(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(most)), most, accepted: Arc::default() }
    }

    /// How many there may be at once.
    pub const fn most(&self) -> usize {
        self.most
    }

    /// How many there are now.
    pub fn open(&self) -> usize {
        self.most.saturating_sub(self.free.available_permits())
    }

    /// How many there were in all.
    pub fn accepted(&self) -> u64 {
        self.accepted.total()
    }
}

/// Accepts connections for one worker and runs them on the current runtime.
///
/// Connections go on when it is dropped; the end of their runtime cuts them.
#[derive(Debug)]
pub struct Acceptor<H> {
    handler: Arc<H>,
    limits: Arc<ConnectionLimits>,
    slots: Slots,
    /// No more connections are taken.
    closing: CancellationToken,
    /// What those that there are hear of it.
    drain: Drain,
    connections: TaskTracker,
}

impl<H: Handler> Acceptor<H> {
    /// An acceptor that ends when `closing` is cancelled.
    pub fn new(
        handler: Arc<H>,
        limits: Arc<ConnectionLimits>,
        slots: Slots,
        closing: CancellationToken,
    ) -> Self {
        let (drain, connections) = (Drain::new(), TaskTracker::new());
        Self { handler, limits, slots, closing, drain, connections }
    }

    /// Accepts from a TCP listener until the drain begins.
    ///
    /// # Errors
    ///
    /// The runtime cannot watch the socket.
    pub async fn accept_tcp(
        &self,
        listener: std::net::TcpListener,
        preamble: Preamble,
    ) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        self.accept(Listener::Tcp(listener), preamble).await;
        Ok(())
    }

    /// Accepts from a unix listener until the drain begins.
    ///
    /// # Errors
    ///
    /// The runtime cannot watch the socket.
    pub async fn accept_unix(
        &self,
        listener: std::os::unix::net::UnixListener,
        preamble: Preamble,
    ) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::UnixListener::from_std(listener)?;
        self.accept(Listener::Unix(listener), preamble).await;
        Ok(())
    }

    /// Waits for what runs, but not longer than somebody has patience; returns how many connections
    /// were still open then. Those that were taken over are closed, the others are cut when their
    /// runtime ends.
    pub async fn drained(&self, patience: impl Future<Output = ()>) -> usize {
        self.connections.close();
        drop(tokio::time::timeout(FIRST_WORDS, self.connections.wait()).await);
        self.drain.begin();
        let open = tokio::select! {
            () = self.connections.wait() => 0,
            () = patience => self.connections.len(),
        };
        self.drain.end().await;
        open
    }

    async fn accept(&self, listener: Listener, preamble: Preamble) {
        let serving = Arc::new(Serving {
            handler: Arc::clone(&self.handler),
            limits: Arc::clone(&self.limits),
            preamble,
            drain: self.drain.clone(),
        });
        loop {
            let slots = Arc::clone(&self.slots.free);
            let next = async {
                // The slot last: held while nobody comes here, it would be missing where
                // somebody does. Further connections stay in the kernel's queue.
                let accepted = listener.accept().await;
                (accepted, slots.acquire_owned().await)
            };
            let (accepted, slot) = tokio::select! {
                () = self.closing.cancelled() => return,
                next = next => next,
            };
            self.slots.accepted.count();
            let serving = Arc::clone(&serving);
            self.connections.spawn(async move {
                let _slot = slot;
                match accepted {
                    Accepted::Tcp(stream, peer) => {
                        // Only a hint to the kernel: without it answers wait for the next ACK.
                        if let Err(error) = stream.set_nodelay(true) {
                            tracing::debug!(%error, "no TCP_NODELAY");
                        }
                        connection::serve(stream, peer, serving).await;
                    }
                    Accepted::Unix(stream, peer) => {
                        connection::serve(stream, peer, serving).await;
                    }
                }
            });
        }
    }
}

impl<H> Drop for Acceptor<H> {
    /// Connections that go on without it are told, too.
    fn drop(&mut self) {
        self.drain.begin();
    }
}
