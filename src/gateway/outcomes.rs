//! How requests end, all together, and whether another policy made that worse.

use std::fmt;

/// Fewest requests that say anything about a policy.
const ENOUGH: u64 = 20;
/// How many of a thousand more have to end badly, ...
const JUMP: u64 = 50;
/// ... and how many times as many, so that what was bad before is not blamed on the policy.
const TIMES: u64 = 2;

/// How many requests there were, and how they ended.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Outcomes {
    pub(super) answered: u64,
    /// With 401 or 403.
    pub(super) denied: u64,
    /// With 5xx.
    pub(super) failed: u64,
}

/// What a policy made worse. `Display` is for the operator.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Worse {
    what: &'static str,
    before: u64,
    since: u64,
    answered: u64,
}

impl Outcomes {
    /// What came since `earlier`.
    pub(super) const fn since(&self, earlier: &Self) -> Self {
        Self {
            answered: self.answered.saturating_sub(earlier.answered),
            denied: self.denied.saturating_sub(earlier.denied),
            failed: self.failed.saturating_sub(earlier.failed),
        }
    }

    /// What is much worse in this than it was in `before`.
    pub(super) fn worse_than(&self, before: &Self) -> Option<Worse> {
        if self.answered < ENOUGH {
            return None;
        }
        [("5xx", self.failed, before.failed), ("401 and 403", self.denied, before.denied)]
            .into_iter()
            .map(|(what, since, earlier)| Worse {
                what,
                before: share(earlier, before.answered),
                since: share(since, self.answered),
                answered: self.answered,
            })
            .find(|worse| worse.since > worse.before + JUMP && worse.since > TIMES * worse.before)
    }
}

/// Of a thousand.
fn share(some: u64, all: u64) -> u64 {
    some.saturating_mul(1000).checked_div(all).unwrap_or_default()
}

impl fmt::Display for Worse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, before, since, answered } = self;
        let (before, since) = (before / 10, since / 10);
        write!(f, "{what} are {since} % of {answered} requests, and were {before} % before")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(answered: u64, denied: u64, failed: u64) -> Outcomes {
        Outcomes { answered, denied, failed }
    }

    #[test]
    fn a_jump_is_seen_and_what_was_bad_before_is_not_one() {
        let calm = of(10_000, 100, 10);
        for (before, since, worse) in [
            (calm, of(1000, 10, 1), None),
            // Too few to tell.
            (calm, of(19, 0, 19), None),
            (calm, of(20, 0, 20), Some("5xx are 100 % of 20 requests, and were 0 % before")),
            (calm, of(1000, 10, 50), None),
            (calm, of(1000, 10, 52), Some("5xx are 5 % of 1000 requests, and were 0 % before")),
            (
                calm,
                of(100, 40, 0),
                Some("401 and 403 are 40 % of 100 requests, and were 1 % before"),
            ),
            // Half of them were refused all along.
            (of(1000, 500, 0), of(1000, 700, 0), None),
            (of(1000, 0, 300), of(1000, 0, 590), None),
            (of(1000, 0, 300), of(1000, 0, 700), Some("5xx are 70 % of")),
            // Nothing is known of before.
            (of(0, 0, 0), of(100, 100, 0), Some("401 and 403 are 100 % of")),
            (of(0, 0, 0), of(100, 0, 0), None),
        ] {
            let found = since.worse_than(&before).map(|worse| worse.to_string());
            match worse {
                None => assert_eq!(found, None, "{before:?} {since:?}"),
                Some(told) => assert!(found.unwrap().starts_with(told), "{before:?} {since:?}"),
            }
        }
    }
}
