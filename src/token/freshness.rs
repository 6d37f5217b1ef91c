//! How old what is remembered may be, where others change the store as well.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::awake;

/// What is done when nothing has been heard of others' changes for too long.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum WhenStale {
    /// Nobody is let in by what is remembered: whoever needs an identity is told to come again.
    #[default]
    Refuse,
    /// Who was known at the last look is let in. Whoever was not is told to come again.
    Serve,
}

/// How old what is remembered may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FreshnessSettings {
    /// How long after the last look at what others have changed it is stale.
    pub staleness: Duration,
    /// And what then.
    pub when_stale: WhenStale,
}

impl Default for FreshnessSettings {
    fn default() -> Self {
        Self { staleness: Duration::from_secs(10), when_stale: WhenStale::Refuse }
    }
}

/// When it was last known what others had changed.
#[derive(Debug)]
pub(super) struct Freshness {
    settings: FreshnessSettings,
    /// By the clock of the machine that nobody sets, in milliseconds. As nothing is remembered when a
    /// gateway starts, all of it is fresh then.
    heard: AtomicU64,
}

impl Freshness {
    pub(super) fn new(settings: FreshnessSettings) -> Self {
        Self { settings, heard: AtomicU64::new(millis(awake())) }
    }

    /// Notes that all is known that had changed by that moment of [`awake`].
    pub(super) fn heard(&self, by: Duration) {
        self.heard.fetch_max(millis(by), Ordering::AcqRel);
    }

    pub(super) fn age(&self) -> Duration {
        let heard = Duration::from_millis(self.heard.load(Ordering::Acquire));
        awake().saturating_sub(heard)
    }

    /// What is done now, if it is stale.
    pub(super) fn stale(&self) -> Option<WhenStale> {
        (self.age() >= self.settings.staleness).then_some(self.settings.when_stale)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn freshness(staleness: Duration) -> Freshness {
        Freshness::new(FreshnessSettings { staleness, when_stale: WhenStale::Serve })
    }

    #[test]
    fn it_is_stale_when_nothing_was_heard_for_so_long() {
        let hour = Duration::from_secs(60 * 60);
        let fresh = freshness(hour);
        assert_eq!(fresh.stale(), None);
        fresh.heard.store(0, Ordering::Release);
        let since_start = awake();
        assert!(fresh.age() >= since_start);
        fresh.heard(awake());
        assert!(fresh.age() < since_start);
        // A look that was begun before the last one says nothing new.
        fresh.heard(Duration::ZERO);
        assert!(fresh.age() < since_start);
        assert_eq!(fresh.stale(), None);
        assert_eq!(freshness(Duration::ZERO).stale(), Some(WhenStale::Serve));
    }
}
