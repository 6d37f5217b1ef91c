//! Servers that fail: one probe at a time, and each change is told once.

use loom::sync::Arc;
use loom::thread;

use super::{always, with_interruptions};
use crate::clock::Timestamp;
use crate::standing::{Change, Standing};

const START: u64 = 1_800_000_000_000;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(START + millis)
}

fn failed(standing: &Standing) -> Change {
    standing.failed(false, || at(0))
}

fn out() -> Arc<Standing> {
    let standing = Arc::new(Standing::default());
    for _ in 0..3 {
        let _change = failed(&standing);
    }
    standing
}

#[test]
fn of_two_that_would_probe_one_does() {
    always(|| {
        let standing = out();
        let other = thread::spawn({
            let standing = Arc::clone(&standing);
            move || standing.claim_probe(at(1000))
        });
        let own = standing.claim_probe(at(1000));
        assert!(own ^ other.join().unwrap());
    });
}

#[test]
fn who_puts_a_server_out_is_one_of_those_whose_requests_failed() {
    with_interruptions(3, || {
        let standing = Arc::new(Standing::default());
        let others = [(); 2].map(|()| {
            let standing = Arc::clone(&standing);
            thread::spawn(move || failed(&standing))
        });
        let own = failed(&standing);
        let told = others.map(|other| other.join().unwrap());
        let outs = [own].into_iter().chain(told).filter(|change| *change == Change::Out).count();
        assert_eq!(outs, 1, "told so often that it is out");
        assert!(!standing.is_in());
    });
}

/// The third failure meets a health check that finds the server well: whatever comes last, as many were
/// told that it is out as that it is back, or one more, if it is.
#[test]
fn what_is_told_is_what_became_of_it() {
    always(|| {
        let standing = Arc::new(Standing::default());
        for _ in 0..2 {
            assert_eq!(failed(&standing), Change::None);
        }
        let other = thread::spawn({
            let standing = Arc::clone(&standing);
            move || standing.well()
        });
        let own = failed(&standing);
        let told = [own, other.join().unwrap()];
        let count = |which| told.iter().filter(|change| **change == which).count();
        assert_eq!(count(Change::Out), count(Change::In) + usize::from(!standing.is_in()));
    });
}
