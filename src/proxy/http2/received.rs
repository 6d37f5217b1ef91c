//! A response body from an HTTP/2 server, with its trailers.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http_body::{Frame, SizeHint};

use super::channels::Seat;
use super::{Trailers, clean_trailers};
use crate::clock::Alarm;
use crate::proxy::aside::Aside;
use crate::proxy::lease::Hold;
use crate::proxy::silence::Silence;
use crate::web::{BodyError, Pulse};

/// A response body, piece by piece as it comes. Dropped before its end, it resets the stream at
/// once, the request body with it; the others of its connection go on.
pub(in crate::proxy) struct Received {
    pub(super) stream: RecvStream,
    /// Bytes that it says will come.
    pub(super) length: Option<u64>,
    pub(super) trailers: Trailers,
    /// Whether all data has come.
    pub(super) at_trailers: bool,
    pub(super) ended: bool,
    /// Why there is no more of it.
    pub(super) broken: Option<BodyError>,
    /// What is still being sent of the request.
    pub(super) upload: Option<Aside>,
    /// Told of every piece.
    pub(super) pulse: Option<Arc<Pulse>>,
    pub(super) alarm: Alarm,
    pub(super) silence: Silence,
    pub(super) hold: Hold,
    pub(super) _seat: Arc<Seat>,
}

impl Received {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if !self.at_trailers {
            if let Some(data) = ready!(self.stream.poll_data(cx)).transpose()? {
                // It has left the stream's window for the client's connection, which has one of
                // its own.
                self.stream.flow_control().release_capacity(data.len())?;
                if let Some(pulse) = &self.pulse {
                    pulse.beat();
                }
                self.ended = self.stream.is_end_stream();
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            self.at_trailers = true;
        }
        let trailers = ready!(self.stream.poll_trailers(cx))?;
        self.ended = true;
        let (Some(mut trailers), Some(known)) = (trailers, &self.trailers) else {
            return Poll::Ready(None);
        };
        clean_trailers(known.headers(), &mut trailers);
        Poll::Ready((!trailers.is_empty()).then(|| Ok(Frame::trailers(trailers))))
    }
}

impl Received {
    /// The next piece, or that there was none for too long.
    fn poll_in_time(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(next) = self.poll_next(cx) {
            self.silence.broken();
            return Poll::Ready(next.map(|next| next.map_err(Into::into)));
        }
        let silent = ready!(self.silence.poll_over(&mut self.alarm, &self.hold, cx));
        Poll::Ready(Some(Err(silent.into())))
    }
}

impl http_body::Body for Received {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(error) = self.broken.take() {
            self.ended = true;
            return Poll::Ready(Some(Err(error)));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        match ready!(self.poll_in_time(cx)) {
            Some(Err(error)) => {
                // Of a request whose answer broke off nobody needs the rest.
                self.upload = None;
                // hyper's server drops what it has not sent yet when a body breaks. What came
                // before goes out first, so that the client knows what it has half of.
                self.broken = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            other => Poll::Ready(other),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.broken.is_none() && (self.ended || self.stream.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if let Some(upload) = self.upload.take()
            && (self.ended || self.stream.is_end_stream())
        {
            upload.let_go();
        }
    }
}
