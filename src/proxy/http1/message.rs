//! A request on its way out: its head, then its body piece by piece.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::Method;
use http::header::{self, HeaderName};
use http::request::Parts;
use http_body::Body as _;
use tokio::io::{AsyncWrite, WriteHalf};

use super::{Broken, Wire};
use crate::proxy::send::Outgoing;
use crate::trace::SpanId;
use crate::web::write_lines;

/// Room for a head with a token's worth of identity fields.
const HEAD: usize = 1024;

/// A request as bytes.
pub(in crate::proxy) struct Message {
    /// The head; then the framing before the next piece.
    framing: BytesMut,
    /// How much of it went out. It is kept until then, so that it can go elsewhere.
    gone: usize,
    /// Where in the head the span stands that the server is to follow.
    span_at: Option<usize>,
    piece: Bytes,
    /// What ends the piece.
    tail: &'static [u8],
    body: Outgoing,
    coding: Coding,
    /// Whether anything of the body was taken.
    begun: bool,
    /// Whether anything went out.
    is_sent: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Coding {
    /// No body, or no more of it.
    Over,
    /// So many bytes are to come.
    Length(u64),
    Chunked,
}

impl Message {
    /// Writes the head. The body is framed here, once, whatever its head says.
    ///
    /// `ours` writes the fields that are the gateway's to set, and says where the id of a span
    /// stands. `parts` have none of them.
    pub(in crate::proxy) fn new(
        parts: &Parts,
        ours: impl FnOnce(&mut BytesMut) -> Option<usize>,
        body: Outgoing,
    ) -> Self {
        let coding = match body.size_hint().exact() {
            _ if body.is_end_stream() => Coding::Over,
            Some(length) => Coding::Length(length),
            None => Coding::Chunked,
        };
        let mut framing = BytesMut::with_capacity(HEAD);
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        for part in [parts.method.as_str(), " ", target, " HTTP/1.1\r\n"] {
            framing.extend_from_slice(part.as_bytes());
        }
        let passing = parts.headers.iter().filter(|(name, _)| !is_length(name));
        write_lines(passing, &mut framing);
        let span_at = ours(&mut framing);
        match coding {
            // Where a body could be meant, its absence is said (RFC 9110 section 8.6).
            Coding::Over
                if parts.headers.contains_key(header::CONTENT_LENGTH)
                    || [Method::POST, Method::PUT, Method::PATCH].contains(&parts.method) =>
            {
                framing.extend_from_slice(b"content-length: 0\r\n\r\n");
            }
            Coding::Over => framing.extend_from_slice(b"\r\n"),
            Coding::Length(length) => {
                framing.extend_from_slice(format!("content-length: {length}\r\n\r\n").as_bytes());
            }
            Coding::Chunked => framing.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n"),
        }
        Self {
            framing,
            gone: 0,
            span_at,
            piece: Bytes::new(),
            tail: b"",
            body,
            coding,
            begun: false,
            is_sent: false,
        }
    }

    /// Has the server follow that span; before anything goes out.
    pub(in crate::proxy) fn follow(&mut self, span: SpanId) {
        let id = span.to_string();
        let place = self.span_at.filter(|_| self.gone == 0);
        let place = place.and_then(|at| self.framing.get_mut(at..)?.get_mut(..id.len()));
        if let Some(place) = place {
            place.copy_from_slice(id.as_bytes());
        }
    }

    /// Whether it can go out once more from its beginning, though it may have gone out.
    pub(in crate::proxy) const fn is_whole(&self) -> bool {
        !self.begun
    }

    /// Whether nothing of it went out.
    pub(in crate::proxy) const fn is_unsent(&self) -> bool {
        !self.is_sent
    }

    /// Begins anew. Only what [is whole](Self::is_whole) can.
    pub(in crate::proxy) const fn rewind(&mut self) {
        self.gone = 0;
        self.is_sent = false;
    }

