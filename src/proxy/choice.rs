//! Which of several servers is next: of two drawn by weight, the one with less to do.

use std::sync::atomic::{AtomicU64, Ordering};

/// A server as the choice sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    /// Its place in the list of the upstream.
    pub(super) number: usize,
    /// Its share of the load, beside those of the others. Not 0.
    pub(super) weight: u32,
    /// Requests that it has at the moment.
    pub(super) in_flight: usize,
}

/// Random numbers good enough to spread load, for all workers without a lock (`SplitMix64`).
#[derive(Debug)]
pub(super) struct Dice(AtomicU64);

impl Dice {
    pub(super) fn new() -> Self {
        // Any seed will do where the system has none: it keeps gateways from marching in step.
        Self::seeded(getrandom::u64().unwrap_or_default())
    }

    const fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// A number below `end`, each as likely as the next. 0 if there is none.
    fn below(&self, end: u64) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut bits = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        u64::try_from((u128::from(bits) * u128::from(end)) >> 64).unwrap_or_default()
    }
}

/// Draws two of the candidates by weight and takes the one with fewer requests in flight for
/// its weight; the first drawn where they are equal. `None` only if there is no candidate.
pub(super) fn choose(
    candidates: impl Iterator<Item = Candidate> + Clone,
    dice: &Dice,
) -> Option<usize> {
    let first = draw(candidates.clone(), dice)?;
    let others = candidates.filter(|other| other.number != first.number);
    let Some(second) = draw(others, dice) else { return Some(first.number) };
    let second_has_less = second.load_beside(first) < first.load_beside(second);
    Some(if second_has_less { second.number } else { first.number })
}

fn draw(candidates: impl Iterator<Item = Candidate> + Clone, dice: &Dice) -> Option<Candidate> {
    let all: u64 = candidates.clone().map(|one| u64::from(one.weight)).sum();
    let mut left = dice.below(all);
    for candidate in candidates {
        match left.checked_sub(u64::from(candidate.weight)) {
            Some(rest) => left = rest,
            None => return Some(candidate),
        }
    }
    None
}

impl Candidate {
    /// Requests for its weight, times both weights: whole numbers to compare.
    fn load_beside(self, other: Self) -> u128 {
        self.in_flight as u128 * u128::from(other.weight)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidates(of: &[(u32, usize)]) -> Vec<Candidate> {
        let numbered = of.iter().enumerate();
        numbered
            .map(|(number, &(weight, in_flight))| Candidate { number, weight, in_flight })
            .collect()
    }

    fn chosen(of: &[Candidate], dice: &Dice) -> Option<usize> {
        choose(of.iter().copied(), dice)
    }

    #[test]
    fn nobody_is_chosen_of_none_and_the_only_one_of_one() {
        let dice = Dice::seeded(1);
        assert_eq!(chosen(&[], &dice), None);
        let busy = Candidate { number: 7, weight: 1, in_flight: usize::MAX };
        assert_eq!(chosen(&[busy], &dice), Some(7));
    }

    #[test]
    fn of_two_the_one_with_less_to_do_for_its_weight_is_taken() {
        let dice = Dice::seeded(2);
        for (of, better) in [([(1, 5), (1, 4)], 1), ([(3, 5), (1, 2)], 0), ([(3, 7), (1, 2)], 1)] {
            for _ in 0..50 {
                assert_eq!(chosen(&candidates(&of), &dice), Some(better), "{of:?}");
            }
        }
    }

    #[test]
    fn the_busiest_of_many_is_never_taken() {
        let (dice, of) = (Dice::seeded(3), candidates(&[(1, 2), (1, 9), (1, 0), (1, 3)]));
        let mut taken = [0; 4];
        for _ in 0..4000 {
            taken[chosen(&of, &dice).unwrap()] += 1;
        }
        assert_eq!(taken[1], 0);
        assert!(taken[2] > taken[0] && taken[0] > taken[3] && taken[3] > 0, "{taken:?}");
    }

    proptest! {
        /// Requests one at a time, so that only the weights tell servers apart.
        #[test]
        fn idle_servers_get_requests_by_their_weights(
            weights in prop::collection::vec(1..10_u32, 1..6),
            seed: u64,
        ) {
            const ROUNDS: u32 = 20_000;
            let dice = Dice::seeded(seed);
            let of = candidates(&weights.iter().map(|weight| (*weight, 0)).collect::<Vec<_>>());
            let mut taken = vec![0_u32; weights.len()];
            for _ in 0..ROUNDS {
                taken[chosen(&of, &dice).unwrap()] += 1;
            }
            let all: u32 = weights.iter().sum();
            for (weight, taken) in weights.iter().zip(taken) {
                let due = f64::from(ROUNDS * weight) / f64::from(all);
                // Six standard deviations.
                prop_assert!((f64::from(taken) - due).abs() < 6.0 * due.sqrt(), "{taken} of {due}");
            }
        }

        /// Requests that never end: what each server has follows its weight.
        #[test]
        fn busy_servers_have_requests_by_their_weights(
            weights in prop::collection::vec(1..10_u32, 2..6),
            seed: u64,
        ) {
            const ROUNDS: u32 = 5000;
            let dice = Dice::seeded(seed);
            let mut of = candidates(&weights.iter().map(|weight| (*weight, 0)).collect::<Vec<_>>());
            for _ in 0..ROUNDS {
                let next = chosen(&of, &dice).unwrap();
                of[next].in_flight += 1;
            }
            let all: u32 = weights.iter().sum();
            for one in of {
                let due = (ROUNDS * one.weight / all) as usize;
                prop_assert!(one.in_flight.abs_diff(due) <= due / 10 + 10, "{one:?}: {due}");
            }
        }
    }
}
