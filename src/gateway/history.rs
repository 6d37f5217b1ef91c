//! How requests went lately: what was counted, kept for a while.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::census::Census;
use super::outcomes::Outcomes;
use crate::admin::SpanView;
use crate::clock::{Clock, Timestamp};
use crate::metrics::Spread;

/// How often it is looked at what was counted.
const EVERY: Duration = Duration::from_secs(10);
/// Spans that are kept: a quarter of an hour.
const KEPT: usize = 90;

/// What was counted at several moments.
#[derive(Debug)]
pub(super) struct History(Mutex<VecDeque<Moment>>);

/// All that was counted up to a moment.
#[derive(Clone, Copy, Debug, Default)]
struct Moment {
    at: Timestamp,
    outcomes: Outcomes,
    durations: Spread,
}

impl History {
    /// Nothing was counted before now.
    pub(super) fn new(now: Timestamp) -> Self {
        Self(Mutex::new([Moment { at: now, ..Moment::default() }].into()))
    }

    fn moments(&self) -> MutexGuard<'_, VecDeque<Moment>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Census {
    /// Remembers now and then what was counted. Never ends.
    pub(super) async fn keep_history(&self, clock: &dyn Clock) {
        loop {
            tokio::time::sleep(EVERY).await;
            self.remember(clock.now());
        }
    }

    /// What is counted by now.
    fn moment(&self, at: Timestamp) -> Moment {
        let sums = self.sums();
        let durations = sums.values().flat_map(|classes| classes.values());
        let durations = durations.fold(Spread::default(), |all, sum| all.plus(&sum.durations));
        Moment { at, outcomes: self.outcomes(), durations }
    }

    fn remember(&self, at: Timestamp) {
        let moment = self.moment(at);
        let mut moments = self.history.moments();
        moments.push_back(moment);
        if moments.len() > KEPT + 1 {
            moments.pop_front();
        }
    }

    /// How it went, the oldest first; up to now.
    pub(super) fn lately(&self, now: Timestamp) -> Vec<SpanView> {
        let now = self.moment(now);
        let moments = self.history.moments();
        let later = moments.iter().skip(1).chain([&now]);
        moments.iter().zip(later).map(Moment::span).collect()
    }
}

impl Moment {
    fn span((earlier, later): (&Self, &Self)) -> SpanView {
        let Outcomes { answered, denied, failed } = later.outcomes.since(&earlier.outcomes);
        let durations = later.durations.since(&earlier.durations);
        SpanView {
            until: later.at.to_string(),
            requests: answered,
            denied,
            failed,
            p99: durations.at_most(99).map(micros),
        }
    }
}

/// In microseconds.
pub(super) fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}
