//! Where the bytes of a request body come from, and what becomes of those that nobody wants.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::BodyError;

/// How long bytes are read for nothing: so long may an answer take to the client.
const LINGER: Duration = Duration::from_secs(3);
/// How many are.
const DISCARDED: usize = 8 * 1024 * 1024;

type Dynamic = Pin<Box<dyn Body<Data = Bytes, Error = BodyError> + Send>>;

/// The bytes as they come from the client.
pub(super) struct Source {
    body: Dynamic,
    lingers: bool,
}

impl Source {
    pub(super) fn new<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        Self { body: Box::pin(body.map_err(Into::into)), lingers: false }
    }

    /// Has what is left of the body read for a while when nobody wants it any more. In HTTP/2 the
    /// stream of a body that is dropped is reset at once, with an error that is none, and clients
    /// lose the answer by that when they are still sending (RFC 9113 section 8.1 asks them not to).
    pub(super) fn linger(&mut self) {
        self.lingers = true;
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.body.as_mut().poll_frame(cx)
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if !self.lingers || self.body.is_end_stream() {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        let nothing: Dynamic = Box::pin(Empty::new().map_err(|never| match never {}));
        let body = std::mem::replace(&mut self.body, nothing);
        runtime.spawn(async move {
            // Late, too much, broken or complete: there is nobody to tell.
            let _late = timeout(LINGER, discard(body)).await;
        });
    }
}

/// Reads to the end, or as much as is bearable.
async fn discard(mut body: Dynamic) {
    let mut left = DISCARDED;
    while let Some(Ok(frame)) = body.frame().await {
        let count = frame.data_ref().map_or(0, Bytes::len);
        let Some(less) = left.checked_sub(count) else { return };
        left = less;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// So many frames, each of a mebibyte, that are counted when they are taken.
    struct Frames {
        left: usize,
        taken: Arc<AtomicUsize>,
    }

    impl Body for Frames {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            let Some(left) = self.left.checked_sub(1) else { return Poll::Ready(None) };
            self.left = left;
            self.taken.fetch_add(1, Ordering::Relaxed);
            Poll::Ready(Some(Ok(Frame::data(vec![0; 1 << 20].into()))))
        }

        fn is_end_stream(&self) -> bool {
            self.left == 0
        }
    }

    #[tokio::test]
    async fn no_more_is_read_for_nobody_than_is_bearable() {
        for (left, read) in [(0, 0), (3, 3), (8, 8), (20, 9)] {
            let taken = Arc::<AtomicUsize>::default();
            discard(Box::pin(Frames { left, taken: Arc::clone(&taken) })).await;
            assert_eq!(taken.load(Ordering::Relaxed), read, "of {left}");
        }
    }

    #[tokio::test]
    async fn a_body_outlives_its_reader_only_where_something_is_to_come() {
        for (left, lingers, outlives) in [(1, true, true), (0, true, false), (1, false, false)] {
            let taken = Arc::<AtomicUsize>::default();
            let mut source = Source::new(Frames { left, taken: Arc::clone(&taken) });
            if lingers {
                source.linger();
            }
            drop(source);
            // No task has run yet: there is another owner only if it was handed to one.
            assert_eq!(Arc::strong_count(&taken) > 1, outlives, "{left} {lingers}");
        }
    }
}
