//! The last bumps in their order, for whoever follows them from elsewhere.

use std::collections::VecDeque;

use super::Bumped;

/// Bumps that are kept for who comes back. Whoever was away for longer has to take it that everybody
/// was meant.
const KEPT: usize = 4096;

/// What has happened from one place of the journal to another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Passage {
    /// Where it ends.
    pub to: u64,
    /// What was bumped, in order; `None` where nobody knows any more.
    pub bumped: Option<Vec<Bumped>>,
}

#[derive(Debug, Default)]
pub(super) struct Journal {
    /// How many there were before those that are kept.
    gone: u64,
    kept: VecDeque<Bumped>,
}

impl Journal {
    pub(super) fn note(&mut self, bumped: Bumped) {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
            self.gone = self.gone.saturating_add(1);
        }
        self.kept.push_back(bumped);
    }

    /// Where it ends now.
    pub(super) fn end(&self) -> u64 {
        self.gone.saturating_add(u64::try_from(self.kept.len()).unwrap_or(u64::MAX))
    }

    pub(super) fn since(&self, from: u64) -> Passage {
        let to = self.end();
        let known = from.checked_sub(self.gone).filter(|_| from <= to);
        let skipped = known.and_then(|skipped| usize::try_from(skipped).ok());
        let bumped = skipped.map(|skipped| self.kept.iter().skip(skipped).copied().collect());
        Passage { to, bumped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::UserId;

    #[test]
    fn who_comes_back_in_time_misses_nothing() {
        let mut journal = Journal::default();
        let user = |number| Bumped::User(UserId(number));
        assert_eq!(journal.since(0), Passage { to: 0, bumped: Some(vec![]) });
        journal.note(user(1));
        journal.note(Bumped::Everybody);
        let both = vec![user(1), Bumped::Everybody];
        assert_eq!(journal.since(0), Passage { to: 2, bumped: Some(both) });
        assert_eq!(journal.since(1), Passage { to: 2, bumped: Some(vec![Bumped::Everybody]) });
        assert_eq!(journal.since(2), Passage { to: 2, bumped: Some(vec![]) });
        // A place that is yet to come is another journal's.
        assert_eq!(journal.since(3), Passage { to: 2, bumped: None });
    }

    #[test]
    fn who_was_away_for_too_long_is_told_so() {
        let mut journal = Journal::default();
        let more = u64::try_from(KEPT).unwrap() + 3;
        for number in 0..more {
            journal.note(Bumped::User(UserId(number)));
        }
        assert_eq!(journal.since(2), Passage { to: more, bumped: None });
        let rest = journal.since(3).bumped.unwrap();
        assert_eq!((rest.len(), rest.first()), (KEPT, Some(&Bumped::User(UserId(3)))));
    }
}
