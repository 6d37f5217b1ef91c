//! Things of several kinds, counted by kind.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Counts by a word of ours; never by anything that a client says, for clients would multiply it.
/// It takes a lock: for what does not happen at each request.
#[derive(Debug, Default)]
pub struct Tally(Mutex<BTreeMap<&'static str, u64>>);

impl Tally {
    /// A tally that shows these words from the start, with nothing counted: whoever watches it
    /// sees the first one as a change.
    pub fn of(words: impl IntoIterator<Item = &'static str>) -> Self {
        Self(Mutex::new(words.into_iter().map(|word| (word, 0)).collect()))
    }

    /// One more of that kind.
    pub fn count(&self, word: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(word).or_default() += 1;
    }

    /// All kinds with how many there were, by name.
    pub fn so_far(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_there_before_it_is_counted_and_others_come_with_their_first() {
        let tally = Tally::of(["good", "bad"]);
        tally.count("bad");
        tally.count("odd");
        let counted: Vec<_> = tally.so_far().into_iter().collect();
        assert_eq!(counted, [("bad", 1), ("good", 0), ("odd", 1)]);
    }
}
