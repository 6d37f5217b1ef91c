//! How long an upstream may say nothing in the middle of a response.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::Rejection;
use super::lease::Hold;
use crate::clock::Alarm;

/// The silence of one response. While pieces are there when they are asked for, nobody looks at
/// the clock; and the time in which it is the client who takes none does not count.
#[derive(Debug)]
pub(super) struct Silence {
    /// How long it may last.
    longest: Duration,
    /// Since when it lasts.
    since: Option<Instant>,
}

impl Silence {
    pub(super) const fn new(longest: Duration) -> Self {
        Self { longest, since: None }
    }

    /// A piece came.
    pub(super) const fn broken(&mut self) {
        self.since = None;
    }

    /// For an upstream that was asked in vain: ready once that lasts too long, with what it is
    /// then to be taken for. As long as it takes pieces of the request it is not silent.
    pub(super) fn poll_over(
        &mut self,
        alarm: &mut Alarm,
        hold: &Hold,
        cx: &mut Context<'_>,
    ) -> Poll<Rejection> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let since = hold.progress().map_or(since, |request| since.max(request.moved()));
        alarm.poll_past(since + self.longest, cx).map(|()| {
            let (upstream, silent) = (hold.flight().upstream(), self.longest);
            tracing::warn!(%upstream, ?silent, "response broken off: its upstream fell silent");
            Rejection::UpstreamTimeout(silent)
        })
    }
}
