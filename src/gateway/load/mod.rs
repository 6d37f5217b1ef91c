//! What is too much: requests under way at once, and memory. What comes on top is told to come
//! again before things break.

mod memory;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::census::Census;
use crate::server::MemoryLimit;
use memory::Memory;

/// How often memory is looked at while there is nothing in it. Requests that come between two looks
/// are bounded by the limits on connections and on requests.
const LOOK: Duration = Duration::from_millis(100);

/// And how often while it is full.
const LOOK_FULL: Duration = Duration::from_millis(5);

/// From this share of the limit on, in percent, requests are sent away ...
const FULL: u64 = 80;
/// ... until less than this is in use.
const RELIEVED: u64 = 75;

/// How many requests a worker takes however full the memory is: what fills it may not be requests
/// at all, and a gateway that serves nobody would never find out.
const ALWAYS: usize = 16;

/// How much all workers do together, and how full the process is.
#[derive(Debug)]
pub(super) struct Load {
    census: Arc<Census>,
    workers: usize,
    memory: Option<Memory>,
    used: AtomicU64,
    is_full: AtomicBool,
}

impl Load {
    /// Of so many workers in this process, whose memory has that limit.
    pub(super) fn new(census: Arc<Census>, workers: usize, limit: MemoryLimit) -> Self {
        Self {
            census,
            workers,
            memory: Memory::of_this_process(limit),
            used: AtomicU64::default(),
            is_full: AtomicBool::default(),
        }
    }

    /// Who counts what is under way.
    pub(super) const fn census(&self) -> &Arc<Census> {
        &self.census
    }

    /// Whether there is room for the last one of those that are under way at a worker, where there
    /// may be `most` at all together. It looks at the others only when it has more than its share.
    pub(super) fn has_room(&self, here: usize, most: usize) -> bool {
        if self.sheds() && here > ALWAYS {
            return false;
        }
        here <= most / self.workers || self.census.under_way() <= most
    }

    /// Whether requests are sent away for want of memory.
    pub(super) fn sheds(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    /// Bytes in use when it was looked at last, and how many there may be; `None` without a limit.
    pub(super) fn memory(&self) -> Option<(u64, u64)> {
        let limit = self.memory.as_ref()?.limit();
        Some((self.used.load(Ordering::Relaxed), limit))
    }

    /// Looks at the memory now and then. Never ends.
    pub(super) async fn keep(&self) {
        let Some(memory) = &self.memory else { return std::future::pending().await };
        let limit = memory.limit();
        tracing::info!(bytes = limit, "requests are sent away before memory reaches its limit");
        loop {
            // The kernel's files answer at once: they are on no disk.
            let used = match memory.used() {
                Ok(used) => used,
                Err(error) => {
                    // As if there were room: connections and requests are bounded all the same.
                    tracing::error!(%error, "memory in use cannot be read; it is not looked at");
                    self.is_full.store(false, Ordering::Relaxed);
                    return std::future::pending().await;
                }
            };
            self.note(used, limit);
            tokio::time::sleep(rest(used, limit)).await;
        }
    }

    fn note(&self, used: u64, limit: u64) {
        self.used.store(used, Ordering::Relaxed);
        let share = |percent| limit / 100 * percent;
        let was = self.is_full.load(Ordering::Relaxed);
        if !was && used >= share(FULL) {
            self.is_full.store(true, Ordering::Relaxed);
            tracing::warn!(used, limit, "memory is nearly full: requests are sent away");
        } else if was && used < share(RELIEVED) {
            self.is_full.store(false, Ordering::Relaxed);
            tracing::info!(used, limit, "memory has room again: requests are taken");
        }
    }
}

/// How long it is until the next look: the less is left, the sooner, for what comes in a tenth of a
/// second may be as much as that.
fn rest(used: u64, limit: u64) -> Duration {
    let full = limit / 100 * FULL;
    let left = full.saturating_sub(used).saturating_mul(1000).checked_div(full);
    let share = u32::try_from(left.unwrap_or_default()).unwrap_or(1000);
    (LOOK * share / 1000).max(LOOK_FULL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    const MANY: usize = 1_000_000;

    fn load(limit: MemoryLimit) -> Load {
        Load::new(Arc::new(Census::new(0, Timestamp::default())), 2, limit)
    }

    #[test]
    fn memory_is_full_before_its_limit_until_it_is_well_below() {
        let load = load(MemoryLimit::Bytes(1000));
        assert!(load.has_room(MANY, MANY));
        for (used, full) in [(799, false), (800, true), (751, true), (749, false), (799, false)] {
            load.note(used, 1000);
            assert_eq!((load.sheds(), load.has_room(ALWAYS + 1, MANY)), (full, !full), "{used}");
            assert!(load.has_room(ALWAYS, MANY), "some requests are always taken");
        }
        assert_eq!(load.memory(), Some((799, 1000)));
    }

    #[test]
    fn the_less_is_left_the_sooner_memory_is_looked_at() {
        for (used, millis) in [(0, 100), (16, 80), (48, 40), (78, 5), (80, 5), (200, 5)] {
            assert_eq!(rest(used << 20, 100 << 20), Duration::from_millis(millis), "{used}");
        }
        assert_eq!(rest(u64::MAX, u64::MAX), LOOK_FULL);
        assert_eq!(rest(0, 0), LOOK_FULL);
    }

    #[tokio::test]
    async fn a_process_over_its_limit_is_full() {
        let load = load(MemoryLimit::Bytes(1));
        tokio::select! {
            () = load.keep() => {}
            () = async { while !load.sheds() { tokio::task::yield_now().await } } => {}
        }
    }

    #[test]
    fn a_worker_may_use_what_others_leave() {
        let load = load(MemoryLimit::Off);
        assert_eq!(load.memory(), None);
        // Two workers: five are within the share of one, and the sixth needs a look at the rest.
        let there = &load.census.redirects;
        for (others, room) in [(0, true), (10, true), (11, false)] {
            (0..others).for_each(|_| there.common().under_way.begin());
            assert_eq!(load.has_room(6, 10), room, "{others}");
            assert!(load.has_room(5, 10));
            (0..others).for_each(|_| there.common().under_way.end());
        }
    }
}
