//! One stream: its response as the client takes it, and its task.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};

use super::streams::{Next, Streams};
use crate::clock::Alarm;
use crate::web::{Body, BodyError};

/// Most bytes handed on at once: whoever takes as much within the idle time is slow, and not gone.
const PIECE: usize = 32 * 1024;

/// A stream, as its response and its task see it.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// Since when something waits for the client to take it; 0 if nothing does.
    waits: AtomicU64,
}

/// A response body that notes how long the client takes no more of it: hyper asks for a piece
/// only when there is room for one in the client's window.
pub(super) struct Reply {
    body: Body,
    /// What is left of the last piece of it.
    rest: Bytes,
    stream: Arc<Stream>,
    streams: Arc<Streams>,
}

impl Reply {
    pub(super) fn new(body: Body, stream: Arc<Stream>, streams: Arc<Streams>) -> Self {
        stream.waits.store(streams.now(), Ordering::Relaxed);
        Self { body, rest: Bytes::new(), stream, streams }
    }
}

impl Reply {
    fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.rest.is_empty() {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                ended => return Poll::Ready(ended),
            };
            match frame.into_data() {
                Ok(data) if data.len() > PIECE => self.rest = data,
                Ok(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Err(other) => return Poll::Ready(Some(Ok(other))),
            }
        }
        let count = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(count);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

impl http_body::Body for Reply {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = self.poll_piece(cx);
        let waits = if polled.is_ready() { self.streams.now() } else { 0 };
        self.stream.waits.store(waits, Ordering::Relaxed);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.stream.waits.store(0, Ordering::Relaxed);
    }
}

/// Runs the tasks of streams, and ends that of a client who takes nothing (zero window): dropped,
/// it resets its stream.
#[derive(Clone, Debug)]
pub(super) struct Spawn {
    streams: Arc<Streams>,
    patience: Duration,
}

impl Spawn {
    pub(super) const fn new(streams: Arc<Streams>, patience: Duration) -> Self {
        Self { streams, patience }
    }
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Spawn {
    fn execute(&self, task: F) {
        let patience = self.patience;
        let stream = match Streams::spawned() {
            Some(Next::Request(stream)) => stream,
            Some(Next::Tunnel(line)) => {
                tokio::spawn(line.send(task, patience));
                return;
            }
            None => {
                tokio::spawn(task);
                return;
            }
        };
        let closing = Closing(Arc::clone(&self.streams));
        tokio::spawn(async move {
            let Closing(streams) = &closing;
            let mut task = pin!(task);
            let mut alarm = Alarm::default();
            poll_fn(|cx| {
                if task.as_mut().poll(cx).is_ready() {
                    // A tunnel's client may have gone before its response.
                    drop(Streams::spawned());
                    return Poll::Ready(());
                }
                match stream.waits.load(Ordering::Relaxed) {
                    0 => Poll::Pending,
                    since => alarm.poll_past(streams.after(since, patience), cx),
                }
            })
            .await;
        });
    }
}

/// Tells the connection that a stream is over, however it ends.
pub(super) struct Closing(Arc<Streams>);

impl Closing {
    /// Of one stream more, which is no request.
    pub(super) fn begin(streams: &Arc<Streams>) -> Self {
        streams.keep();
        Self(Arc::clone(streams))
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.closed();
    }
}
