//! Whether a server is worth trying: three failures in a row and it is passed over for a while,
//! then one request finds out whether it is back. Where health checks ask it, it is they that
//! bring it back, and they may put it out as well.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Timestamp;

/// Failures in a row after which a server is passed over.
const TOO_MANY: u64 = 3;
/// How long it is passed over at first; twice as long after each probe that fails.
const FIRST: Duration = Duration::from_secs(1);
/// Longest time it is passed over.
const LONGEST: Duration = Duration::from_secs(30);

/// How a server did lately, shared by all workers. Zero while nothing is wrong, so that good
/// news costs one read and nobody looks at a clock.
#[derive(Debug, Default)]
pub(super) struct Standing(AtomicU64);

/// What became of a server by one more piece of news.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Change {
    /// It stays in, or out.
    None,
    /// It is passed over from now on.
    Out,
    /// It is back.
    In,
}

/// A standing taken apart.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct State {
    /// In a row; counted on by failed probes.
    failures: u64,
    /// A request is on its way to find out.
    probing: bool,
    /// Health checks have put it out.
    down: bool,
    /// Since when it is passed over, in milliseconds since 1970; 0 while it is not.
    since: u64,
}

impl Standing {
    /// Whether it may have any request.
    pub(super) fn is_in(&self) -> bool {
        self.state().is_in()
    }

    /// Whether health checks say that it is not well.
    pub(super) fn is_down(&self) -> bool {
        self.state().down
    }

    /// Since when it is passed over, to find who has been longest.
    pub(super) fn since(&self) -> u64 {
        self.state().since
    }

    /// Leave to be the one request that finds out, if it is time for one.
    pub(super) fn claim_probe(&self, now: Timestamp) -> bool {
        self.change(|state| state.is_due(now).then_some(State { probing: true, ..state })).is_some()
    }

    /// The probe ended without news: its client went away.
    pub(super) fn release_probe(&self) {
        self.change(|state| state.probing.then_some(State { probing: false, ..state }));
    }

    /// A response head came. It does not outweigh what health checks say.
    pub(super) fn succeeded(&self) -> Change {
        self.update(|state| {
            let good = State { down: state.down, ..State::default() };
            (state != good).then_some(good)
        })
    }

    /// Health checks found it well: whatever was wrong is forgotten.
    pub(super) fn well(&self) -> Change {
        self.update(|state| (state != State::default()).then(State::default))
    }

    /// Health checks found that it is not well.
    pub(super) fn unwell(&self) -> Change {
        self.update(|state| (!state.down).then_some(State { down: true, ..state }))
    }

    /// It took no connection, broke off before its response head, or was late with it. `now` is
    /// asked only if the server is passed over from here on.
    pub(super) fn failed(&self, was_probe: bool, now: impl Fn() -> Timestamp) -> Change {
        self.update(|state| state.after_failure(was_probe, &now))
    }

    fn state(&self) -> State {
        State::unpack(self.0.load(Ordering::Relaxed))
    }

    /// Says what a change made of it. Judged by that change alone, for others may change it meanwhile: so
    /// each is told once.
    fn update(&self, change: impl Fn(State) -> Option<State>) -> Change {
        match self.change(change).map(|(before, after)| (before.is_in(), after.is_in())) {
            Some((true, false)) => Change::Out,
            Some((false, true)) => Change::In,
            Some((true, true) | (false, false)) | None => Change::None,
        }
    }

    /// Changes it unless `change` has nothing to change; what it was before and what it is then.
    fn change(&self, change: impl Fn(State) -> Option<State>) -> Option<(State, State)> {
        let mut before = self.0.load(Ordering::Relaxed);
        loop {
            let after = change(State::unpack(before))?;
            let order = Ordering::Relaxed;
            match self.0.compare_exchange_weak(before, after.pack(), order, order) {
                Ok(_) => return Some((State::unpack(before), after)),
                Err(now) => before = now,
            }
        }
    }
}

impl State {
    const MOST_FAILURES: u64 = 0x3f;

    /// Bits, from the lowest: 6 of failures, 1 of the checks, 1 of probing, 56 of time.
    const fn pack(self) -> u64 {
        self.since << 8 | (self.probing as u64) << 7 | (self.down as u64) << 6 | self.failures
    }

    const fn unpack(bits: u64) -> Self {
        let failures = bits & Self::MOST_FAILURES;
        let (probing, down) = (bits & 0x80 != 0, bits & 0x40 != 0);
        Self { failures, probing, down, since: bits >> 8 }
    }

    const fn is_in(self) -> bool {
        self.since == 0 && !self.down
    }

    fn after_failure(self, was_probe: bool, now: &impl Fn() -> Timestamp) -> Option<Self> {
        let failures = (self.failures + 1).min(Self::MOST_FAILURES);
        if self.since == 0 {
            let since = if failures < TOO_MANY { 0 } else { moment(now()) };
            return Some(Self { failures, probing: false, since, ..self });
        }
        // What was under way when it was put out says nothing new.
        was_probe.then(|| Self { failures, probing: false, since: moment(now()), ..self })
    }

