//! Which server has a request, and who waits for a place.

use std::num::NonZeroU32;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::clock::{ManualClock, Timestamp};
use crate::log_sink::LogSink;

fn upstream(servers: usize) -> Upstream {
    let backend = |port| Backend {
        address: Address::Tcp { host: "127.0.0.1".to_owned(), port },
        weight: NonZeroU32::MIN,
    };
    let backends = (1..).map(backend).take(servers).collect();
    Upstream::new(UpstreamSettings::new("up", Target::Http(backends)))
}

/// A clock that must not be read.
#[derive(Debug)]
struct NoClock;

impl Clock for NoClock {
    fn now(&self) -> Timestamp {
        panic!("the clock was read")
    }
}

fn fail(upstream: &Upstream, number: usize, clock: &dyn Clock) {
    let server = &upstream.servers[number];
    for _ in 0..3 {
        Trial { upstream, clock, number, server, is_probe: false }.failed();
    }
}

#[test]
fn nobody_looks_at_the_clock_while_nothing_is_wrong() {
    let upstream = upstream(3);
    let mut tried = Vec::new();
    while let Some(trial) = upstream.next(&tried, &NoClock) {
        trial.succeeded();
        assert!(!tried.contains(&trial.number));
        tried.push(trial.number);
    }
    assert_eq!(tried.len(), 3);
}

#[test]
fn the_only_server_is_always_tried() {
    let upstream = upstream(1);
    for _ in 0..10 {
        upstream.next(&[], &NoClock).unwrap().failed();
    }
    assert!(upstream.next(&[0], &NoClock).is_none());
}

#[test]
fn of_servers_that_all_fail_the_one_passed_over_longest_is_tried() {
    let (upstream, clock) = (upstream(3), ManualClock::new(Timestamp::from_secs(9)));
    for number in [1, 2, 0] {
        fail(&upstream, number, &clock);
        clock.advance(Duration::from_millis(10));
    }
    let next = |tried: &[usize]| upstream.next(tried, &clock).map(|trial| trial.number);
    assert_eq!(next(&[]), Some(1));
    assert_eq!(next(&[1]), Some(2));
    assert_eq!(next(&[1, 2]), Some(0));
    assert_eq!(next(&[1, 2, 0]), None);
}

#[test]
fn one_request_finds_out_whether_a_server_is_back() {
    let (upstream, clock) = (upstream(2), ManualClock::new(Timestamp::from_secs(9)));
    fail(&upstream, 0, &clock);
    clock.advance(Duration::from_secs(1));
    let probe = upstream.next(&[], &clock).unwrap();
    assert_eq!(probe.number, 0);
    for _ in 0..20 {
        assert_eq!(upstream.next(&[], &clock).unwrap().number, 1);
    }
    // Its client goes away: another request takes its place.
    drop(probe);
    let probe = upstream.next(&[], &clock).unwrap();
    assert_eq!(probe.number, 0);
    probe.failed();
    drop(probe);
    assert_eq!(upstream.next(&[], &clock).unwrap().number, 1);
    clock.advance(Duration::from_secs(2));
    upstream.next(&[], &clock).unwrap().succeeded();
    assert!(upstream.servers[0].standing.is_in());
}

#[test]
fn a_server_that_goes_and_comes_back_has_a_line_for_each() {
    let (sink, clock) = (LogSink::default(), ManualClock::new(Timestamp::from_secs(9)));
    tracing::subscriber::with_default(sink.subscriber(), || {
        let upstream = upstream(2);
        fail(&upstream, 1, &clock);
        fail(&upstream, 1, &clock);
        for _ in 0..3 {
            clock.advance(Duration::from_secs(30));
            upstream.next(&[], &clock).unwrap().failed();
        }
        clock.advance(Duration::from_secs(30));
        for _ in 0..3 {
            upstream.next(&[0], &clock).unwrap().succeeded();
        }
    });
    let text = sink.text();
    let [gone, back] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
    assert!(gone.contains("passed over") && gone.contains("WARN"), "{gone}");
    assert!(back.contains("is back") && back.contains("INFO"), "{back}");
    for line in [gone, back] {
        assert!(line.contains("upstream=up server=http://127.0.0.1:2"), "{line}");
    }
}

#[tokio::test]
async fn a_request_counts_at_the_server_that_has_it() {
    let upstream = Arc::new(upstream(2));
    let count = || -> Vec<_> {
        upstream.servers.iter().map(|it| it.in_flight.load(Ordering::Relaxed)).collect()
    };
    let (one, two) = (upstream.enter().await.unwrap(), upstream.enter().await.unwrap());
    one.go_to(0);
    two.go_to(0);
    assert_eq!(count(), [2, 0]);
    two.go_to(1);
    assert_eq!(count(), [1, 1]);
    drop(one);
    assert_eq!(count(), [0, 1]);
    drop(two);
    assert_eq!((count(), upstream.gate.inside()), (vec![0, 0], 0));
}

proptest! {
    /// Whoever fails whenever: no request without a server, none for one that is passed
    /// over while another is there, and each server at most once for one request.
    #[test]
    fn a_server_that_is_passed_over_has_no_request_while_another_is_there(
        steps in prop::collection::vec((0..4_usize, any::<bool>(), 0..400_u64), 1..200),
    ) {
        let (upstream, clock) = (upstream(4), ManualClock::new(Timestamp::from_secs(9)));
        for (victim, fails, pause) in steps {
            if fails {
                fail(&upstream, victim, &clock);
            } else {
                upstream.servers[victim].standing.succeeded();
            }
            clock.advance(Duration::from_millis(pause));
            let mut tried = Vec::new();
            while let Some(trial) = upstream.next(&tried, &clock) {
                let others = upstream.untried(&tried).any(|(_, one)| one.standing.is_in());
                prop_assert!(trial.server.standing.is_in() || trial.is_probe || !others);
                tried.push(trial.number);
            }
            tried.sort_unstable();
            prop_assert_eq!(tried, [0, 1, 2, 3]);
        }
    }
}
