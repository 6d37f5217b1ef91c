//! Who follows: each service once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// Services that follow at once.
pub(in crate::admin) const FOLLOWERS: usize = 64;

/// The seats, by the name that a follower has given itself.
#[derive(Debug, Default)]
pub(super) struct Seats(Mutex<HashMap<String, Taken>>);

#[derive(Debug)]
struct Taken {
    /// Tells the conversations of one follower apart.
    number: u64,
    over: CancellationToken,
}

/// A seat, until this is dropped, or its follower comes anew.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    follower: String,
    number: u64,
    over: CancellationToken,
}

impl Seats {
    /// The seat of that follower, whose earlier conversation ends; `None` if all are taken by others.
    pub(super) fn take(self: &Arc<Self>, follower: String) -> Option<Seat> {
        let mut taken = self.taken();
        let before = taken.get(&follower);
        if before.is_none() && taken.len() >= FOLLOWERS {
            return None;
        }
        let number = before.map_or(0, |before| before.number.wrapping_add(1));
        let over = CancellationToken::new();
        let now = Taken { number, over: over.clone() };
        if let Some(before) = taken.insert(follower.clone(), now) {
            before.over.cancel();
        }
        drop(taken);
        Some(Seat { seats: Arc::clone(self), follower, number, over })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<String, Taken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Waits until its follower has come anew.
    pub(super) async fn over(&self) {
        self.over.cancelled().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        if taken.get(&self.follower).is_some_and(|taken| taken.number == self.number) {
            taken.remove(&self.follower);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follower_has_one_seat_however_often_it_comes() {
        let seats = Arc::new(Seats::default());
        let take = |name: &str| seats.take(name.to_owned());
        let first = take("a").unwrap();
        let second = take("a").unwrap();
        assert!(first.over.is_cancelled() && !second.over.is_cancelled());
        // The end of the first is not that of the second.
        drop(first);
        let others: Vec<_> = (1..FOLLOWERS).map(|it| take(&it.to_string()).unwrap()).collect();
        assert!(take("one too many").is_none());
        assert!(take("a").is_some());
        drop((second, others));
        assert!(seats.taken().is_empty());
    }
}
