//! What is counted while a gateway runs, for whoever watches over it.
//!
//! Counting takes no lock and costs an atomic addition or two; reading is what may take its time.
//! No room knows how its numbers are shown: it counts, and the gateway collects.

mod durations;
mod tally;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

pub use durations::{BOUNDS, Durations, Spread};
pub use tally::Tally;

/// Something that is counted, and only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn count(&self) {
        self.add(1);
    }

    /// That many more.
    pub fn add(&self, many: u64) {
        self.0.fetch_add(many, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many there are of something that comes and goes.
#[derive(Debug, Default)]
pub struct Gauge(AtomicUsize);

/// One of what a [`Gauge`] counts, as long as it is held.
#[derive(Debug)]
pub struct Held<'a>(&'a Gauge);

impl Gauge {
    /// One more.
    pub fn begin(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One less.
    pub fn end(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// One more, until that is dropped.
    pub fn hold(&self) -> Held<'_> {
        self.begin();
        Held(self)
    }

    /// How many now.
    pub fn now(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// How many threads can count at once without getting in one another's way.
const PLACES: usize = 16;

/// A counter that all threads use at each request: each has a place of its own, as long as there
/// are some.
#[derive(Debug, Default)]
pub struct BusyCounter([Place; PLACES]);

/// On a cache line of its own, and its neighbour, which processors fetch along.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Place(Counter);

impl BusyCounter {
    /// One more.
    pub fn count(&self) {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static MINE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % PLACES;
        }
        // A thread that is about to end has no place any more.
        let mine = MINE.try_with(|mine| *mine).unwrap_or_default();
        if let Some(Place(counter)) = self.0.get(mine) {
            counter.count();
        }
    }

    /// How many so far.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|Place(counter)| counter.total()).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn what_all_threads_count_is_added_up() {
        let counter = BusyCounter::default();
        thread::scope(|scope| {
            for _ in 0..3 * PLACES {
                scope.spawn(|| (0..1000).for_each(|_| counter.count()));
            }
        });
        assert_eq!(counter.total(), 3 * PLACES as u64 * 1000);
    }
}
