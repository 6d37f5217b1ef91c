//! Answers that come part by part, for as long as somebody takes them.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// How long a conversation may still last.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    each: Duration,
    until: Arc<Mutex<Instant>>,
}

impl Patience {
    /// So long from now on, and again from each part that is taken.
    pub(super) fn new(each: Duration) -> Self {
        Self { each, until: Arc::new(Mutex::new(Instant::now() + each)) }
    }

    /// What comes of `work`; `None` if it took too long.
    pub(super) async fn over<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(work);
        loop {
            let until = *self.until();
            tokio::select! {
                done = &mut work => return Some(done),
                () = sleep_until(until) => if *self.until() == until { return None },
            }
        }
    }

    fn until(&self) -> MutexGuard<'_, Instant> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body of parts that somebody else makes.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) parts: mpsc::Receiver<Bytes>,
    pub(super) patience: Patience,
}

impl Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let part = ready!(self.parts.poll_recv(cx));
        // It is asked for only where there is room for it: whoever reads slowly is waited for.
        *self.patience.until() = Instant::now() + self.patience.each;
        Poll::Ready(part.map(|part| Ok(Frame::data(part))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_part_that_is_taken_gives_more_time() {
        let hour = Duration::from_secs(3600);
        let patience = Patience::new(hour);
        let (sender, parts) = mpsc::channel(1);
        let mut body = Parts { parts, patience: patience.clone() };
        sender.send(Bytes::from_static(b"x")).await.unwrap();
        let late = Instant::now();
        *patience.until() = late;
        std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await.unwrap().unwrap();
        assert!(*patience.until() >= late + hour);
    }

    #[tokio::test]
    async fn who_takes_nothing_is_not_waited_for() {
        let patience = Patience::new(Duration::from_millis(1));
        assert_eq!(patience.over(std::future::pending::<()>()).await, None);
        assert_eq!(Patience::new(Duration::from_secs(60)).over(async { 7 }).await, Some(7));
    }
}
