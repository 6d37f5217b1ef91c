//! When a certificate is asked for.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::tls::Leaf;

/// The wait after a first failure. Authorities allow some five an hour for a name.
pub(super) const FIRST_WAIT: Duration = Duration::from_secs(5 * 60);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(12 * 60 * 60);
/// Parts of a whole, for what is left to chance.
pub(super) const WHOLE: u32 = 1000;

/// When a certificate is renewed: when two thirds of its time are over, or up to a thirtieth of it
/// later, so that not everybody comes at once.
pub(super) fn renewal(leaf: &Leaf, chance: u32) -> Timestamp {
    let life = leaf.ends().since(leaf.starts());
    leaf.starts().plus(life / 3 * 2).plus(life / 30 * chance / WHOLE)
}

/// The same for one that was issued just `now`. However short its time is, and whatever the clock
/// makes of it, there is some time in between.
pub(super) fn next(leaf: &Leaf, now: Timestamp, chance: u32) -> Timestamp {
    let left = leaf.ends().since(now);
    let rest = if left.is_zero() { LONGEST_WAIT } else { left / 3 };
    renewal(leaf, chance).max(now.plus(rest))
}

/// The wait after so many failures: twice as long each time, give or take a quarter; longer where
/// the authority asks for that.
pub(super) fn wait(failures: u32, asked: Duration, chance: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1).min(16));
    let wait = FIRST_WAIT.saturating_mul(doubled).min(LONGEST_WAIT);
    (wait / WHOLE * (WHOLE * 3 / 4 + chance / 2)).max(asked)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    const DAY: u64 = 24 * 60 * 60;
    const START: u64 = 1_790_000_000;

    fn leaf(life: Duration) -> Leaf {
        let mut params = CertificateParams::new(["gate.test".to_owned()]).unwrap();
        let start = std::time::UNIX_EPOCH + Duration::from_secs(START);
        (params.not_before, params.not_after) = (start.into(), (start + life).into());
        Leaf::of(params.self_signed(&KeyPair::generate().unwrap()).unwrap().der()).unwrap()
    }

    fn after(seconds: u64) -> Timestamp {
        Timestamp::from_secs(START + seconds)
    }

    #[test]
    fn a_certificate_is_renewed_after_two_thirds_of_its_time() {
        let quarter = leaf(Duration::from_secs(90 * DAY));
        assert_eq!(renewal(&quarter, 0), after(60 * DAY));
        assert_eq!(renewal(&quarter, WHOLE), after(63 * DAY));
        assert_eq!(next(&quarter, after(0), 0), after(60 * DAY));
        assert_eq!(renewal(&leaf(Duration::from_secs(6 * DAY)), 0), after(4 * DAY));
    }

    #[test]
    fn there_is_some_time_between_two_orders() {
        let quarter = leaf(Duration::from_secs(90 * DAY));
        // Issued long before it was asked for.
        assert_eq!(next(&quarter, after(75 * DAY), 0), after(80 * DAY));
        // A clock that is wrong.
        let late = after(100 * DAY);
        assert_eq!(next(&quarter, late, 0), late.plus(LONGEST_WAIT));
    }

    #[test]
    fn the_wait_doubles_up_to_half_a_day_and_the_authority_may_ask_for_more() {
        let minutes = |failures| wait(failures, Duration::ZERO, WHOLE / 2).as_secs() / 60;
        assert_eq!([1, 2, 3, 4, 8, 9, 99].map(minutes), [5, 10, 20, 40, 640, 720, 720]);
        assert_eq!(wait(1, Duration::ZERO, 0), FIRST_WAIT / 4 * 3);
        assert_eq!(wait(1, Duration::ZERO, WHOLE), FIRST_WAIT / 4 * 5);
        let day = Duration::from_secs(DAY);
        assert_eq!(wait(1, day, 0), day);
        // Five failures within an hour shut a name out.
        let first_hour: Vec<_> = (1..5).map(|failures| wait(failures, Duration::ZERO, 0)).collect();
        assert!(first_hour.iter().sum::<Duration>() > Duration::from_secs(55 * 60));
    }
}
