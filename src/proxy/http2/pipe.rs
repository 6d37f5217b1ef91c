//! A stream to an HTTP/2 server that has left HTTP for a `WebSocket` (RFC 8441): bytes both ways.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::channels::Seat;
use crate::proxy::lease::Hold;

/// Both directions of the stream. Dropped before the end of both, it resets the stream; the others
/// of its connection go on.
pub(in crate::proxy) struct Pipe {
    from: RecvStream,
    to: SendStream<Bytes>,
    /// What was received and not read yet.
    inbox: Bytes,
    /// Whether the end was sent.
    ended: bool,
    _hold: Hold,
    _seat: Arc<Seat>,
}

impl Pipe {
    pub(super) const fn new(
        from: RecvStream,
        to: SendStream<Bytes>,
        hold: Hold,
        seat: Arc<Seat>,
    ) -> Self {
        Self { from, to, inbox: Bytes::new(), ended: false, _hold: hold, _seat: seat }
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.inbox.is_empty() {
            match ready!(this.from.poll_data(cx)) {
                Some(data) => this.inbox = data.map_err(io::Error::other)?,
                None => return Poll::Ready(Ok(())),
            }
        }
        let count = this.inbox.len().min(buffer.remaining());
        buffer.put_slice(&this.inbox.split_to(count));
        let window = this.from.flow_control();
        Poll::Ready(window.release_capacity(count).map_err(io::Error::other))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.to.reserve_capacity(bytes.len());
        while self.to.capacity() == 0 && !bytes.is_empty() {
            match ready!(self.to.poll_capacity(cx)) {
                Some(room) => drop(room.map_err(io::Error::other)?),
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        }
        let count = self.to.capacity().min(bytes.len());
        let piece = Bytes::copy_from_slice(bytes.get(..count).unwrap_or_default());
        let sent = self.to.send_data(piece, false).map_err(io::Error::other);
        Poll::Ready(sent.map(|()| count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.ended, true) {
            self.to.send_data(Bytes::new(), true).map_err(io::Error::other)?;
        }
        Poll::Ready(Ok(()))
    }
}
