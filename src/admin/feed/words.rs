//! What all who follow are told: signed once, and sent to each of them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch;

use crate::clock::{CLOCKS, Timestamp};
use crate::keys::{KeyError, KeyRing};
use crate::token::{News, Sealed};

/// How often something is said where nothing happens.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(1);
/// Words that are kept for who has not been told them yet. Who is further behind gets one of his own.
const KEPT: usize = 64;

/// A word in its signed form, with the end of its line.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) line: Bytes,
    /// Where in the journal it ends.
    pub(super) to: u64,
}

impl Word {
    pub(super) fn of(news: &News, keys: &KeyRing) -> Result<Self, KeyError> {
        let mut line = news.seal(keys)?;
        line.push('\n');
        Ok(Self { line: line.into(), to: news.to })
    }
}

/// The words for all.
#[derive(Debug)]
pub(super) struct Words {
    said: Mutex<Said>,
    /// How many there were.
    count: watch::Sender<u64>,
}

#[derive(Debug)]
struct Said {
    /// Where in the journal the last one ended.
    place: u64,
    /// The keys that it named.
    keys: Vec<String>,
    at: Option<Instant>,
    kept: VecDeque<Word>,
}

impl Words {
    /// Those from that place of the journal on.
    pub(super) fn from(place: u64) -> Self {
        let said = Said { place, keys: Vec::new(), at: None, kept: VecDeque::new() };
        Self { said: Mutex::new(said), count: watch::Sender::new(0) }
    }

    /// Says what there is to say: that something has happened, that there are other keys, or that
    /// somebody is still there.
    pub(super) fn say(
        &self,
        ring: &KeyRing,
        place: impl FnOnce() -> u64,
        since: impl FnOnce(u64) -> News,
    ) -> Result<(), KeyError> {
        let mut said = self.said();
        let keys = names(ring);
        let is_fresh = said.at.is_some_and(|at| at.elapsed() < HEARTBEAT);
        if is_fresh && place() == said.place && keys == said.keys {
            return Ok(());
        }
        let word = Word::of(&since(said.place), ring)?;
        (said.place, said.keys, said.at) = (word.to, keys, Some(Instant::now()));
        if said.kept.len() == KEPT {
            said.kept.pop_front();
        }
        said.kept.push_back(word);
        // Within the lock: the number is that of the last word that is kept.
        self.count.send_modify(|count| *count += 1);
        Ok(())
    }

    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        *self.count.borrow()
    }

    /// Those behind the first `count`; `None` if they are not kept any more.
    pub(super) fn behind(&self, count: u64) -> Option<Vec<Word>> {
        let said = self.said();
        let missing = usize::try_from(self.count().checked_sub(count)?).ok()?;
        let skipped = said.kept.len().checked_sub(missing)?;
        Some(said.kept.iter().skip(skipped).cloned().collect())
    }

    /// Hears of each.
    pub(super) fn listen(&self) -> watch::Receiver<u64> {
        self.count.subscribe()
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        // Nothing in it is half done where a panic could have left it.
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The names of all keys that tokens may be signed with.
pub(super) fn names(ring: &KeyRing) -> Vec<String> {
    ring.list().into_iter().map(|key| key.kid).collect()
}

/// No earlier than any token was issued before what is told: the clock may have been set back since, and
/// where other gateways issue tokens as well, theirs may be ahead of ours.
pub(super) fn moment(now: Timestamp, last_issued: Timestamp, is_shared: bool) -> Timestamp {
    let apart = if is_shared { CLOCKS } else { Duration::ZERO };
    now.plus(apart).max(last_issued)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KeySettings;

    fn ring() -> KeyRing {
        KeyRing::ephemeral(KeySettings::new("unused".into()), Timestamp::default()).unwrap()
    }

    fn news(from: u64, to: u64) -> News {
        News {
            nonce: None,
            journal: "one".to_owned(),
            from,
            to,
            users: Vec::new(),
            everybody: false,
            keys: Vec::new(),
            life: 60,
            at: 0,
            age: 0,
        }
    }

    #[test]
    fn a_word_is_made_once_for_all_who_follow() {
        let folder = tempfile::tempdir().unwrap();
        let settings = KeySettings::new(folder.path().join("keys"));
        let ring = KeyRing::open(settings, Duration::ZERO, Timestamp::default()).unwrap();
        let words = Words::from(3);
        let say = |place| words.say(&ring, || place, |from| news(from, place)).unwrap();
        say(3);
        assert_eq!(words.count(), 1);
        // Nothing has happened since, and the second is not over.
        say(3);
        assert_eq!(words.count(), 1);
        assert_eq!(words.behind(1).unwrap().len(), 0);
        say(4);
        let (first, second) = (words.behind(1).unwrap(), words.behind(1).unwrap());
        assert_eq!((first.len(), first[0].to), (1, 4));
        assert_eq!(first[0].line, second[0].line);
        ring.rotate(Timestamp::default()).unwrap();
        say(4);
        assert_eq!(words.behind(1).unwrap().len(), 2);
    }

    #[test]
    fn who_is_too_far_behind_is_told_so() {
        let ring = ring();
        let words = Words::from(0);
        let more = u64::try_from(KEPT).unwrap() + 1;
        for place in 1..=more {
            words.say(&ring, || place, |from| news(from, place)).unwrap();
        }
        assert!(words.behind(0).is_none());
        let rest = words.behind(1).unwrap();
        assert_eq!((rest.len(), rest[0].to), (KEPT, 2));
        // A count that is yet to come.
        assert!(words.behind(more + 1).is_none());
    }

    #[test]
    fn a_token_of_a_gateway_whose_clock_is_ahead_is_no_younger_than_what_is_told() {
        let at = Timestamp::from_secs;
        assert_eq!(moment(at(100), at(90), false), at(100));
        assert_eq!(moment(at(100), at(110), false), at(110));
        assert_eq!(moment(at(100), at(90), true), at(100).plus(CLOCKS));
        assert_eq!(moment(at(100), at(110), true), at(110));
    }
}
