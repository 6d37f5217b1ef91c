//! HTTP/1.1 towards an upstream: one request at a time on a connection, driven by whoever waits
//! for its answer.
//!
//! hyper's client gives each connection a task of its own, with channels between it and the
//! request. On this way, where every request passes, that was a third of all instructions.

mod message;
mod response;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf};
use tokio::task::unconstrained;
use tokio_util::io::poll_read_buf;

use crate::web::{BadChunk, Chunks};

pub(super) use message::Message;
pub(super) use response::{Head, Malformed};

/// What is read at once: no more than this is held of a response.
const MOST_READ: u64 = 256 * 1024;
/// What is read at once where nothing is known about the length.
const LEAST_READ: u64 = 8 * 1024;
/// Less room than this is no use where more may come: it would cost one more read.
const SHORT_READ: u64 = 1024;

/// A stream of bytes both ways: TCP, a unix socket, TLS on either.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// A connection to a server.
pub(super) struct Connection {
    io: Io,
    /// What was read and not used yet.
    inbox: BytesMut,
    /// Bytes of interim responses before the next final one.
    interim: usize,
}

enum Io {
    Whole(Box<dyn Wire>),
    /// The other half is still sending a request that was answered early.
    Reading(ReadHalf<Box<dyn Wire>>),
}

/// How the body of a response ends (RFC 9112 section 6.3).
#[derive(Clone, Debug)]
pub(super) enum Framing {
    /// After so many bytes.
    Length(u64),
    Chunked(Chunks),
    /// With the connection.
    Close,
    /// It is over.
    Over,
}

