//! A response body that holds its connection until it has been read to the end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::aside::Aside;
use super::http1::Framing;
use super::pool::{Connection, Pool};
use super::progress::Progress;
use super::silence::Silence;
use super::upstream::Flight;
use crate::web::BodyError;

/// A connection in use. Dropped, it closes, and what is still under way of the request ends with
/// it: whatever was left of the response could otherwise be taken for the answer to the next
/// request.
pub(super) struct Lease {
    pub(super) connection: Connection,
    pub(super) pool: Arc<Pool>,
    pub(super) upstream: usize,
    pub(super) server: usize,
    /// Given back with it.
    pub(super) hold: Hold,
    /// The server will close the connection after this response.
    pub(super) is_last: bool,
    /// The rest of the request, where the answer came before its end. The connection is then the
    /// last of its kind as well.
    pub(super) upload: Option<Aside>,
}

/// What keeps the request's place at the upstream.
pub(super) enum Hold {
    /// There is no request body: the response alone.
    Response(Flight),
    /// The request body as well, which may outlive the response.
    Both(Arc<Progress>),
}

impl Hold {
    pub(super) fn flight(&self) -> &Flight {
        match self {
            Self::Response(flight) => flight,
            Self::Both(request) => request.flight(),
        }
    }

    /// Of the request body, if there is one.
    pub(super) const fn progress(&self) -> Option<&Arc<Progress>> {
        match self {
            Self::Response(_) => None,
            Self::Both(request) => Some(request),
        }
    }
}

impl Lease {
    /// The response is complete: the connection may have its next request, unless it is still
    /// busy with the body of this one because the upstream answered early.
    pub(super) fn give_back(self) {
        if let Some(upload) = self.upload {
            return upload.let_go();
        }
        if self.is_last {
            return;
        }
        if let Some(shelf) = self.pool.shelf(self.upstream, self.server) {
            shelf.put(self.connection);
        }
    }
}

/// A response body, piece by piece as it comes. Trailers are dropped: a client that did not ask
/// for them would have to guess what they are (RFC 9110 section 6.5.1).
pub(super) struct LeasedBody {
    framing: Framing,
    lease: Option<Lease>,
    silence: Silence,
    /// Why there is no more of it.
    broken: Option<BodyError>,
}

impl LeasedBody {
    /// Its upstream may be silent for `idle`.
    pub(super) const fn new(framing: Framing, lease: Lease, idle: Duration) -> Self {
        Self { framing, lease: Some(lease), silence: Silence::new(idle), broken: None }
    }

    /// The next piece; `None` when it is over.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        let Some(lease) = &mut self.lease else { return Poll::Ready(Ok(None)) };
        let Connection { http, alarm, .. } = &mut lease.connection;
        if let Poll::Ready(piece) = http.poll_body(&mut self.framing, cx) {
            self.silence.broken();
            return Poll::Ready(piece.map_err(Into::into));
        }
        let silent = ready!(self.silence.poll_over(alarm, &lease.hold, cx));
        Poll::Ready(Err(silent.into()))
    }
}

impl http_body::Body for LeasedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Some(error) = this.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let piece = ready!(this.poll_piece(cx));
        // With a Content-Length the end is known with the last piece, and hyper's server does
        // not ask again.
        if matches!(this.framing, Framing::Over)
            && piece.is_ok()
            && let Some(lease) = this.lease.take()
        {
            lease.give_back();
        }
        match piece {
            Ok(piece) => Poll::Ready(piece.map(|piece| Ok(Frame::data(piece)))),
            Err(error) => {
                this.lease = None;
                // hyper's server drops what it has not sent yet when a body breaks. What came
                // before goes out first, so that the client knows what it has half of.
                this.broken = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.broken.is_none() && matches!(self.framing, Framing::Over)
    }

    fn size_hint(&self) -> SizeHint {
        match self.framing {
            Framing::Length(left) => SizeHint::with_exact(left),
            Framing::Over => SizeHint::with_exact(0),
            Framing::Chunked(_) | Framing::Close => SizeHint::default(),
        }
    }
}
