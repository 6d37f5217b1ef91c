//! How long a client is waited for.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Beats with every piece that goes the other way, while both sides of a call may speak or
/// listen as long as they like.
#[derive(Debug, Default)]
pub struct Pulse(AtomicU64);

impl Pulse {
    /// Something went to the client.
    pub fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Measures the time that we wait for the client, not the time that it waits for us.
pub(super) struct Patience {
    timeout: Duration,
    /// Fewest bytes in `timeout` of waiting.
    least: u64,
    seen: u64,
    timer: Option<Pin<Box<Sleep>>>,
    /// What counts beside bytes.
    pulse: Option<Listened>,
}

/// A pulse, and how far it was when somebody last listened.
struct Listened {
    pulse: Arc<Pulse>,
    heard: u64,
}

impl Listened {
    /// Whether it has beaten since.
    fn beaten(&mut self) -> bool {
        let count = self.pulse.0.load(Ordering::Relaxed);
        std::mem::replace(&mut self.heard, count) != count
    }
}

impl Patience {
    /// Ends when fewer than `least` bytes came while it waited for `timeout`.
    pub(super) const fn new(timeout: Duration, least: u64) -> Self {
        Self { timeout, least, seen: 0, timer: None, pulse: None }
    }

    /// Waits so long for anything at all, and for longer as long as the pulse beats.
    pub(super) fn converse(&mut self, idle: Duration) -> Arc<Pulse> {
        let pulse = Arc::<Pulse>::default();
        self.timeout = idle;
        self.least = 1;
        self.pulse = Some(Listened { pulse: Arc::clone(&pulse), heard: 0 });
        pulse
    }

    /// Ready when too little came in too long a wait.
    pub(super) fn poll_exhausted(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timeout = self.timeout;
        loop {
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
            ready!(timer.as_mut().poll(cx));
            let beaten = self.pulse.as_mut().is_some_and(Listened::beaten);
            if self.seen < self.least && !beaten {
                return Poll::Ready(());
            }
            self.seen = 0;
            timer.as_mut().reset(Instant::now() + timeout);
        }
    }

    pub(super) fn arrived(&mut self, bytes: u64) {
        self.seen = self.seen.saturating_add(bytes);
        // Past its deadline only because nobody looked: it was us who kept the client waiting.
        if self.timer.as_ref().is_some_and(|timer| timer.is_elapsed()) {
            self.timer = None;
            self.seen = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{sleep, timeout};

    use super::*;

    const WAIT: Duration = Duration::from_millis(60);

    async fn is_exhausted(patience: &mut Patience) -> bool {
        poll_fn(|cx| Poll::Ready(patience.poll_exhausted(cx).is_ready())).await
    }

    /// Waits until it ends.
    async fn end(mut patience: Patience) {
        let ends = poll_fn(|cx| patience.poll_exhausted(cx));
        timeout(Duration::from_secs(30), ends).await.expect("it never ends");
    }

    #[tokio::test]
    async fn enough_in_a_wait_is_good_for_that_wait() {
        for (pieces, waits) in
            [(&[][..], 1), (&[2], 1), (&[3], 2), (&[2, 1], 2), (&[u64::MAX, 1], 2)]
        {
            let begun = Instant::now();
            let mut patience = Patience::new(WAIT, 3);
            assert!(!is_exhausted(&mut patience).await);
            for bytes in pieces {
                patience.arrived(*bytes);
            }
            end(patience).await;
            assert!(begun.elapsed() >= waits * WAIT, "{pieces:?}");
        }
    }

    /// While a slow upstream takes nothing, nobody looks at the client.
    #[tokio::test]
    async fn while_the_client_waits_for_us_no_time_passes() {
        let mut patience = Patience::new(WAIT, 3);
        assert!(!is_exhausted(&mut patience).await);
        sleep(2 * WAIT).await;
        patience.arrived(1);
        assert!(!is_exhausted(&mut patience).await, "the wait did not begin anew");
        sleep(2 * WAIT).await;
        patience.arrived(3);
        assert_eq!(patience.seen, 0, "what came in no wait is good for the next one");
    }

    #[tokio::test]
    async fn a_call_goes_on_with_a_word_of_either_side() {
        let calm = || {
            let mut patience = Patience::new(Duration::ZERO, 256);
            let pulse = patience.converse(WAIT);
            (patience, pulse)
        };
        for bytes in [1, 0] {
            let begun = Instant::now();
            let (mut patience, pulse) = calm();
            if bytes > 0 {
                patience.arrived(bytes);
            } else {
                pulse.beat();
            }
            end(patience).await;
            assert!(begun.elapsed() >= 2 * WAIT, "{bytes}");
        }
    }
}
