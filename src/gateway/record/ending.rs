//! Requests that are not over with the head of their answer.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::Record;
use crate::proxy::Rejection;
use crate::web::{Body, BodyError, Traffic};

/// The end of a request that took its connection, or its stream, over.
pub(super) struct Tunnelled {
    pub(super) record: Record,
    pub(super) traffic: Arc<Traffic>,
}

impl Drop for Tunnelled {
    fn drop(&mut self) {
        let (received, sent) = self.traffic.so_far();
        self.record.tunnelled = Some(received);
        let begun = self.traffic.begun.load(Ordering::Relaxed);
        self.record.end(sent, begun);
    }
}

/// A streamed body, whose end is that of its request.
pub(super) struct Recorded {
    pub(super) body: Body,
    pub(super) record: Record,
    pub(super) sent: u64,
    pub(super) whole: bool,
}

impl http_body::Body for Recorded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
                self.whole = self.body.is_end_stream();
            }
            Poll::Ready(None) => self.whole = true,
            Poll::Ready(Some(Err(error))) => {
                // Broken off by us, and not by one of the ends.
                self.record.code = error.downcast_ref().map(Rejection::code);
            }
            Poll::Pending => {}
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

impl Drop for Recorded {
    fn drop(&mut self) {
        // Also when the client goes away in the middle: that is when the line matters.
        let (sent, whole) = (self.sent, self.whole);
        self.record.end(sent, whole);
    }
}
