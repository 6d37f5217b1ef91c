//! One connection: HTTP/1.1 under its deadlines, and its part of the drain.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::pulse::Pulse;
use super::{ConnectionLimits, Handler};
use crate::clock::Alarm;
use crate::web::{Body, BodyError, Peer, Takeover, Upgradable};

/// How long a connection that was taken over has for its last words.
const LEAVE: Duration = Duration::from_secs(2);

/// The drain, as a connection meets it.
#[derive(Clone, Debug)]
pub(super) struct Drain {
    begins: CancellationToken,
    ends: CancellationToken,
    taken: TaskTracker,
}

impl Drain {
    /// A drain that begins when `begins` is cancelled.
    pub(super) fn new(begins: CancellationToken) -> Self {
        Self { begins, ends: CancellationToken::new(), taken: TaskTracker::new() }
    }

    /// Waits for its beginning.
    pub(super) async fn begun(&self) {
        self.begins.cancelled().await;
    }

    /// Closes the connections that were taken over: they have no end of their own.
    pub(super) async fn end(&self) {
        self.ends.cancel();
        self.taken.close();
        self.taken.wait().await;
    }

    /// What goes on on a connection after HTTP, until the drain is over and a moment longer, to
    /// say so.
    async fn bound(&self, takeover: &Takeover) {
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

/// Serves one connection to its end: the peer's, a deadline's, or that of the drain.
pub(super) async fn serve<H: Handler, S>(
    stream: S,
    peer: Peer,
    handler: Arc<H>,
    limits: Arc<ConnectionLimits>,
    drain: Drain,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let pulse = Arc::new(Pulse::start());
    let io = TokioIo::new(Watched { stream, pulse: Arc::clone(&pulse) });
    let peer = Arc::new(peer);
    let takeover = OnceLock::new();
    let service = service_fn(|mut request: Request<Incoming>| {
        pulse.request(!http_body::Body::is_end_stream(request.body()));
        if let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>() {
            request.extensions_mut().insert(Upgradable(upgrade));
        }
        let takeover = &takeover;
        let (handler, peer, pulse) = (Arc::clone(&handler), Arc::clone(&peer), Arc::clone(&pulse));
        async move {
            let mut response = handler.handle(request, peer).await;
            if let Some(next) = response.extensions_mut().remove::<Takeover>() {
                // The first: after a 101 hyper takes no further request.
                takeover.get_or_init(|| next);
            }
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
    let connection = pin!(http.serve_connection(io, service).with_upgrades());
    let ended = Timed {
        connection,
        alarm: Alarm::default(),
        pulse: &pulse,
        limits: &limits,
        drain: pin!(drain.begins.cancelled()),
        draining: false,
    }
    .await;
    match ended {
        End::Closed(Ok(())) => {
            if let Some(takeover) = takeover.get() {
                drain.bound(takeover).await;
            }
        }
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

impl<I, B, S> Graceful for http1::UpgradeableConnection<I, S>
where
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<BodyError>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
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
