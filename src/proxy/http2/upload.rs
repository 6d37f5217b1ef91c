//! A request body on its way to an HTTP/2 server, piece by piece as it has room.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http::HeaderMap;
use http_body::Body as _;

use super::channels::Seat;
use super::{Trailers, clean_trailers};
use crate::proxy::send::Outgoing;

/// Bytes of a body that are kept to be sent again: a call with one message, as most are.
const KEPT: usize = 64 << 10;

/// Why a body was not sent to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stopped {
    /// The client broke off, or went over a limit.
    Client,
    /// The server wants no more of it.
    Server,
}

/// A request body, and how far it has come.
pub(super) struct Upload {
    body: Outgoing,
    trailers: Trailers,
    /// What was taken from the body so far; `None` if it was too much.
    kept: Option<Vec<Bytes>>,
    kept_bytes: usize,
    /// Whether anything was taken.
    begun: bool,
    /// What is to be sent before anything more is taken.
    waiting: VecDeque<Bytes>,
    /// The trailers, none of them as a rule, as soon as nothing more is to be taken.
    last: Option<HeaderMap>,
    sent: bool,
}

impl Upload {
    pub(super) fn new(body: Outgoing, trailers: Trailers) -> Self {
        let last = body.is_end_stream().then(HeaderMap::new);
        Self {
            body,
            trailers,
            kept: Some(Vec::new()),
            kept_bytes: 0,
            begun: false,
            waiting: VecDeque::new(),
            sent: last.is_some(),
            last,
        }
    }

    /// Whether all was sent.
    pub(super) const fn is_over(&self) -> bool {
        self.sent
    }

    /// The body, if nothing of it was taken.
    pub(super) fn untouched(self) -> Option<Outgoing> {
        (!self.begun).then_some(self.body)
    }

    /// Begins again from the start; `false` if that is gone.
    pub(super) fn rewind(&mut self) -> bool {
        let Some(kept) = &self.kept else { return false };
        self.waiting = kept.iter().cloned().collect();
        self.sent = !self.begun && self.last.is_some();
        true
    }

    /// From here on nothing is kept.
    pub(super) fn forget(&mut self) {
        self.kept = None;
    }

    /// Sends what there is and has room. Ready at the end.
    pub(super) fn poll(
        &mut self,
        stream: &mut SendStream<Bytes>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Stopped>> {
        while !self.sent {
            if stream.poll_reset(cx).is_ready() {
                return Poll::Ready(Err(Stopped::Server));
            }
            if !self.waiting.is_empty() {
                ready!(self.poll_room(stream, cx))?;
            } else if self.last.is_some() {
                self.finish(stream)?;
            } else {
                ready!(self.poll_more(cx))?;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Sends as much as there is room for, at least something.
    fn poll_room(
        &mut self,
        stream: &mut SendStream<Bytes>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Stopped>> {
        let Some(chunk) = self.waiting.front_mut() else { return Poll::Ready(Ok(())) };
        stream.reserve_capacity(chunk.len());
        while stream.capacity() == 0 {
            match ready!(stream.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(Err(Stopped::Server)),
            }
        }
        let piece = chunk.split_to(stream.capacity().min(chunk.len()));
        if chunk.is_empty() {
            self.waiting.pop_front();
        }
        let plain = self.last.as_ref().is_some_and(HeaderMap::is_empty);
        self.sent = plain && self.waiting.is_empty();
        Poll::Ready(stream.send_data(piece, self.sent).map_err(|_| Stopped::Server))
    }

    /// Takes the next piece from the body.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Stopped>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.begun = true;
        let Some(frame) = frame.transpose().map_err(|_| Stopped::Client)? else {
            self.last = Some(HeaderMap::new());
            return Poll::Ready(Ok(()));
        };
        match frame.into_data() {
            Ok(data) => self.take(data),
            Err(frame) => {
                if let (Ok(mut trailers), Some(known)) = (frame.into_trailers(), &self.trailers) {
                    clean_trailers(known.headers(), &mut trailers);
                    self.last = Some(trailers);
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn take(&mut self, data: Bytes) {
        self.kept_bytes = self.kept_bytes.saturating_add(data.len());
        if self.kept_bytes > KEPT {
            self.kept = None;
        } else if let Some(kept) = &mut self.kept {
            kept.push(data.clone());
        }
        if self.body.is_end_stream() {
            self.last = Some(HeaderMap::new());
        }
        if !data.is_empty() {
            self.waiting.push_back(data);
        }
    }

    fn finish(&mut self, stream: &mut SendStream<Bytes>) -> Result<(), Stopped> {
        self.sent = true;
        let sent = match &self.last {
            Some(trailers) if !trailers.is_empty() => stream.send_trailers(trailers.clone()),
            _ => stream.send_data(Bytes::new(), true),
        };
        sent.map_err(|_| Stopped::Server)
    }

    /// Sends the rest, beside a response that has begun.
    pub(super) async fn go_on(mut self, mut stream: SendStream<Bytes>, _seat: Arc<Seat>) {
        if poll_fn(|cx| self.poll(&mut stream, cx)).await == Err(Stopped::Client) {
            stream.send_reset(Reason::CANCEL);
        }
    }
}
