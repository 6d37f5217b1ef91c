//! Limits: no more is let through at one instant than the quota has, and what is given back is there.

use std::num::NonZeroU32;
use std::time::Duration;

use loom::sync::Arc;
use loom::thread;

use super::always;
use crate::clock::Timestamp;
use crate::limit::{Limiter, Quota};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn limiter(count: u32) -> Arc<Limiter> {
    let count = NonZeroU32::new(count).unwrap();
    Arc::new(Limiter::new(Quota { count, per: Duration::from_secs(60) }))
}

fn taken(limiter: &Limiter) -> u32 {
    u32::from(limiter.take(&"ada", NOW).is_ok())
}

#[test]
fn of_three_at_one_instant_the_quota_lets_through_two() {
    always(|| {
        let limiter = limiter(2);
        let others = [(); 2].map(|()| {
            let limiter = Arc::clone(&limiter);
            thread::spawn(move || taken(&limiter))
        });
        let own = taken(&limiter);
        let all: u32 = others.into_iter().map(|other| other.join().unwrap()).sum();
        assert_eq!(all + own, 2);
    });
}

#[test]
fn what_is_given_back_can_be_taken_and_no_more() {
    always(|| {
        let limiter = limiter(1);
        assert_eq!(taken(&limiter), 1);
        let other = thread::spawn({
            let limiter = Arc::clone(&limiter);
            move || limiter.give_back(&"ada")
        });
        let meanwhile = taken(&limiter);
        other.join().unwrap();
        assert_eq!(meanwhile + taken(&limiter), 1);
        assert_eq!(taken(&limiter), 0);
    });
}
