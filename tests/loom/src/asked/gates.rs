//! Places: none is lost, none is made, and who waits is let in.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::{always, with_interruptions};
use crate::gate::{Gate, Joined};

/// A gate with one place, and who is in.
struct Door {
    gate: Gate<()>,
    inside: AtomicUsize,
}

impl Door {
    fn new() -> Arc<Self> {
        Arc::new(Self { gate: Gate::new(1, 2), inside: AtomicUsize::new(0) })
    }

    /// In and out again. An impatient one goes away from the line at once.
    fn visit(&self, is_patient: bool) {
        let is_in = self.gate.enter()
            || match self.gate.join() {
                Joined::In => true,
                Joined::Refused => panic!("the line has room for all"),
                Joined::Waiting(_, place) if is_patient => {
                    place.receive();
                    true
                }
                Joined::Waiting(number, place) => {
                    self.gate.abandon(number);
                    place.close().is_some()
                }
            };
        if is_in {
            self.stay();
            self.leave();
        }
    }

    fn stay(&self) {
        assert_eq!(self.inside.fetch_add(1, Ordering::Relaxed), 0, "two are in");
        self.inside.fetch_sub(1, Ordering::Relaxed);
    }

    fn leave(&self) {
        while let Some(next) = self.gate.leave() {
            if next.send(()).is_ok() {
                return;
            }
        }
    }

    fn is_empty(&self) -> bool {
        (self.gate.inside(), self.gate.waiting()) == (0, 0)
    }
}

#[test]
fn whoever_waits_is_let_in() {
    always(|| {
        let door = Door::new();
        let other = thread::spawn({
            let door = Arc::clone(&door);
            move || door.visit(true)
        });
        door.visit(true);
        other.join().unwrap();
        assert!(door.is_empty());
    });
}

#[test]
fn who_goes_away_takes_no_place_along() {
    always(|| {
        let door = Door::new();
        let other = thread::spawn({
            let door = Arc::clone(&door);
            move || door.visit(false)
        });
        door.visit(true);
        other.join().unwrap();
        assert!(door.is_empty());
    });
}

/// One waits, one goes away, and one leaves to whoever is there.
#[test]
fn of_three_nobody_is_forgotten() {
    with_interruptions(3, || {
        let door = Door::new();
        assert!(door.gate.enter());
        let others = [true, false].map(|is_patient| {
            let door = Arc::clone(&door);
            thread::spawn(move || door.visit(is_patient))
        });
        door.stay();
        door.leave();
        for other in others {
            other.join().unwrap();
        }
        assert!(door.is_empty());
    });
}

/// Nobody passes by who came before: a place that is given back is taken by the line.
#[test]
fn who_comes_late_does_not_pass_by() {
    always(|| {
        let door = Door::new();
        assert!(door.gate.enter());
        let Joined::Waiting(_, place) = door.gate.join() else { panic!("there is no room") };
        let late = thread::spawn({
            let door = Arc::clone(&door);
            move || door.gate.enter()
        });
        door.leave();
        assert!(!late.join().unwrap(), "somebody passed by");
        place.receive();
        door.leave();
        assert!(door.is_empty());
    });
}