/// Why an exchange came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The connection is gone.
    #[error("connection lost")]
    Io(#[from] io::Error),
    /// The server closed it.
    #[error("connection closed by the upstream")]
    Closed,
    /// What came is no HTTP.
    #[error("malformed response")]
    Malformed(#[from] Malformed),
    /// A body in broken chunks.
    #[error("malformed response body")]
    Chunk(#[from] BadChunk),
    /// The request body broke off.
    #[error("request body broke off")]
    Body,
}

impl Connection {
    pub(super) fn new(stream: impl Wire + 'static) -> Self {
        Self { io: Io::Whole(Box::new(stream)), inbox: BytesMut::new(), interim: 0 }
    }

    /// Whether it waits for a request. Nobody may have looked at it for a while: what came
    /// meanwhile is its end, or bytes that nobody asked for and that end it.
    pub(super) fn is_ready(&mut self) -> bool {
        if !self.inbox.is_empty() || !matches!(self.io, Io::Whole(_)) {
            return false;
        }
        let mut cx = Context::from_waker(Waker::noop());
        // A task that had its turn would be told that nothing has come, whatever has.
        let look = unconstrained(poll_fn(|cx| self.poll_read(LEAST_READ, cx)));
        pin!(look).poll(&mut cx).is_pending()
    }

    /// Sends what can be sent of a request; ready when all of it is with the kernel.
    pub(super) fn poll_send(
        &mut self,
        message: &mut Message,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        match &mut self.io {
            Io::Whole(stream) => message.poll_write(stream.as_mut(), cx),
            Io::Reading(_) => Poll::Ready(Ok(())),
        }
    }

    /// The head of the response. Interim responses are passed over.
    pub(super) fn poll_head(
        &mut self,
        to_head: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Head, Broken>> {
        loop {
            if let Some(head) = Head::parse(&mut self.inbox, &mut self.interim, to_head)? {
                self.interim = 0;
                return Poll::Ready(Ok(head));
            }
            if ready!(self.poll_read(LEAST_READ, cx))? == 0 {
                return Poll::Ready(Err(Broken::Closed));
            }
        }
    }

    /// Whether nothing of a response has come.
    pub(super) fn is_silent(&self) -> bool {
        self.inbox.is_empty()
    }

    /// The rest of a request, to be sent beside its answer, which is here already. The connection
    /// closes when both halves are gone.
    pub(super) fn rest_of(
        &mut self,
        message: Message,
    ) -> Option<impl Future<Output = ()> + Send + use<>> {
        match std::mem::replace(&mut self.io, Io::gone()) {
            Io::Whole(stream) => {
                let (reading, writing) = tokio::io::split(stream);
                self.io = Io::Reading(reading);
                Some(message.write_all(writing))
            }
            reading @ Io::Reading(_) => {
                self.io = reading;
                None
            }
        }
    }

    /// The next piece of a body with this framing; `None` when it is over.
    pub(super) fn poll_body(
        &mut self,
        framing: &mut Framing,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, Broken>> {
        loop {
            if !self.inbox.is_empty()
                && let Some(piece) = framing.take(&mut self.inbox)?
            {
                return Poll::Ready(Ok(Some(piece)));
            }
            if matches!(framing, Framing::Over) {
                return Poll::Ready(Ok(None));
            }
            if ready!(self.poll_read(framing.to_read(), cx))? == 0 {
                if !matches!(framing, Framing::Close) {
                    return Poll::Ready(Err(Broken::Closed));
                }
                *framing = Framing::Over;
            }
        }
    }

    fn poll_read(&mut self, most: u64, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let room = (self.inbox.capacity() - self.inbox.len()) as u64;
        if room == 0 || room < most.min(SHORT_READ) {
            let most = most.clamp(LEAST_READ, MOST_READ);
            self.inbox.reserve(usize::try_from(most).unwrap_or_default());
        }
        match &mut self.io {
            Io::Whole(stream) => poll_read_buf(Pin::new(stream), cx, &mut self.inbox),
            Io::Reading(half) => poll_read_buf(Pin::new(half), cx, &mut self.inbox),
        }
    }
}

impl Io {
    /// In the place of a stream that is being taken.
    fn gone() -> Self {
        Self::Whole(Box::new(tokio::io::empty()))
    }
}

impl Framing {
    /// The next piece of the body out of what was read; `None` if nothing of it has come.
    fn take(&mut self, inbox: &mut BytesMut) -> Result<Option<Bytes>, BadChunk> {
        let (piece, over) = match self {
            Self::Over => return Ok(None),
            Self::Close => (inbox.split().freeze(), false),
            Self::Length(left) => {
                let here = inbox.len();
                let length = usize::try_from(*left).map_or(here, |left| left.min(here));
                *left -= length as u64;
                (inbox.split_to(length).freeze(), *left == 0)
            }
            Self::Chunked(chunks) => {
                let next = chunks.next(inbox)?;
                inbox.advance(next.skip);
                (inbox.split_to(next.data).freeze(), next.over)
            }
        };
        if over {
            *self = Self::Over;
        }
        Ok((!piece.is_empty()).then_some(piece))
    }

    /// How much it is worth to read at once.
    fn to_read(&self) -> u64 {
        match self {
            Self::Length(left) => *left,
            Self::Chunked(chunks) => chunks.left_in_chunk(),
            Self::Close => MOST_READ,
            Self::Over => 0,
        }
    }
}

/// What follows a 101: no HTTP any more.
impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.inbox.is_empty() {
            let length = this.inbox.len().min(buffer.remaining());
            buffer.put_slice(&this.inbox.split_to(length));
            return Poll::Ready(Ok(()));
        }
        match &mut this.io {
            Io::Whole(stream) => Pin::new(stream).poll_read(cx, buffer),
            Io::Reading(half) => Pin::new(half).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Whole(stream) => Pin::new(stream).poll_write(cx, bytes),
            Io::Reading(_) => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Whole(stream) => Pin::new(stream).poll_flush(cx),
            Io::Reading(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Whole(stream) => Pin::new(stream).poll_shutdown(cx),
            Io::Reading(_) => Poll::Ready(Ok(())),
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}