    /// Writes until there is nothing left, or no room.
    pub(super) fn poll_write(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin + ?Sized),
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        loop {
            let waits = !self.has_piece() && self.poll_piece(cx)?.is_pending();
            while self.gone < self.framing.len() || self.has_piece() {
                let wrote = ready!(self.poll_some(Pin::new(stream), cx))?;
                self.wrote(wrote)?;
            }
            if waits || self.coding == Coding::Over {
                ready!(Pin::new(stream).poll_flush(cx))?;
                return if waits { Poll::Pending } else { Poll::Ready(Ok(())) };
            }
        }
    }

    fn poll_some(
        &self,
        stream: Pin<&mut (impl AsyncWrite + ?Sized)>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let framing = self.framing.get(self.gone..).unwrap_or_default();
        if !self.has_piece() {
            return stream.poll_write(cx, framing);
        }
        let parts = [IoSlice::new(framing), IoSlice::new(&self.piece), IoSlice::new(self.tail)];
        if stream.is_write_vectored() {
            return stream.poll_write_vectored(cx, &parts);
        }
        let first = parts.iter().find(|part| !part.is_empty());
        stream.poll_write(cx, first.map_or(&[], |part| part))
    }

    fn has_piece(&self) -> bool {
        !self.piece.is_empty() || !self.tail.is_empty()
    }

    fn wrote(&mut self, bytes: usize) -> Result<(), Broken> {
        if bytes == 0 {
            return Err(io::Error::from(io::ErrorKind::WriteZero).into());
        }
        self.is_sent = true;
        let framing = bytes.min(self.framing.len() - self.gone);
        self.gone += framing;
        let piece = (bytes - framing).min(self.piece.len());
        self.piece.advance(piece);
        let tail = bytes - framing - piece;
        self.tail = self.tail.get(tail..).unwrap_or_default();
        Ok(())
    }

    /// Takes the next piece of the body, behind its framing; nothing if the body is over.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        while self.coding != Coding::Over {
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else {
                return Poll::Ready(self.end());
            };
            let frame = frame.map_err(|_| Broken::Body)?;
            let Ok(piece) = frame.into_data() else { continue };
            if piece.is_empty() {
                continue;
            }
            self.frame(piece.len() as u64)?;
            self.piece = piece;
            break;
        }
        Poll::Ready(Ok(()))
    }

    fn frame(&mut self, length: u64) -> Result<(), Broken> {
        self.begun = true;
        match &mut self.coding {
            Coding::Length(left) => {
                *left = left.checked_sub(length).ok_or(Broken::Body)?;
                if *left == 0 {
                    self.coding = Coding::Over;
                }
            }
            Coding::Chunked => {
                self.put(format!("{length:x}\r\n").as_bytes());
                self.tail = b"\r\n";
            }
            Coding::Over => {}
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Broken> {
        match self.coding {
            // Fewer bytes than were announced would leave the server waiting for them.
            Coding::Length(1..) => return Err(Broken::Body),
            Coding::Chunked => self.put(b"0\r\n\r\n"),
            Coding::Length(0) | Coding::Over => {}
        }
        self.begun = true;
        self.coding = Coding::Over;
        Ok(())
    }

    fn put(&mut self, framing: &[u8]) {
        if self.gone == self.framing.len() {
            self.framing.clear();
            self.gone = 0;
        }
        self.framing.extend_from_slice(framing);
    }

    /// Writes the rest to a stream of which somebody else reads.
    pub(super) async fn write_all(mut self, mut stream: WriteHalf<Box<dyn Wire>>) {
        let written = std::future::poll_fn(|cx| self.poll_write(&mut stream, cx)).await;
        if let Err(error) = written {
            let error = &error as &dyn std::error::Error;
            tracing::debug!(error, "upload not taken to its end");
        }
    }
}

/// Whether a field says how long the body is.
fn is_length(name: &HeaderName) -> bool {
    *name == header::CONTENT_LENGTH || *name == header::TRANSFER_ENCODING
}
