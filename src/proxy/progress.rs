//! How far a request body has come, for the deadline of its response.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use super::upstream::Flight;

/// When the upstream last took a piece of a request body, and whether there was one to take.
#[derive(Debug)]
pub(super) struct Progress {
    started: Instant,
    /// Milliseconds after `started`.
    last: AtomicU64,
    /// The client has not sent the next piece yet.
    client_waits: AtomicBool,
    /// The request's place at the upstream: an early answer does not end the upload.
    flight: Flight,
}

impl Progress {
    pub(super) fn new(flight: Flight) -> Self {
        let started = Instant::now();
        Self { started, last: AtomicU64::new(0), client_waits: AtomicBool::new(false), flight }
    }

    pub(super) const fn flight(&self) -> &Flight {
        &self.flight
    }

    /// Since when it is the upstream that is waited for; now, while it is the client.
    pub(super) fn waiting_since(&self) -> Instant {
        if self.client_waits.load(Ordering::Relaxed) {
            return Instant::now();
        }
        self.moved()
    }

    /// When the upstream last took a piece.
    pub(super) fn moved(&self) -> Instant {
        self.started + Duration::from_millis(self.last.load(Ordering::Relaxed))
    }

    fn polled(&self, pending: bool) {
        self.client_waits.store(pending, Ordering::Relaxed);
        // Asked in vain, however often, nothing has moved.
        if !pending {
            let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.last.store(now, Ordering::Relaxed);
        }
    }
}

/// A body that notes how far it has come.
#[derive(Debug)]
pub(super) struct Tracked<B> {
    body: B,
    /// `None` where there is no body to wait for.
    progress: Option<Arc<Progress>>,
}

impl<B> Tracked<B> {
    pub(super) const fn new(body: B, progress: Option<Arc<Progress>>) -> Self {
        Self { body, progress }
    }
}

impl<B: http_body::Body + Unpin> http_body::Body for Tracked<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Some(progress) = &self.progress {
            progress.polled(polled.is_pending());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
