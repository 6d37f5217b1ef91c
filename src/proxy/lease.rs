//! A response body that holds its connection until it has been read to the end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::pool::{Connection, Pool};
use super::progress::Progress;
use super::upstream::Flight;

/// A connection in use. Dropped, it closes, as soon as the request body is over if that is still
/// under way: whatever was left of the response could otherwise be taken for the answer to the
/// next request.
pub(super) struct Lease {
    connection: Connection,
    pool: Arc<Pool>,
    upstream: usize,
    server: usize,
    hold: Hold,
    /// The server will close the connection after this response.
    is_last: bool,
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
}

impl Lease {
    pub(super) const fn new(
        connection: Connection,
        pool: Arc<Pool>,
        upstream: usize,
        server: usize,
        hold: Hold,
        is_last: bool,
    ) -> Self {
        Self { connection, pool, upstream, server, hold, is_last }
    }

    /// The response is complete: the connection may have its next request, unless it is still
    /// busy with the body of this one because the upstream answered early.
    pub(super) fn give_back(self) {
        if self.is_last {
            return;
        }
        if let Hold::Both(request) = &self.hold
            && !request.is_complete()
        {
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
    incoming: Incoming,
    lease: Option<Lease>,
    /// Why there is no more of it.
    broken: Option<hyper::Error>,
}

impl LeasedBody {
    pub(super) const fn new(incoming: Incoming, lease: Lease) -> Self {
        Self { incoming, lease: Some(lease), broken: None }
    }

    fn end(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }

    /// The next frame. To ask for it is what lets the connection bring it.
    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        match &mut self.lease {
            Some(lease) if polled.is_pending() => {
                lease.connection.http.drive(cx);
                Pin::new(&mut self.incoming).poll_frame(cx)
            }
            _ => polled,
        }
    }
}

impl http_body::Body for LeasedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        loop {
            match ready!(self.next(cx)) {
                Some(Ok(frame)) if frame.is_data() => {
                    // With a Content-Length the end is known with the last piece, and hyper's
                    // server does not ask again.
                    if self.incoming.is_end_stream() {
                        self.end();
                    }
                    return Poll::Ready(Some(Ok(frame)));
                }
                Some(Ok(_trailers)) => {}
                Some(Err(error)) => {
                    self.lease = None;
                    // hyper's server drops what it has not sent yet when a body breaks. What came
                    // before goes out first, so that the client knows what it has half of.
                    self.broken = Some(error);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                None => {
                    self.end();
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.broken.is_none() && self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
