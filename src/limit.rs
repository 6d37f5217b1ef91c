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
    /// When the debt of a key is paid off, in nanoseconds of `Clock::steady` (for 584 years).
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

    /// Takes one event of `key`.
    ///
    /// # Errors
    ///
    /// [`Exceeded`] with the time to wait; nothing was taken.
    pub fn take(&self, key: &impl Hash, now: Timestamp) -> Result<(), Exceeded> {
        self.spend(key, NonZeroU32::MIN, now).map(|_left| ())
    }

    /// Takes one event of `key`, and says how many are left. The quota is divided `among` so many
    /// limiters that know nothing of each other: this one allows its part of it, and one event at once
    /// at the least, so that all of them together allow the quota and, at once, one less than there are
    /// of them beyond it.
    ///
    /// # Errors
    ///
    /// [`Exceeded`] with the time to wait; nothing was taken.
    pub fn spend(
        &self,
        key: &impl Hash,
        among: NonZeroU32,
        now: Timestamp,
    ) -> Result<Left, Exceeded> {
        let cost = self.part(among);
        let burst = self.burst.max(cost);
        let now = now.as_millis().saturating_mul(1_000_000);
        let cell = self.cell(key);
        let mut paid = cell.load(Ordering::Acquire);
        loop {
            let after = paid.max(now).saturating_add(cost);
            let owed = after - now;
            if owed > burst {
                return Err(Exceeded(Duration::from_nanos(owed - burst)));
            }
            match cell.compare_exchange_weak(paid, after, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    let events = (burst - owed) / cost;
                    return Ok(Left { events, whole_in: Duration::from_nanos(owed) });
                }
                Err(current) => paid = current,
            }
        }
    }

    /// Gives back one event that was taken and did not count after all.
    pub fn give_back(&self, key: &impl Hash) {
        self.repay(key, NonZeroU32::MIN);
    }

    /// Gives back one that was spent of a quota divided `among` so many.
    pub fn repay(&self, key: &impl Hash, among: NonZeroU32) {
        let cost = self.part(among);
        let cell = self.cell(key);
        let mut paid = cell.load(Ordering::Acquire);
        while let Err(current) = cell.compare_exchange_weak(
            paid,
            paid.saturating_sub(cost),
            Ordering::AcqRel,
            Ordering::Acquire,
        ) {
            paid = current;
        }
    }

    /// What an event costs where the quota is divided.
    fn part(&self, among: NonZeroU32) -> u64 {
        self.cost.saturating_mul(u64::from(among.get()))
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
mod tests;
