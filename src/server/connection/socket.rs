//! The socket of a connection, with what was read to find out what it speaks.

use std::future::{Future, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::hangup::Hangup;
use super::pulse::Pulse;
use super::timed::{Deadlines, End};
use crate::clock::Alarm;
use crate::server::ConnectionLimits;

/// What a client that speaks HTTP/2 begins with (RFC 9113 section 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Most bytes of the first read. A whole head is usually less, and is then read once.
const FIRST: usize = 4096;

/// What a connection begins with.
pub(super) enum Begun {
    Http1,
    Http2,
    /// Nothing, and it is over.
    Over(End),
}

/// The socket, telling the clock what goes through it.
pub(super) struct Watched<S> {
    stream: S,
    pulse: Arc<Pulse>,
    /// What was read and not handed on yet.
    ahead: Bytes,
}

impl<S: AsyncRead + Unpin> Watched<S> {
    pub(super) const fn new(stream: S, pulse: Arc<Pulse>) -> Self {
        Self { stream, pulse, ahead: Bytes::new() }
    }

    /// Reads until it is clear what the client speaks, and keeps what was read.
    pub(super) async fn begin(
        &mut self,
        alarm: &mut Alarm,
        limits: &ConnectionLimits,
        mut drained: Pin<&mut impl Future<Output = ()>>,
    ) -> Begun {
        let mut first = Vec::new();
        let begun = poll_fn(|cx| {
            if let Poll::Ready(begun) = self.poll_version(&mut first, cx) {
                return Poll::Ready(begun);
            }
            if drained.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Begun::Over(End::Drained));
            }
            if let Some((deadline, _)) = self.pulse.deadline(limits) {
                ready!(alarm.poll_past(deadline, cx));
                return Poll::Ready(Begun::Over(End::Deadline));
            }
            Poll::Pending
        })
        .await;
        self.ahead = Bytes::from(first);
        begun
    }

    fn poll_version(&mut self, first: &mut Vec<u8>, cx: &mut Context<'_>) -> Poll<Begun> {
        loop {
            let mut chunk = [const { MaybeUninit::uninit() }; FIRST];
            let mut chunk = ReadBuf::uninit(&mut chunk);
            if ready!(Pin::new(&mut self.stream).poll_read(cx, &mut chunk)).is_err() {
                return Poll::Ready(Begun::Over(End::Closed(Ok(()))));
            }
            let read = chunk.filled();
            if read.is_empty() && first.is_empty() {
                return Poll::Ready(Begun::Over(End::Closed(Ok(()))));
            }
            self.pulse.received();
            first.extend_from_slice(read);
            if first.starts_with(PREFACE) {
                return Poll::Ready(Begun::Http2);
            }
            if read.is_empty() || !PREFACE.starts_with(first) {
                return Poll::Ready(Begun::Http1);
            }
        }
    }
}

impl<S: Hangup> Hangup for Watched<S> {
    fn is_hung_up(&self) -> bool {
        self.stream.is_hung_up()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.has_remaining() {
            let count = self.ahead.len().min(buffer.remaining());
            let taken = self.ahead.split_to(count);
            buffer.put_slice(&taken);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.pulse.listens(polled.is_pending());
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
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        // TLS takes bytes that it has no room for yet.
        self.pulse.writable(polled.is_ready());
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
