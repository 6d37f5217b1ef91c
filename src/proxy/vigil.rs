//! What live connections are held to, and when they are looked at: one timer for all of a worker.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::sleep;

use crate::clock::Clock;
use crate::policy::Routes;
use crate::session::Sessions;

/// How often it is asked whether the caller of a silent connection may go on.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// What live connections are held to, whatever was in force when they began.
#[derive(Debug)]
pub struct InForce {
    /// Who is who.
    pub sessions: Arc<Sessions>,
    /// Who may go where.
    pub routes: Arc<Routes>,
}

/// What the live connections of one worker share.
#[derive(Debug)]
pub(super) struct Vigil {
    pub(super) in_force: Arc<ArcSwap<InForce>>,
    pub(super) clock: Arc<dyn Clock>,
    rounds: Mutex<Rounds>,
}

/// Who is to be woken for the next look. One timer for all: a watch that ends before has cost
/// none.
#[derive(Debug, Default)]
struct Rounds {
    places: Vec<Option<Waker>>,
    free: Vec<usize>,
    /// Somebody goes the rounds.
    walking: bool,
}

impl Vigil {
    pub(super) fn new(in_force: Arc<ArcSwap<InForce>>, clock: Arc<dyn Clock>) -> Self {
        Self { in_force, clock, rounds: Mutex::default() }
    }

    /// Wakes the task of `place` in about a second; it gets one if it has none.
    pub(super) fn wait(self: &Arc<Self>, place: &mut Option<usize>, waker: &Waker) {
        let mut rounds = self.rounds();
        let at = *place.get_or_insert_with(|| rounds.take_place());
        if let Some(slot) = rounds.places.get_mut(at)
            && slot.as_ref().is_none_or(|known| !known.will_wake(waker))
        {
            *slot = Some(waker.clone());
        }
        if !rounds.walking {
            rounds.walking = true;
            drop(rounds);
            tokio::spawn(Walk(Some(Arc::downgrade(self))).rounds());
        }
    }

    /// Gives a place back.
    pub(super) fn leave(&self, place: usize) {
        let mut rounds = self.rounds();
        // What it held is dropped outside of the lock.
        let _waker = rounds.places.get_mut(place).and_then(Option::take);
        rounds.free.push(place);
        drop(rounds);
    }

    /// Wakes all who wait; `false` once there is nobody.
    fn wake_all(&self) -> bool {
        let mut rounds = self.rounds();
        if rounds.free.len() == rounds.places.len() {
            rounds.walking = false;
            return false;
        }
        let waiting: Vec<Waker> = rounds.places.iter_mut().filter_map(Option::take).collect();
        drop(rounds);
        waiting.into_iter().for_each(Waker::wake);
        true
    }

    fn rounds(&self) -> MutexGuard<'_, Rounds> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rounds {
    fn take_place(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        })
    }
}

/// The one who goes the rounds, while there is anybody to be woken.
struct Walk(Option<Weak<Vigil>>);

impl Walk {
    async fn rounds(mut self) {
        loop {
            sleep(LOOK).await;
            let vigil = self.0.as_ref().and_then(Weak::upgrade);
            if !vigil.is_some_and(|vigil| vigil.wake_all()) {
                self.0 = None;
                return;
            }
        }
    }
}

impl Drop for Walk {
    /// Its runtime ends: the next one who waits needs another.
    fn drop(&mut self) {
        if let Some(vigil) = self.0.as_ref().and_then(Weak::upgrade) {
            vigil.rounds().walking = false;
        }
    }
}
