//! So many at once, and a line for the others: first come, first served, over all workers.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Counts places and hands them on. A place is worth a `T`, which whoever waits is given; only
/// its holder gives the place back, by [`Gate::leave`].
///
/// While there is room, a place costs one exchange of one word and no lock. That word has both
/// numbers: nobody passes by those who wait, and no place is freed beside them.
#[derive(Debug)]
pub(super) struct Gate<T> {
    /// How many are in (low half) and how many wait (high half). The latter changes only under
    /// the lock of `line`, and the former only while nobody waits.
    state: AtomicU64,
    most: u64,
    longest: u64,
    line: Mutex<Line<T>>,
}

/// Who waits, in the order of their numbers.
#[derive(Debug)]
struct Line<T> {
    waiting: VecDeque<(u64, oneshot::Sender<T>)>,
    next: u64,
}

/// What became of somebody who came to a gate without room.
#[derive(Debug)]
pub(super) enum Joined<T> {
    /// There was room after all.
    In,
    /// A place comes by this, unless the number is taken out before by [`Gate::abandon`].
    Waiting(u64, oneshot::Receiver<T>),
    /// The line is full.
    Refused,
}

const ONE_WAITS: u64 = 1 << 32;

impl<T> Gate<T> {
    /// `most` places, and a line for `longest`.
    pub(super) fn new(most: usize, longest: usize) -> Self {
        let half = |number: usize| u64::from(u32::try_from(number).unwrap_or(u32::MAX));
        let line = Line { waiting: VecDeque::new(), next: 0 };
        Self {
            state: AtomicU64::new(0),
            most: half(most),
            longest: half(longest),
            line: Mutex::new(line),
        }
    }

    /// Takes a place if there is one and nobody waits for it.
    pub(super) fn enter(&self) -> bool {
        self.change(|state| (state < self.most).then_some(state + 1))
    }

    /// Takes a place, or one in the line.
    pub(super) fn join(&self) -> Joined<T> {
        let mut line = self.lock();
        // A place may have been given back since.
        if self.enter() {
            return Joined::In;
        }
        if line.waiting.len() as u64 >= self.longest {
            return Joined::Refused;
        }
        // Whoever leaves after this finds us; whoever left before made room.
        while !self.change(|state| (state >= self.most).then_some(state + ONE_WAITS)) {
            if self.enter() {
                return Joined::In;
            }
        }
        let (sender, receiver) = oneshot::channel();
        let number = line.next;
        line.next += 1;
        line.waiting.push_back((number, sender));
        Joined::Waiting(number, receiver)
    }

    /// Takes somebody out of the line who waits no longer, if they are still in it. A place that
    /// is on its way to them is for their receiver to give back.
    pub(super) fn abandon(&self, number: u64) {
        let mut line = self.lock();
        if let Ok(at) = line.waiting.binary_search_by_key(&number, |(number, _)| *number) {
            line.waiting.remove(at);
            self.change(|state| Some(state - ONE_WAITS));
        }
    }

    /// Gives a place back: to nobody, or to whoever is returned, who is out of the line and has
    /// to be sent a `T`. If they do not take it, the place is to be given back once more.
    #[must_use]
    pub(super) fn leave(&self) -> Option<oneshot::Sender<T>> {
        if self.change(|state| (state < ONE_WAITS).then(|| state - 1)) {
            return None;
        }
        let mut line = self.lock();
        if let Some((_, first)) = line.waiting.pop_front() {
            self.change(|state| Some(state - ONE_WAITS));
            return Some(first);
        }
        // They went away before the lock was ours.
        self.change(|state| Some(state - 1));
        None
    }

