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
