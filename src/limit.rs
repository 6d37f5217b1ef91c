//! One keyed limiter, bounded in memory.

use std::num::NonZeroU32;
use std::time::Duration;

/// So many events in so long a time: `10/15m`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quota {
    /// Events that may come at once.
    pub count: NonZeroU32,
    /// The time in which that many are allowed again.
    pub per: Duration,
}