    /// How many are in.
    #[cfg(test)]
    pub(super) fn inside(&self) -> u64 {
        self.state.load(Ordering::Acquire) % ONE_WAITS
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> u64 {
        self.state.load(Ordering::Acquire) / ONE_WAITS
    }

    fn change(&self, to: impl FnMut(u64) -> Option<u64>) -> bool {
        self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, to).is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, Line<T>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::thread;

    use proptest::prelude::*;

    use super::*;

    fn waiting<T: std::fmt::Debug>(gate: &Gate<T>) -> (u64, oneshot::Receiver<T>) {
        match gate.join() {
            Joined::Waiting(number, receiver) => (number, receiver),
            other @ (Joined::In | Joined::Refused) => panic!("{other:?}"),
        }
    }

    #[test]
    fn whoever_comes_to_the_line_and_finds_room_is_in_though_nobody_may_wait() {
        let gate = Gate::<()>::new(1, 0);
        assert!(matches!(gate.join(), Joined::In));
        assert!(matches!(gate.join(), Joined::Refused));
        assert_eq!((gate.inside(), gate.waiting()), (1, 0));
    }

    #[test]
    fn places_go_to_those_who_wait_in_the_order_they_came() {
        let gate = Gate::new(1, 2);
        assert!(gate.enter());
        assert!(!gate.enter());
        let (_, mut first) = waiting(&gate);
        let (_, mut second) = waiting(&gate);
        assert!(matches!(gate.join(), Joined::Refused));
        for receiver in [&mut first, &mut second] {
            gate.leave().unwrap().send(()).unwrap();
            assert!(receiver.try_recv().is_ok());
        }
        assert!(gate.leave().is_none());
        assert_eq!((gate.inside(), gate.waiting()), (0, 0));
    }

    #[test]
    fn who_goes_away_leaves_room_in_the_line() {
        let gate: Gate<()> = Gate::new(1, 2);
        assert!(gate.enter());
        let (first, _gone) = waiting(&gate);
        let (_, _second) = waiting(&gate);
        gate.abandon(first);
        gate.abandon(first);
        let (third, _gone) = waiting(&gate);
        gate.abandon(third);
        assert_eq!(gate.waiting(), 1);
        assert!(gate.leave().is_some());
        assert!(gate.leave().is_none());
    }

    proptest! {
        /// Against the obvious model, one step after another.
        #[test]
        fn a_gate_is_a_counter_and_a_line(
            most in 1..4_usize,
            longest in 0..4_usize,
            steps in prop::collection::vec((0..4_u8, 0..8_usize), 1..200),
        ) {
            let gate = Gate::new(most, longest);
            let (mut inside, mut line) = (0_usize, BTreeMap::new());
            for (step, which) in steps {
                match step {
                    0 => {
                        let has_room = inside < most && line.is_empty();
                        prop_assert_eq!(gate.enter(), has_room);
                        inside += usize::from(has_room);
                    }
                    1 => match gate.join() {
                        Joined::In => {
                            prop_assert!(inside < most && line.is_empty());
                            inside += 1;
                        }
                        Joined::Refused => {
                            prop_assert!(inside == most && line.len() == longest);
                        }
                        Joined::Waiting(number, receiver) => {
                            prop_assert!(inside == most && line.len() < longest);
                            line.insert(number, receiver);
                        }
                    },
                    2 if inside > 0 => match gate.leave() {
                        None => {
                            prop_assert!(line.is_empty());
                            inside -= 1;
                        }
                        Some(next) => {
                            let (_, mut receiver) = line.pop_first().unwrap();
                            next.send(()).unwrap();
                            prop_assert!(receiver.try_recv().is_ok(), "not the first");
                        }
                    },
                    _ => {
                        let number = line.keys().nth(which).copied();
                        if let Some(number) = number {
                            gate.abandon(number);
                            line.remove(&number);
                        }
                    }
                }
                prop_assert_eq!(gate.inside(), inside as u64);
                prop_assert_eq!(gate.waiting(), line.len() as u64);
            }
        }
    }

    /// Threads that come, wait, go away while they wait, and leave. Were a place lost, those who
    /// wait at the end would wait for ever; were one made, too many would be in.
    #[test]
    fn no_place_is_lost_and_none_is_made_between_threads() {
        const MOST: usize = 3;
        let gate: Arc<Gate<()>> = Arc::new(Gate::new(MOST, 64));
        let (inside, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let pass_on = |gate: &Gate<()>| {
            while let Some(next) = gate.leave() {
                if next.send(()).is_ok() {
                    return;
                }
            }
        };
        let threads: Vec<_> = (0..8)
            .map(|seed| {
                let (gate, inside, refused) =
                    (Arc::clone(&gate), Arc::clone(&inside), Arc::clone(&refused));
                thread::spawn(move || {
                    for round in 0..20_000_usize {
                        let mut is_in = gate.enter();
                        if !is_in {
                            match gate.join() {
                                Joined::In => is_in = true,
                                Joined::Refused => {
                                    refused.fetch_add(1, Ordering::Relaxed);
                                }
                                Joined::Waiting(number, mut receiver) => {
                                    if (round + seed).is_multiple_of(3) {
                                        gate.abandon(number);
                                        receiver.close();
                                        is_in = receiver.try_recv().is_ok();
                                    } else {
                                        is_in = receiver.blocking_recv().is_ok();
                                        assert!(is_in, "a place was lost");
                                    }
                                }
                            }
                        }
                        if is_in {
                            let others = inside.fetch_add(1, Ordering::SeqCst);
                            assert!(others < MOST, "{others} others are in");
                            inside.fetch_sub(1, Ordering::SeqCst);
                            pass_on(&gate);
                        }
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!((gate.inside(), gate.waiting()), (0, 0));
        assert_eq!(refused.load(Ordering::Relaxed), 0, "the line has room for all");
    }
}
