//! The body of a request, under the limits of size and patience.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;

use super::lingering::Source;
use super::patience::{Patience, Pulse};
use super::{BodyError, MessageLimits};

/// Why a request body ends early.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BodyFault {
    /// More bytes than the limit: answer 413.
    #[error("request body over the limit")]
    TooLarge,
    /// The client fell silent or trickles: answer 408.
    #[error("request body too slow")]
    TooSlow,
    /// The client went away, or its framing is broken: answer 400, if anybody is there.
    #[error("request body incomplete")]
    Broken,
}

/// A request body. Trailers are dropped unless they are asked for: a trailer may not become a
/// header on the way (RFC 9110 section 6.5.1).
pub struct RequestBody(Option<Box<Inner>>);

struct Inner {
    source: Source,
    /// Bytes that may still come.
    left: u64,
    patience: Patience,
    /// Bytes that are to come by the request's own word.
    declared: Option<u64>,
    /// The last of those, until it is sure that no more come: a request that says too little of
    /// its length never looks whole to an upstream (HTTP/2 tells only at the end).
    held: Option<Bytes>,
    /// Why it ended early, for whoever sees only that the request failed.
    fault: Arc<OnceLock<BodyFault>>,
    /// What became of it, for whoever answers the request.
    trace: Arc<BodyTrace>,
    ended: bool,
    /// Whether trailers are asked for, and those that came before their turn.
    trailers: bool,
    last: Option<Frame<Bytes>>,
}

/// What became of a request body.
#[derive(Debug, Default)]
pub struct BodyTrace {
    abandoned: AtomicBool,
    received: AtomicU64,
}

impl BodyTrace {
    /// Whether nobody read it to its end. Its connection is then no good for another request, and
    /// the client has to be told (RFC 9112 section 9.6).
    pub fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }

    /// How many bytes of it came so far.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

impl RequestBody {
    /// No body.
    pub const fn empty() -> Self {
        Self(None)
    }

    /// A body under `limits`; [`RequestBody::limit`] changes how large it may be.
    pub fn new<B>(source: B, limits: &MessageLimits) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        if source.is_end_stream() {
            return Self::empty();
        }
        let timeout = limits.body_timeout;
        let least = limits.body_rate.saturating_mul(timeout.as_secs()).max(1);
        let declared = source.size_hint().exact();
        Self(Some(Box::new(Inner {
            declared,
            held: None,
            source: Source::new(source),
            left: limits.body,
            patience: Patience::new(timeout, least),
            fault: Arc::default(),
            trace: Arc::default(),
            ended: false,
            trailers: false,
            last: None,
        })))
    }

    /// Sets how many bytes may come.
    ///
    /// # Errors
    ///
    /// [`BodyFault::TooLarge`] if the request says itself that more will come.
    pub fn limit(&mut self, most: u64) -> Result<(), BodyFault> {
        let Some(inner) = &mut self.0 else { return Ok(()) };
        inner.left = most;
        if inner.source.size_hint().lower() > most { Err(BodyFault::TooLarge) } else { Ok(()) }
    }

    /// Has what nobody wants of it read for a while, so that the client gets to read the answer:
    /// for bodies in HTTP/2.
    pub(crate) fn linger(&mut self) {
        if let Some(inner) = &mut self.0 {
            inner.source.linger();
        }
    }

    /// Asks for the trailers, as they came.
    pub fn keep_trailers(&mut self) {
        if let Some(inner) = &mut self.0 {
            inner.trailers = true;
        }
    }

    /// Lets the client be silent for `idle` in place of the ordinary limits, and for longer as
    /// long as the pulse beats, which is to be told of what goes the other way.
    pub fn converse(&mut self, idle: Duration) -> Option<Arc<Pulse>> {
        self.0.as_mut().map(|inner| inner.patience.converse(idle))
    }

    /// Where the reason of an early end will stand.
    pub fn fault(&self) -> Option<Arc<OnceLock<BodyFault>>> {
        self.0.as_ref().map(|inner| Arc::clone(&inner.fault))
    }

    /// Where it will stand what became of it.
    pub fn trace(&self) -> Option<Arc<BodyTrace>> {
        self.0.as_ref().map(|inner| Arc::clone(&inner.trace))
    }

    /// Reads the whole body.
    ///
    /// # Errors
    ///
    /// [`BodyFault`]; at most the limit was held in memory.
    pub async fn read(mut self, most: u64) -> Result<Bytes, BodyFault> {
        self.limit(most)?;
        let mut whole = BytesMut::new();
        while let Some(frame) = self.frame().await {
            if let Ok(data) = frame?.into_data() {
                whole.extend_from_slice(&data);
            }
        }
        Ok(whole.freeze())
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let Some(inner) = &mut self.0 else { return Poll::Ready(None) };
        let end = ready!(inner.poll_next(cx));
        if let Err(fault) = &end {
            // The first reason is the reason.
            inner.fault.get_or_init(|| *fault);
        }
        Poll::Ready(end.transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|inner| {
            inner.held.is_none() && inner.last.is_none() && inner.source.is_end_stream()
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |inner| inner.source.size_hint())
    }
}

impl Inner {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, BodyFault>> {
        loop {
            if self.ended {
                return Poll::Ready(Ok(self.last.take()));
            }
            let frame = match self.source.poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    ready!(self.patience.poll_exhausted(cx));
                    return Poll::Ready(Err(BodyFault::TooSlow));
                }
            };
            let Some(frame) = frame else {
                self.ended = true;
                return Poll::Ready(Ok(self.held.take().map(Frame::data)));
            };
            let Ok(frame) = frame else { return Poll::Ready(Err(BodyFault::Broken)) };
            let data = match frame.into_data() {
                Ok(data) => data,
                Err(trailers) if self.trailers => {
                    self.ended = true;
                    self.last = Some(trailers);
                    let held = self.held.take().map(Frame::data);
                    return Poll::Ready(Ok(held.or_else(|| self.last.take())));
                }
                Err(_) => continue,
            };
            let length = data.len() as u64;
            let Some(left) = self.left.checked_sub(length) else {
                return Poll::Ready(Err(BodyFault::TooLarge));
            };
            self.left = left;
            self.trace.received.fetch_add(length, Ordering::Relaxed);
            self.patience.arrived(length);
            if let Some(declared) = &mut self.declared {
                *declared = declared.saturating_sub(length);
                if *declared == 0 && !self.source.is_end_stream() {
                    self.held = Some(data);
                    continue;
                }
            }
            return Poll::Ready(Ok(Some(Frame::data(data))));
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if !self.ended && !self.source.is_end_stream() {
            self.trace.abandoned.store(true, Ordering::Release);
        }
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").field("empty", &self.0.is_none()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
