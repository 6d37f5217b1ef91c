//! What is known of changes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::time::Instant;

use super::VerifyError;
use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::token::{Caller, News, Verdict};

/// Users of whom a change is remembered. Where there are more, it is everybody.
const MOST_USERS: usize = 100_000;
/// Answers of the gateway that are remembered.
const MOST_ANSWERS: usize = 10_000;

/// SHA-256 of a token.
pub(super) type Digest = [u8; 32];

/// What is known of changes, as far as the feed was heard.
#[derive(Debug)]
pub(super) struct Known {
    /// Which journal, and how far it was read.
    pub(super) journal: String,
    pub(super) place: u64,
    /// When the last word was made.
    heard: Option<Instant>,
    /// How much longer than its time a token may be taken.
    leeway: Duration,
    /// The latest moment that was told.
    latest: Timestamp,
    /// What has changed about everybody.
    everybody: Change,
    users: HashMap<UserId, Change>,
    /// The names of the keys that count.
    keys: Vec<String>,
    life: Duration,
    answers: Arc<Cache<Digest, Answer>>,
}

/// The last change that was told.
#[derive(Clone, Copy, Debug, Default)]
struct Change {
    place: u64,
    at: Timestamp,
}

/// What the gateway has said of a token.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) place: u64,
    pub(super) caller: Option<Arc<Caller>>,
}

/// What to do about a token that is genuine and in its time.
#[derive(Clone, Debug)]
pub(super) enum Standing {
    /// Nothing has changed since it was issued.
    Good,
    /// The gateway was asked, and nothing has changed since.
    Answered(Option<Arc<Caller>>),
    /// The gateway has to be asked.
    Unknown,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            journal: String::new(),
            place: 0,
            heard: None,
            leeway: Duration::ZERO,
            latest: Timestamp::default(),
            everybody: Change::default(),
            users: HashMap::new(),
            keys: Vec::new(),
            life: Duration::ZERO,
            answers: Arc::new(Cache::new(MOST_ANSWERS)),
        }
    }
}

impl Known {
    /// Nothing yet. `leeway` is how far the clocks may differ.
    pub(super) fn new(leeway: Duration) -> Self {
        // A token is taken that much longer, by a clock that may be late by as much.
        Self { leeway: leeway.saturating_mul(2), ..Self::default() }
    }

    /// How long nothing was heard; `None` from the beginning.
    pub(super) fn silence(&self) -> Option<Duration> {
        self.heard.map(|heard| heard.elapsed())
    }

    /// # Errors
    ///
    /// [`VerifyError::Silent`], if nothing was heard for longer than `patience`.
    pub(super) fn is_heard(&self, patience: Duration) -> Result<(), VerifyError> {
        let silence = self.silence();
        let heard = silence.is_some_and(|silence| silence <= patience);
        if heard { Ok(()) } else { Err(VerifyError::Silent(silence)) }
    }

    /// Whether tokens may be signed with the key of that name.
    pub(super) fn has_key(&self, kid: Option<&str>) -> bool {
        kid.is_some_and(|kid| self.keys.iter().any(|known| known == kid))
    }

    /// Takes a word of the feed in that is genuine, and was made no earlier than `made`.
    pub(super) fn hear(&mut self, news: News, made: Instant) {
        // A clock that was set back must not make a token younger than what came after it.
        self.latest = self.latest.max(Timestamp::from_millis(news.at));
        self.life = self.life.max(Duration::from_secs(news.life));
        let goes_on = news.journal == self.journal && news.from <= self.place;
        if goes_on && news.to <= self.place {
            // Nothing has happened, or it is told again: an older word is no sign of life.
            if self.heard.is_none_or(|heard| made >= heard) {
                (self.keys, self.heard) = (news.keys, Some(made));
            }
            return;
        }
        let change = Change { place: news.to, at: self.latest };
        let users: Option<Vec<UserId>> = news.users.iter().map(|user| user.parse().ok()).collect();
        match users.filter(|_| goes_on && !news.everybody) {
            Some(users) => self.users.extend(users.into_iter().map(|user| (user, change))),
            None => self.doubt_everybody(change),
        }
        if self.users.len() > MOST_USERS {
            // A change that is older than any token has no token left to speak of.
            let life = self.life.saturating_add(self.leeway);
            self.users.retain(|_, past| past.at.plus(life) >= change.at);
            if self.users.len() > MOST_USERS {
                self.doubt_everybody(change);
            }
        }
        (self.journal, self.place, self.keys) = (news.journal, news.to, news.keys);
        self.heard = self.heard.max(Some(made));
    }

    fn doubt_everybody(&mut self, change: Change) {
        self.everybody = change;
        self.users.clear();
        self.answers.clear();
    }

    /// What is to be done about a token of that user.
    pub(super) fn standing(&self, user: UserId, issued: Timestamp, token: &Digest) -> Standing {
        let change = self.last_change(user);
        // A token says the second that it was issued in: one of the same second may be older.
        if issued > change.at {
            return Standing::Good;
        }
        match self.answers.get(token) {
            Some(answer) if answer.place >= change.place => Standing::Answered(answer.caller),
            _ => Standing::Unknown,
        }
    }

    /// Remembers what the gateway has said, if that was said of the journal that is followed.
    pub(super) fn learn(&self, token: Digest, verdict: Verdict) {
        if verdict.journal == self.journal {
            let caller = verdict.caller.map(Arc::new);
            self.answers.insert(token, Answer { place: verdict.place, caller });
        }
    }

    fn last_change(&self, user: UserId) -> Change {
        let own = self.users.get(&user).copied().unwrap_or_default();
        Change { place: own.place.max(self.everybody.place), at: own.at.max(self.everybody.at) }
    }
}

#[cfg(test)]
mod tests;
