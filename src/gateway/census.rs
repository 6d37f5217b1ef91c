//! Who counts requests: the fronts of all workers, and what only redirects.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::front::Front;
use super::history::History;
use super::meters::{Class, Common, Meters};
use super::outcomes::Outcomes;
use crate::clock::Timestamp;
use crate::metrics::Spread;

/// All counts of a gateway.
#[derive(Debug)]
pub(super) struct Census {
    fronts: Mutex<Vec<Weak<Front>>>,
    /// Of the listeners that only redirect.
    pub(super) redirects: Arc<Meters>,
    /// How many requests each of them remembers.
    pub(super) room: usize,
    pub(super) history: History,
}

/// What was counted of a route in one class of status codes, at all workers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    pub(super) durations: Spread,
    pub(super) received: u64,
    pub(super) sent: u64,
}

/// By route, and then by class.
pub(super) type Sums = BTreeMap<String, BTreeMap<&'static str, Sum>>;

impl Census {
    /// Where each remembers its last `room` requests.
    pub(super) fn new(room: usize, now: Timestamp) -> Self {
        let (fronts, history) = (Mutex::default(), History::new(now));
        Self { fronts, redirects: Arc::new(Meters::bare(room)), room, history }
    }

    /// One more front.
    pub(super) fn enlist(&self, front: &Arc<Front>) {
        let mut fronts = self.fronts.lock().unwrap_or_else(PoisonError::into_inner);
        fronts.retain(|front| front.strong_count() > 0);
        fronts.push(Arc::downgrade(front));
    }

    pub(super) fn fronts(&self) -> Vec<Arc<Front>> {
        let fronts = self.fronts.lock().unwrap_or_else(PoisonError::into_inner);
        fronts.iter().filter_map(Weak::upgrade).collect()
    }

    pub(super) fn meters(&self) -> impl Iterator<Item = Arc<Meters>> {
        let fronts = self.fronts().into_iter().map(|front| front.meters());
        fronts.chain([Arc::clone(&self.redirects)])
    }

    /// What was counted by route and class.
    pub(super) fn sums(&self) -> Sums {
        let mut sums = Sums::new();
        for meters in self.meters() {
            for meter in meters.all() {
                for (class, counted) in meter.classes() {
                    let sum = sums.entry(meter.name.clone()).or_default().entry(class).or_default();
                    sum.add(counted);
                }
            }
        }
        sums
    }

    /// What was refused, by code.
    pub(super) fn refusals(&self) -> BTreeMap<&'static str, u64> {
        let mut sums = BTreeMap::new();
        for meters in self.meters() {
            for (code, count) in meters.common().refusals.so_far() {
                *sums.entry(code).or_default() += count;
            }
        }
        sums
    }

    /// How many are under way.
    pub(super) fn under_way(&self) -> usize {
        self.meters().map(|meters| meters.common().under_way.now()).sum()
    }

    /// How many of those may yet need the store.
    pub(super) fn undecided(&self) -> usize {
        self.meters().map(|meters| meters.common().undecided.now()).sum()
    }

    /// How requests ended.
    pub(super) fn outcomes(&self) -> Outcomes {
        let mut outcomes = Outcomes::default();
        for meters in self.meters() {
            let Common { answered, denied, failed, .. } = meters.common();
            outcomes.answered += answered.total();
            outcomes.denied += denied.total();
            outcomes.failed += failed.total();
        }
        outcomes
    }
}

impl Sum {
    fn add(&mut self, counted: &Class) {
        self.durations = self.durations.plus(&counted.durations.so_far());
        self.received += counted.received.total();
        self.sent += counted.sent.total();
    }
}
