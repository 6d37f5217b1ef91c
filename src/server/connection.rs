//! One connection: HTTP/1.1 under its deadlines, and its part of the drain.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Request;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;

use super::pulse::Pulse;
use super::{ConnectionLimits, Handler};
use crate::clock::Alarm;
use crate::web::{Body, BodyError, Peer};

/// Serves one connection to its end: the peer's, a deadline's, or that of the drain.
pub(super) async fn serve<H: Handler, S>(
    stream: S,
    peer: Peer,
    handler: Arc<H>,
    limits: Arc<ConnectionLimits>,
    drain: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let pulse = Arc::new(Pulse::start());
    let io = TokioIo::new(Watched { stream, pulse: Arc::clone(&pulse) });
    let peer = Arc::new(peer);
    let service = service_fn(|request: Request<Incoming>| {
        pulse.request(!http_body::Body::is_end_stream(request.body()));
        let (handler, peer, pulse) = (Arc::clone(&handler), Arc::clone(&peer), Arc::clone(&pulse));
        async move {
            let response = handler.handle(request, peer).await;
            Ok::<_, std::convert::Infallible>(response.map(|body| Ending { body, pulse }))
        }
    });
    let mut http = http1::Builder::new();
    // Its deadline would be the idle time as well; ours are in `Pulse`.
    http.header_read_timeout(None).max_buf_size(limits.head.max(8192)).half_close(false);
    if limits.headers != 100 {
        // hyper keeps 100 on the stack and any other number on the heap.
        http.max_headers(limits.headers);
    }
    let connection = pin!(http.serve_connection(io, service));
    let ended = Timed {
        connection,
        alarm: Alarm::default(),
        pulse: &pulse,
        limits: &limits,
        drain: pin!(drain.cancelled()),
        draining: false,
    }
    .await;
    match ended {
        End::Closed(Ok(())) => {}
        End::Closed(Err(error)) => handler.broken(&peer, &error),
        End::Deadline => tracing::debug!(peer = %peer.addr(), "connection closed at its deadline"),
        End::Drained => {
            tracing::debug!(peer = %peer.addr(), "waiting connection closed for the end");
        }
    }
}

enum End {
    Closed(hyper::Result<()>),
    Deadline,
    Drained,
}

/// A connection beside its clock.
struct Timed<'a, C, D> {
    connection: Pin<&'a mut C>,
    alarm: Alarm,
    pulse: &'a Pulse,
    limits: &'a ConnectionLimits,
    drain: Pin<&'a mut D>,
    draining: bool,
}

/// hyper's connection, as far as it matters here.
trait Graceful: Future<Output = hyper::Result<()>> {
    fn graceful_shutdown(self: Pin<&mut Self>);
}

impl<I, B, S> Graceful for http1::Connection<I, S>
where
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<BodyError>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: http_body::Body + 'static,
    B::Error: Into<BodyError>,
{
    fn graceful_shutdown(self: Pin<&mut Self>) {
        Self::graceful_shutdown(self);
    }
}

impl<C: Graceful, D: Future<Output = ()>> Future for Timed<'_, C, D> {
    type Output = End;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End> {
        let this = &mut *self;
        if !this.draining && this.drain.as_mut().poll(cx).is_ready() {
            this.draining = true;
            this.connection.as_mut().graceful_shutdown();
        }
        if let Poll::Ready(ended) = this.connection.as_mut().poll(cx) {
            return Poll::Ready(End::Closed(ended));
        }
        // A connection that never sent a byte is not idle to hyper, which would wait for it.
        if this.draining && this.pulse.is_fresh() {
            return Poll::Ready(End::Drained);
        }
        // Looked at after every poll: whatever moves the deadline happens inside one.
        if let Some(deadline) = this.pulse.deadline(this.limits) {
            ready!(this.alarm.poll_past(deadline, cx));
            return Poll::Ready(End::Deadline);
        }
        Poll::Pending
    }
}

/// The socket, telling the clock what goes through it.
struct Watched<S> {
    stream: S,
    pulse: Arc<Pulse>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.pulse.received();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.pulse.writable(polled.is_ready());
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.pulse.writable(polled.is_ready());
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A response body that tells the clock when it is over: sent, given up, or never wanted.
struct Ending {
    body: Body,
    pulse: Arc<Pulse>,
}

impl http_body::Body for Ending {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.pulse.finished();
    }
}
