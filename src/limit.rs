//! One keyed limiter, bounded in memory.

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quick_cache::sync::Cache;

use crate::clock::Timestamp;

/// Keys that are remembered at once. Beyond that the coldest are forgotten: a flood of keys
/// costs the attacker its own history first.
const KEYS: usize = 100_000;

/// So many events in so long a time: `10/15m`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quota {
    /// Events that may come at once.
    pub count: NonZeroU32,
    /// The time in which that many are allowed again.
    pub per: Duration,
}

/// The quota is used up; the next event is allowed after this long.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("limit reached")]
pub struct Exceeded(pub Duration);

/// What a key may still do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Left {
    /// Events that may come at once.
    pub events: u64,
    /// When the quota is whole again.
    pub whole_in: Duration,
}

/// A limiter by key: the generic cell rate algorithm, one number a key.
///
/// Keys are kept as keyed 64-bit hashes, so no name or address of a caller stays in memory.
pub struct Limiter {
    /// Time that one event costs, in nanoseconds: milliseconds are too coarse for `2000/s`.
    cost: u64,
    /// Time that may be owed, in nanoseconds: so many events at once.
    burst: u64,
    hasher: foldhash::quality::RandomState,
    /// When the debt of a key is paid off, in nanoseconds since the epoch (up to the year 2554).
    cells: Cache<u64, Arc<AtomicU64>>,
}

impl Limiter {
    /// A limiter that nobody has used yet.
    pub fn new(quota: Quota) -> Self {
        Self::with_burst(quota, quota.count)
    }

    /// A limiter that nobody has used yet, with another number of events that may come at once.
    pub fn with_burst(quota: Quota, burst: NonZeroU32) -> Self {
        let per = u64::try_from(quota.per.as_nanos()).unwrap_or(u64::MAX);
        let cost = (per / u64::from(quota.count.get())).max(1);
        let burst = cost.saturating_mul(u64::from(burst.get()));
        let hasher = foldhash::quality::RandomState::default();
        Self { cost, burst, hasher, cells: Cache::new(KEYS) }
    }

    /// Whether both allow the same.
    pub const fn is_alike(&self, other: &Self) -> bool {
        self.cost == other.cost && self.burst == other.burst
    }

    /// Takes one event of `key`.
    ///
    /// # Errors
    ///
    /// [`Exceeded`] with the time to wait; nothing was taken.
    pub fn take(&self, key: &impl Hash, now: Timestamp) -> Result<(), Exceeded> {
        self.spend(key, now).map(|_left| ())
    }

    /// Takes one event of `key`, and says how many are left.
    ///
    /// # Errors
    ///
    /// [`Exceeded`] with the time to wait; nothing was taken.
    pub fn spend(&self, key: &impl Hash, now: Timestamp) -> Result<Left, Exceeded> {
        let now = now.as_millis().saturating_mul(1_000_000);
        let cell = self.cell(key);
        let mut paid = cell.load(Ordering::Acquire);
        loop {
            let after = paid.max(now).saturating_add(self.cost);
            let owed = after - now;
            if owed > self.burst {
                return Err(Exceeded(Duration::from_nanos(owed - self.burst)));
            }
            match cell.compare_exchange_weak(paid, after, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    let events = (self.burst - owed) / self.cost;
                    return Ok(Left { events, whole_in: Duration::from_nanos(owed) });
                }
                Err(current) => paid = current,
            }
        }
    }

    /// Gives back one event that was taken and did not count after all.
    pub fn give_back(&self, key: &impl Hash) {
        let cell = self.cell(key);
        let mut paid = cell.load(Ordering::Acquire);
        while let Err(current) = cell.compare_exchange_weak(
            paid,
            paid.saturating_sub(self.cost),
            Ordering::AcqRel,
            Ordering::Acquire,
        ) {
            paid = current;
        }
    }

    fn cell(&self, key: &impl Hash) -> Arc<AtomicU64> {
        let key = self.hasher.hash_one(key);
        let made = self.cells.get_or_insert_with(&key, || Ok::<_, ()>(Arc::default()));
        made.unwrap_or_default()
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter")
            .field("cost", &self.cost)
            .field("burst", &self.burst)
            .finish_non_exhaustive()
    }
}