    /// A clock that was set back shall not keep anybody out.
    fn is_due(self, now: Timestamp) -> bool {
        let (now, out) = (now.as_millis(), self.since != 0 && !self.probing);
        out && (now < self.since || u128::from(now - self.since) >= self.wait().as_millis())
    }

    fn wait(self) -> Duration {
        let doublings = u32::try_from(self.failures.saturating_sub(TOO_MANY)).unwrap_or(u32::MAX);
        FIRST.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST)
    }
}

/// 0 is for those that are in; the highest bits are not needed before the year 2000000.
fn moment(now: Timestamp) -> u64 {
    now.as_millis().clamp(1, u64::MAX >> 8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: u64 = 1_800_000_000_000;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(START + millis)
    }

    fn never() -> Timestamp {
        panic!("the clock was read")
    }

    /// A server that failed three times at the start.
    fn out() -> Standing {
        let standing = Standing::default();
        for change in [Change::None, Change::None, Change::Out] {
            assert_eq!(standing.failed(false, || at(0)), change);
        }
        standing
    }

    #[test]
    fn three_failures_in_a_row_and_no_fewer_put_a_server_out() {
        let standing = Standing::default();
        for _ in 0..10 {
            assert_eq!(standing.succeeded(), Change::None);
            assert_eq!(standing.failed(false, never), Change::None);
            assert_eq!(standing.failed(false, never), Change::None);
            assert!(standing.is_in());
        }
        assert!(!standing.claim_probe(at(0)));
        assert_eq!(standing.failed(false, || at(0)), Change::Out);
        assert!(!standing.is_in());
    }

    #[test]
    fn one_probe_at_a_time_and_its_success_brings_the_server_back() {
        let standing = out();
        assert!(!standing.claim_probe(at(999)));
        assert!(standing.claim_probe(at(1000)));
        assert!(!standing.claim_probe(at(60_000)), "two probes");
        // A probe whose client went away leaves its place to another.
        standing.release_probe();
        assert!(standing.claim_probe(at(1000)));
        assert_eq!(standing.succeeded(), Change::In);
        assert!(standing.is_in());
        assert_eq!(standing.failed(false, never), Change::None);
    }

    #[test]
    fn each_failed_probe_doubles_the_wait_up_to_half_a_minute() {
        let standing = out();
        let mut now = 0;
        for wait in [1, 2, 4, 8, 16, 30, 30].into_iter().chain([30; 200]) {
            assert!(!standing.claim_probe(at(now + wait * 1000 - 1)), "before {wait} s");
            now += wait * 1000;
            assert!(standing.claim_probe(at(now)), "after {wait} s");
            assert_eq!(standing.failed(true, || at(now)), Change::None);
        }
        assert_eq!(standing.succeeded(), Change::In);
        // And it begins anew.
        assert_eq!((0..3).map(|_| standing.failed(false, || at(now))).last(), Some(Change::Out));
        assert!(standing.claim_probe(at(now + 1000)));
    }

    #[test]
    fn what_was_under_way_when_a_server_was_put_out_says_nothing_new() {
        let standing = out();
        for _ in 0..50 {
            assert_eq!(standing.failed(false, never), Change::None);
        }
        assert!(standing.claim_probe(at(1000)));
        assert_eq!(standing.failed(false, never), Change::None);
        assert!(!standing.claim_probe(at(5000)), "two probes");
    }

    #[test]
    fn what_health_checks_say_is_outweighed_by_no_request() {
        let standing = Standing::default();
        assert_eq!(standing.well(), Change::None);
        assert_eq!(standing.unwell(), Change::Out);
        assert_eq!(standing.unwell(), Change::None);
        assert_eq!(standing.succeeded(), Change::None);
        assert!(!standing.is_in() && standing.is_down());
        // It fails requests too: whoever is out does not go out again.
        for _ in 0..5 {
            assert_eq!(standing.failed(false, || at(0)), Change::None);
        }
        assert_eq!(standing.succeeded(), Change::None);
        assert_eq!(standing.well(), Change::In);
        assert!(standing.is_in() && !standing.is_down());
        // And they bring back what requests have put out.
        let standing = out();
        assert_eq!(standing.unwell(), Change::None);
        assert_eq!(standing.well(), Change::In);
        assert_eq!(standing.failed(false, never), Change::None);
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_nobody_out() {
        assert!(out().claim_probe(Timestamp::from_secs(1)));
    }

    proptest! {
        #[test]
        fn a_state_is_what_was_packed(
            failures in 0..64_u64, probing: bool, down: bool, since in 0..1_u64 << 56,
        ) {
            let state = State { failures, probing, down, since };
            prop_assert_eq!(State::unpack(state.pack()), state);
        }
    }
}
