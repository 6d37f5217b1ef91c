//! The socket of an HTTP/2 connection, whose frames are counted as they pass.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::budget::Budget;
use super::frames::Frames;
use super::streams::Streams;

/// A socket that tells the clock what goes through it, and ends where a client floods it.
pub(super) struct Counted<S> {
    stream: S,
    streams: Arc<Streams>,
    frames: Frames,
    budget: Budget,
}

impl<S> Counted<S> {
    pub(super) const fn new(stream: S, streams: Arc<Streams>) -> Self {
        Self { stream, streams, frames: Frames::new(), budget: Budget::new() }
    }

    fn wrote(&mut self, polled: &Poll<io::Result<usize>>) {
        self.streams.writable(polled.is_ready());
        if let Poll::Ready(Ok(bytes)) = polled {
            self.budget.sent(*bytes);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let Self { streams, frames, budget, .. } = &mut *self;
        let mut allowed = true;
        frames.take(buffer.filled().get(before..).unwrap_or_default(), |frame| {
            streams.heard();
            allowed = allowed && budget.allows(frame, || streams.now());
        });
        streams.head(frames.in_head());
        if allowed {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(Err(io::Error::other("a flood of frames that ask for nothing")))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(&polled);
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wrote(&polled);
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
