//! A socket that lets no byte of HTTP/1 through unjudged.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::hangup::Hangup;
use super::pulse::Pulse;
use crate::server::{Stop, Walker};

/// What the parser is given in place of a request that is none: its answer says why, and comes
/// after those of the requests before it. No service ever sees it.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
/// Bytes that are kept while nobody knows which protocol they are.
const UNDECIDED: usize = 16 * 1024;
/// Bytes that are read for nothing, so that the client gets to read the answer: to close a
/// socket with unread bytes resets it, and what was sent last is lost.
const DISCARDED: usize = 1024 * 1024;

/// A socket of which only whole, well-formed heads are read, and bodies as far as their framing
/// is good. What is read in one piece is not copied.
pub(super) struct Judged<S> {
    stream: S,
    pulse: Arc<Pulse>,
    walker: Walker,
    /// Where the walker stands.
    stop: Stop,
    /// What was read and not passed on.
    held: Vec<u8>,
    /// How much of it is good.
    good: usize,
    /// Whether the refusal was passed on.
    told: bool,
    discarded: usize,
    shut: bool,
}

impl<S: AsyncRead + Unpin> Judged<S> {
    pub(super) const fn new(stream: S, walker: Walker, pulse: Arc<Pulse>) -> Self {
        Self {
            stream,
            pulse,
            walker,
            stop: Stop::More,
            held: Vec::new(),
            good: 0,
            told: false,
            discarded: 0,
            shut: false,
        }
    }

    /// Takes back what it passed on and nobody used.
    pub(super) fn put_back(&mut self, unused: &[u8]) {
        self.held.splice(..0, unused.iter().copied());
        self.good += unused.len();
    }

    /// Passes on what is good.
    fn deliver(&mut self, buffer: &mut ReadBuf<'_>) {
        let count = self.good.min(buffer.remaining());
        buffer.put_slice(self.held.get(..count).unwrap_or_default());
        self.held.drain(..count);
        self.good -= count;
        if self.held.is_empty() {
            // An idle connection keeps nothing.
            self.held = Vec::new();
        }
    }

    /// Judges what is held.
    fn judge(&mut self) {
        let walked = self.walker.walk(&self.held);
        self.good = walked.passed;
        self.stop = walked.stop;
    }

    /// Reads straight into `buffer` and leaves there what is good. Whether that is anything, or
    /// the end.
    fn poll_direct(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<bool>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let read = buffer.filled().get(before..).unwrap_or_default();
        if read.is_empty() {
            return Poll::Ready(Ok(true));
        }
        let walked = self.walker.walk(read);
        self.stop = walked.stop;
        let rest = read.get(walked.passed..).unwrap_or_default();
        if !rest.is_empty() {
            self.held.extend_from_slice(rest);
            buffer.set_filled(before + walked.passed);
        }
        Poll::Ready(Ok(walked.passed > 0))
    }

    /// Reads on behind what is held. `false` at the end.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut piece = [0; 4096];
        let mut piece = ReadBuf::new(&mut piece);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut piece))?;
        self.held.extend_from_slice(piece.filled());
        Poll::Ready(Ok(!piece.filled().is_empty()))
    }

    /// Reads for nothing until the end, or until it was enough.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut piece = [0; 4096];
        while self.discarded < DISCARDED {
            let mut piece = ReadBuf::new(&mut piece);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut piece))?;
            if piece.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.discarded += piece.filled().len();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Judged<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let taken = this.pulse.is_taken();
        loop {
            if taken {
                // No HTTP any more.
                this.good = this.held.len();
            }
            if this.good > 0 {
                this.deliver(buffer);
                return Poll::Ready(Ok(()));
            }
            if taken {
                return Pin::new(&mut this.stream).poll_read(cx, buffer);
            }
            let busy = this.pulse.is_busy();
            if busy && matches!(this.stop, Stop::Head(_) | Stop::Upgrade) {
                this.pulse.hold();
            }
            match this.stop {
                Stop::Body(violation) => {
                    tracing::debug!(%violation, "request body refused");
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, violation)));
                }
                Stop::Head(_) if this.told => return Poll::Pending,
                // The end would be taken for a client that went away, and the request that runs
                // would be given up.
                Stop::Head(_) if busy => {
                    ready!(this.poll_discard(cx))?;
                    let enough = this.discarded >= DISCARDED;
                    return if enough { Poll::Pending } else { Poll::Ready(Ok(())) };
                }
                Stop::Head(violation) => {
                    this.pulse.refuse(violation);
                    this.told = true;
                    this.held = STAND_IN.to_vec();
                    this.good = STAND_IN.len();
                    continue;
                }
                Stop::Upgrade if !busy => {
                    this.walker.resume();
                    this.judge();
                    if this.good > 0 || this.stop != Stop::More {
                        continue;
                    }
                }
                Stop::Upgrade if this.held.len() >= UNDECIDED => return Poll::Pending,
                Stop::Upgrade | Stop::More => {}
            }
            if this.held.is_empty() {
                if ready!(this.poll_direct(cx, buffer))? {
                    return Poll::Ready(Ok(()));
                }
            } else if ready!(this.poll_more(cx))? {
                this.judge();
            } else {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Hangup + Unpin> AsyncWrite for Judged<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Called by hyper whenever its task runs, so that this is where it learns that the client of
    /// a running request is gone while it reads nothing.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.pulse.asks() && self.stream.is_hung_up() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Ends what is sent; where the client may be sending still, listens for a moment longer.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.pulse.leave();
        if !this.shut {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            this.shut = true;
            let unread = this.told || this.walker.is_inside_body() || !this.held.is_empty();
            if this.pulse.is_taken() || !unread {
                return Poll::Ready(Ok(()));
            }
            this.held = Vec::new();
            this.pulse.linger();
        }
        // Whatever goes wrong now: it was the end.
        ready!(this.poll_discard(cx)).ok();
        Poll::Ready(Ok(()))
    }
}