/// What counts as one address: all of IPv4, and a /64 of IPv6, which is what one customer has.
pub fn subnet(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            [a, b, c, d].iter().fold(0, |all, part| (all << 16) | u64::from(*part))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limiter(count: u32, seconds: u64) -> Limiter {
        let count = NonZeroU32::new(count).unwrap();
        Limiter::new(Quota { count, per: Duration::from_secs(seconds) })
    }

    #[test]
    fn the_quota_comes_back_piece_by_piece() {
        let limiter = limiter(3, 30);
        let start = Timestamp::from_secs(1000);
        for _ in 0..3 {
            limiter.take(&"a", start).unwrap();
        }
        assert_eq!(limiter.take(&"a", start), Err(Exceeded(Duration::from_secs(10))));
        limiter.take(&"b", start).unwrap();
        limiter.take(&"a", start.plus(Duration::from_secs(10))).unwrap();
        limiter.take(&"a", start.plus(Duration::from_secs(10))).unwrap_err();
    }

    #[test]
    fn what_is_given_back_may_be_taken_again() {
        let limiter = limiter(1, 60);
        let now = Timestamp::from_secs(1000);
        limiter.take(&1, now).unwrap();
        limiter.give_back(&1);
        limiter.take(&1, now).unwrap();
        limiter.take(&1, now).unwrap_err();
    }

    #[test]
    fn a_burst_is_not_the_rate() {
        let quota = Quota { count: NonZeroU32::new(60).unwrap(), per: Duration::from_secs(60) };
        let limiter = Limiter::with_burst(quota, NonZeroU32::new(2).unwrap());
        let now = Timestamp::from_secs(1000);
        let second = Duration::from_secs(1);
        assert_eq!(limiter.spend(&1, now), Ok(Left { events: 1, whole_in: second }));
        assert_eq!(limiter.spend(&1, now), Ok(Left { events: 0, whole_in: 2 * second }));
        assert_eq!(limiter.spend(&1, now), Err(Exceeded(second)));
        limiter.take(&1, now.plus(second)).unwrap();
        limiter.take(&1, now.plus(second)).unwrap_err();
    }

    #[test]
    fn many_a_millisecond_are_that_many() {
        let limiter = limiter(7000, 1);
        let mut now = Timestamp::from_secs(1000);
        let mut taken = 0;
        for _ in 0..2000 {
            while limiter.take(&1, now).is_ok() {
                taken += 1;
            }
            now = now.plus(Duration::from_millis(1));
        }
        assert!((7000 + 13_980..=7000 + 14_000).contains(&taken), "{taken}");
    }

    #[test]
    fn a_million_keys_are_not_remembered() {
        let limiter = limiter(2, 60);
        let now = Timestamp::from_secs(1000);
        for key in 0..1_000_000_u32 {
            limiter.take(&key, now).unwrap();
        }
        assert!(limiter.cells.len() <= KEYS, "{}", limiter.cells.len());
        assert!(limiter.cells.capacity() <= KEYS as u64 * 2, "{}", limiter.cells.capacity());
    }

    #[test]
    fn a_customers_whole_network_is_one_address() {
        let of = |text: &str| subnet(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    proptest! {
        /// In no stretch of time is more taken than the burst and what came back meanwhile.
        #[test]
        fn never_above_burst_and_rate(steps in prop::collection::vec(0u64..2000, 1..200)) {
            let limiter = limiter(5, 10);
            let mut now = Timestamp::from_secs(100);
            let mut taken = Vec::new();
            for step in steps {
                now = now.plus(Duration::from_millis(step));
                if limiter.take(&0, now).is_ok() { taken.push(now); }
            }
            for (i, from) in taken.iter().enumerate() {
                for (j, to) in taken.iter().enumerate().skip(i) {
                    let allowed = 5 + to.since(*from).as_millis() / 2000;
                    prop_assert!((j - i + 1) as u128 <= allowed);
                }
            }
        }
    }
}
