//! Time as an argument: every `now` comes from a [`Clock`], so that tests can move it.
//!
//! ```
//! use std::time::Duration;
//!
//! use portcullis::clock::{Clock, ManualClock, SystemClock, Timestamp};
//!
//! let began = Timestamp::from_secs(1_800_000_000);
//! let clock = ManualClock::new(began);
//! clock.advance(Duration::from_millis(90_500));
//! assert_eq!(clock.now().since(began), Duration::from_millis(90_500));
//! assert_eq!(clock.now().to_string(), "2027-01-15T08:01:30Z");
//! assert!(SystemClock.now() > Timestamp::default());
//! assert!(SystemClock.steady() <= SystemClock.steady()); // whatever becomes of the date
//! ```

mod alarm;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

pub(crate) use alarm::Alarm;

/// A moment, in whole milliseconds since 1970 (UTC).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The moment `seconds` after the epoch, as tokens count (RFC 7519 `NumericDate`).
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// The moment `millis` milliseconds after the epoch, as the store counts.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// This moment and `later` after it; the far future does not wrap.
    #[must_use]
    pub fn plus(self, later: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(later.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long ago `earlier` was; zero if it is yet to come.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// How far the clocks of gateways that share a store may be apart.
pub(crate) const CLOCKS: Duration = Duration::from_secs(5);

/// Year 9999 is the last that RFC 3339 can write, and beyond it humantime cannot format.
const LAST: u64 = 253_402_300_799;

impl Timestamp {
    /// RFC 3339, in UTC, to the millisecond.
    pub fn to_millis_text(self) -> String {
        let shown = UNIX_EPOCH + Duration::from_millis(self.0.min(LAST * 1000 + 999));
        humantime::format_rfc3339_millis(shown).to_string()
    }
}

impl From<SystemTime> for Timestamp {
    /// Moments before 1970 become 1970.
    fn from(time: SystemTime) -> Self {
        Self::default().plus(time.duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        UNIX_EPOCH + Duration::from_millis(time.0)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339, in UTC, to the second.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = UNIX_EPOCH + Duration::from_secs(self.as_secs().min(LAST));
        fmt::Display::fmt(&humantime::format_rfc3339_seconds(shown), f)
    }
}

/// Where `now` comes from.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> Timestamp;

    /// The current time since 1970, for what is measured more finely; as fine as the clock has it.
    fn since_epoch(&self) -> Duration {
        Duration::from_millis(self.now().as_millis())
    }

    /// A moment to be compared with others of this process alone, of a clock that nobody sets: for
    /// whom a limit has kept out until a moment is not kept out for hours because the time of day was
    /// hours ahead for a while. The current time, unless the clock knows better.
    fn steady(&self) -> Timestamp {
        self.now()
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        machine().into()
    }

    fn since_epoch(&self) -> Duration {
        machine().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn steady(&self) -> Timestamp {
        Timestamp::default().plus(awake())
    }
}

/// How long the machine has been running, sleep included: by a clock that nobody sets.
pub(crate) fn awake() -> Duration {
    #[cfg(target_os = "linux")]
    const CLOCK: ClockId = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    const CLOCK: ClockId = ClockId::Monotonic;
    clock_gettime(CLOCK).try_into().unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
fn machine() -> SystemTime {
    SystemTime::now()
}

/// A clock that stands still until it is moved, for tests.
#[derive(Debug)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// A clock that shows `now`.
    pub const fn new(now: Timestamp) -> Self {
        Self(AtomicU64::new(now.as_millis()))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.0.store(self.now().plus(by).as_millis(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_shown_in_utc() {
        assert_eq!(Timestamp::from_secs(1_800_000_000).to_string(), "2027-01-15T08:00:00Z");
        assert_eq!(Timestamp::from_millis(u64::MAX).to_string(), "9999-12-31T23:59:59Z");
        let text = |millis| Timestamp::from_millis(millis).to_millis_text();
        assert_eq!(text(1_800_000_000_007), "2027-01-15T08:00:00.007Z");
        assert_eq!(text(u64::MAX), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn the_steady_clock_does_not_know_the_date() {
        let (before, after) = (SystemClock.steady(), SystemClock.steady());
        assert!(before <= after && after.plus(Duration::from_secs(1)) < SystemClock.now());
        assert!(before.as_millis() <= u64::try_from(awake().as_millis()).unwrap());
    }

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::new(Timestamp::from_secs(5));
        assert_eq!(clock.now(), Timestamp::from_secs(5));
        clock.advance(Duration::from_millis(1500));
        assert_eq!(clock.now().as_millis(), 6500);
        assert_eq!(clock.steady(), clock.now());
        assert_eq!(Timestamp::from_secs(5).since(clock.now()), Duration::ZERO);
    }
}
