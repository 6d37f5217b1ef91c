//! What is known of changes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::time::Instant;

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
    /// When the last word came.
    heard: Option<Instant>,
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
    /// How long nothing was heard; `None` from the beginning.
    pub(super) fn silence(&self) -> Option<Duration> {
        self.heard.map(|heard| heard.elapsed())
    }

    /// Whether tokens may be signed with the key of that name.
    pub(super) fn has_key(&self, kid: Option<&str>) -> bool {
        kid.is_some_and(|kid| self.keys.iter().any(|known| known == kid))
    }

    /// Takes a word of the feed in that is genuine.
    pub(super) fn hear(&mut self, news: News) {
        // A clock that was set back must not make a token younger than what came after it.
        self.latest = self.latest.max(Timestamp::from_millis(news.at));
        let change = Change { place: news.to, at: self.latest };
        self.life = self.life.max(Duration::from_secs(news.life));
        let users: Option<Vec<UserId>> = news.users.iter().map(|user| user.parse().ok()).collect();
        let follows = news.journal == self.journal && news.from == self.place;
        match users.filter(|_| follows && !news.everybody) {
            Some(users) => self.users.extend(users.into_iter().map(|user| (user, change))),
            None => self.doubt_everybody(change),
        }
        if self.users.len() > MOST_USERS {
            // A change that is older than any token has no token left to speak of.
            let life = self.life;
            self.users.retain(|_, past| past.at.plus(life) >= change.at);
            if self.users.len() > MOST_USERS {
                self.doubt_everybody(change);
            }
        }
        (self.journal, self.place, self.keys) = (news.journal, news.to, news.keys);
        self.heard = Some(Instant::now());
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
mod tests {
    use super::*;

    const TOKEN: Digest = [7; 32];

    fn news(from: u64, to: u64, users: &[&str], at: u64) -> News {
        News {
            nonce: String::new(),
            journal: "one".to_owned(),
            from,
            to,
            users: users.iter().map(|user| (*user).to_owned()).collect(),
            everybody: false,
            keys: vec!["k".to_owned()],
            life: 60,
            at: at * 1000,
        }
    }

    fn verdict(place: u64, name: Option<&str>) -> Verdict {
        let caller = name.map(|name| Caller {
            user_id: "7".to_owned(),
            username: name.to_owned(),
            email: None,
            roles: Vec::new(),
        });
        Verdict { nonce: String::new(), journal: "one".to_owned(), place, caller }
    }

    fn is_good(known: &Known, user: u64, issued: u64) -> bool {
        let standing = known.standing(UserId(user), Timestamp::from_secs(issued), &TOKEN);
        matches!(standing, Standing::Good)
    }

    #[test]
    fn what_was_issued_before_a_change_is_asked_about() {
        let mut known = Known::default();
        known.hear(news(5, 5, &[], 100));
        // What happened before the first word, nobody has told.
        assert!(!is_good(&known, 7, 100) && is_good(&known, 7, 101));
        known.hear(news(5, 6, &["7"], 200));
        assert!(!is_good(&known, 7, 200) && is_good(&known, 7, 201) && is_good(&known, 8, 101));
        assert!(known.has_key(Some("k")) && !known.has_key(Some("x")) && !known.has_key(None));
    }

    #[test]
    fn a_gap_another_journal_and_nonsense_make_everybody_doubtful() {
        let heard = || {
            let mut known = Known::default();
            known.hear(news(5, 5, &[], 100));
            assert!(is_good(&known, 8, 101));
            known
        };
        let other = News { journal: "two".to_owned(), ..news(5, 6, &[], 200) };
        let everybody = News { everybody: true, ..news(5, 6, &[], 200) };
        for word in
            [news(6, 7, &[], 200), news(4, 6, &[], 200), other, everybody, news(5, 6, &["x"], 200)]
        {
            let mut known = heard();
            known.hear(word.clone());
            assert!(!is_good(&known, 8, 200) && is_good(&known, 8, 201), "{word:?}");
        }
    }

    #[test]
    fn an_answer_holds_until_the_next_change() {
        let mut known = Known::default();
        known.hear(news(5, 5, &[], 100));
        let standing =
            |known: &Known| match known.standing(UserId(7), Timestamp::from_secs(50), &TOKEN) {
                Standing::Good => panic!("it is older than the first word"),
                Standing::Unknown => None,
                Standing::Answered(caller) => Some(caller.map(|caller| caller.username.clone())),
            };
        assert_eq!(standing(&known), None);
        known.learn(TOKEN, verdict(5, Some("alice")));
        assert_eq!(standing(&known), Some(Some("alice".to_owned())));
        known.hear(news(5, 6, &["8"], 110));
        assert_eq!(standing(&known), Some(Some("alice".to_owned())));
        known.hear(news(6, 7, &["7"], 110));
        assert_eq!(standing(&known), None);
        // An answer from before the change comes late.
        known.learn(TOKEN, verdict(6, Some("alice")));
        assert_eq!(standing(&known), None);
        known.learn(TOKEN, verdict(7, None));
        assert_eq!(standing(&known), Some(None));
        known.learn(TOKEN, Verdict { journal: "two".to_owned(), ..verdict(9, Some("eve")) });
        assert_eq!(standing(&known), Some(None));
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_token_younger() {
        let mut known = Known::default();
        known.hear(news(5, 5, &[], 100));
        known.hear(news(5, 5, &[], 200));
        known.hear(news(5, 6, &["7"], 150));
        known.hear(news(6, 6, &[], 300));
        assert!(!is_good(&known, 7, 180) && is_good(&known, 7, 201) && is_good(&known, 8, 180));
    }

    #[test]
    fn too_many_changes_are_everybodys() {
        let mut known = Known::default();
        known.hear(news(0, 0, &[], 100));
        let many: Vec<String> = (0..=MOST_USERS).map(|user| user.to_string()).collect();
        let many = News { users: many, ..news(0, 1, &[], 200) };
        known.hear(many);
        assert!(known.users.is_empty() && !is_good(&known, u64::MAX, 200));
    }
}
