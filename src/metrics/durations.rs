//! How long something takes, sorted into buckets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Counter;

/// The upper bounds of the buckets, in microseconds. What takes longer has one more bucket.
pub const BOUNDS: [u64; 15] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 10_000_000, 30_000_000,
];

/// How long something took each time.
#[derive(Debug, Default)]
pub struct Durations {
    buckets: [Counter; BOUNDS.len() + 1],
    micros: AtomicU64,
}

/// What [`Durations`] have gathered up to a moment. Spreads can be added up.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Spread {
    /// How often it took at most as long as the bound of the same place, and longer than the one
    /// before; at the end, longer than any.
    pub buckets: [u64; BOUNDS.len() + 1],
    /// How long in all.
    pub total: Duration,
}

impl Durations {
    /// It took that long.
    pub fn note(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let at = BOUNDS.partition_point(|bound| *bound < micros);
        if let Some(bucket) = self.buckets.get(at) {
            bucket.count();
        }
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// What was gathered so far.
    pub fn so_far(&self) -> Spread {
        let mut buckets = [0; BOUNDS.len() + 1];
        for (read, bucket) in buckets.iter_mut().zip(&self.buckets) {
            *read = bucket.total();
        }
        let total = Duration::from_micros(self.micros.load(Ordering::Relaxed));
        Spread { buckets, total }
    }
}

impl Spread {
    /// How often it was.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// What came since `earlier`.
    #[must_use]
    pub fn since(mut self, earlier: &Self) -> Self {
        for (mine, theirs) in self.buckets.iter_mut().zip(&earlier.buckets) {
            *mine = mine.saturating_sub(*theirs);
        }
        Self { total: self.total.saturating_sub(earlier.total), ..self }
    }

    /// What `percent` of all took at most, as far as [`BOUNDS`] tell; `None` where there was
    /// nothing, or it took longer than the last of them.
    pub fn at_most(&self, percent: u64) -> Option<Duration> {
        let wanted = (self.count().saturating_mul(percent)).div_ceil(100);
        let mut so_far = 0;
        let mut bounds = BOUNDS.iter().zip(&self.buckets);
        let bound = bounds.find(|(_, bucket)| {
            so_far += *bucket;
            so_far >= wanted && wanted > 0
        });
        bound.map(|(micros, _)| Duration::from_micros(*micros))
    }

    /// This and that together.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        Self { total: self.total + other.total, ..self }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let durations = Durations::default();
        for micros in [0, 250, 251, 30_000_000, 30_000_001] {
            durations.note(Duration::from_micros(micros));
        }
        let spread = durations.so_far();
        let (first, last) = (spread.buckets[0], spread.buckets[BOUNDS.len()]);
        assert_eq!((first, spread.buckets[1], last), (2, 1, 1));
        assert_eq!(spread.count(), 5);
        assert_eq!(spread.total, Duration::from_micros(60_000_502));
    }

    proptest! {
        #[test]
        fn nothing_is_lost(times in prop::collection::vec(0..40_000_000_u64, 0..50)) {
            let (one, other) = (Durations::default(), Durations::default());
            for (at, micros) in times.iter().enumerate() {
                let into = if at % 2 == 0 { &one } else { &other };
                into.note(Duration::from_micros(*micros));
            }
            let both = one.so_far().plus(&other.so_far());
            prop_assert_eq!(both.count(), times.len() as u64);
            prop_assert_eq!(both.total, Duration::from_micros(times.iter().sum()));
            for (at, bound) in BOUNDS.iter().enumerate() {
                let below = times.iter().filter(|micros| **micros <= *bound).count();
                let counted: u64 = both.buckets[..=at].iter().sum();
                prop_assert_eq!(counted, below as u64);
            }
        }
    }
}
