//! What a quota lets through, and when it is whole again.

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
    let spend = || limiter.spend(&1, NonZeroU32::MIN, now);
    assert_eq!(spend(), Ok(Left { events: 1, whole_in: second }));
    assert_eq!(spend(), Ok(Left { events: 0, whole_in: 2 * second }));
    assert_eq!(spend(), Err(Exceeded(second)));
    limiter.take(&1, now.plus(second)).unwrap();
    limiter.take(&1, now.plus(second)).unwrap_err();
}

#[test]
fn those_who_share_a_quota_allow_it_together_whatever_is_asked() {
    let taken = |count: u32, gateways: u32, seconds: u64| {
        let limiters: Vec<_> = (0..gateways).map(|_| limiter(count, 10)).collect();
        let among = NonZeroU32::new(gateways).unwrap();
        let start = Timestamp::from_secs(1000);
        let mut taken = 0;
        // More than there is, at each of them, all the time.
        for millis in (0..=1000 * seconds).step_by(10) {
            let now = start.plus(Duration::from_millis(millis));
            let spent = limiters.iter().filter(|one| one.spend(&1, among, now).is_ok());
            taken += spent.count();
        }
        taken
    };
    // At once, and then as much again each ten seconds: less than one event of each apart.
    for gateways in [1, 2, 3, 7, 10] {
        let all = taken(70, gateways, 100);
        assert!((770 - 10..=770).contains(&all), "{gateways}: {all}");
    }
    // More gateways than events: each lets the first one pass, and then they keep to it.
    assert_eq!((taken(2, 5, 0), taken(2, 5, 100)), (5, 5 + 5 * 4));
}

#[test]
fn what_was_spent_as_a_part_is_repaid_as_one() {
    let (limiter, now) = (limiter(4, 60), Timestamp::from_secs(1000));
    let among = NonZeroU32::new(2).unwrap();
    limiter.spend(&1, among, now).unwrap();
    let left = limiter.spend(&1, among, now).unwrap();
    assert_eq!(left, Left { events: 0, whole_in: Duration::from_secs(60) });
    limiter.repay(&1, among);
    limiter.spend(&1, among, now).unwrap();
    let wait = limiter.spend(&1, among, now);
    assert_eq!(wait, Err(Exceeded(Duration::from_secs(30))));
    // The others are gone, and what is owed is paid off as before.
    assert_eq!(limiter.take(&1, now), Err(Exceeded(Duration::from_secs(15))));
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
