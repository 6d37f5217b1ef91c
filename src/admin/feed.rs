//! What services follow that verify tokens themselves: of whom something has changed, and whether a
//! token is still good. Every word of it is signed.

mod seats;
mod words;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use seats::Seats;
use words::{HEARTBEAT, Word, Words, moment, names};

use super::{Door, Refusal, RefusalKind};
use crate::clock::Clock;
use crate::keys::{KeyError, KeyRing};
use crate::session::Sessions;
use crate::token::{Bumped, Caller, News, Passage, Question, Revisions, Sealed, Verdict, new_id};

pub(super) use seats::FOLLOWERS;

/// Where the feed is.
pub(super) const PATH: &str = "/v1/feed";
/// Where a token is asked about.
pub(super) const VERDICT: &str = "/v1/verdict";
/// Users in one word; where more have changed, it is everybody.
const MOST_USERS: usize = 1000;
/// Longest nonce, and longest name of a follower, in characters.
const LONGEST_NONCE: usize = 64;

type SessionsSource = Box<dyn Fn() -> Arc<Sessions> + Send + Sync>;

/// What the feed is made from; [`Gateway::feed`](crate::Gateway::feed) has one.
pub struct Feed {
    revisions: Arc<Revisions>,
    keys: Arc<KeyRing>,
    clock: Arc<dyn Clock>,
    sessions: SessionsSource,
    /// A journal ends with its process, and so does its name.
    journal: String,
    began: Instant,
    words: Words,
    seats: Arc<Seats>,
}

impl Feed {
    /// A feed of these; `sessions` has those in force.
    ///
    /// # Errors
    ///
    /// [`KeyError::NoRandomness`]: start again.
    pub fn new(
        revisions: Arc<Revisions>,
        keys: Arc<KeyRing>,
        clock: Arc<dyn Clock>,
        sessions: impl Fn() -> Arc<Sessions> + Send + Sync + 'static,
    ) -> Result<Self, KeyError> {
        let (sessions, journal) = (Box::new(sessions), new_id()?);
        let (words, seats) = (Words::from(revisions.place()), Arc::default());
        let began = Instant::now();
        Ok(Self { revisions, keys, clock, sessions, journal, began, words, seats })
    }

    /// What has happened since a place of a journal. With a nonce it is for who has sent that alone.
    fn since(&self, nonce: Option<String>, journal: &str, place: u64) -> News {
        // First: what is said is no older than that.
        let age = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let Passage { to, bumped } = self.revisions.since(place);
        let known = bumped.filter(|_| journal == self.journal);
        let mut users: Vec<String> = known
            .iter()
            .flatten()
            .filter_map(|bumped| match bumped {
                Bumped::User(user) => Some(user.to_string()),
                Bumped::Everybody => None,
            })
            .collect();
        users.sort_unstable();
        users.dedup();
        let everybody = known.is_none_or(|known| known.contains(&Bumped::Everybody));
        let everybody = everybody || users.len() > MOST_USERS;
        if everybody {
            users.clear();
        }
        let is_shared = self.revisions.is_shared();
        News {
            nonce,
            journal: self.journal.clone(),
            from: if journal == self.journal { place } else { to },
            to,
            users,
            everybody,
            keys: names(&self.keys),
            life: (self.sessions)().longest_access().as_secs(),
            at: moment(self.clock.now(), self.keys.last_issued(), is_shared).as_millis(),
            age,
        }
    }

    /// What that listener has not been told yet.
    fn next(&self, listener: &mut Listener) -> Result<Vec<Word>, KeyError> {
        let since = |place| self.since(None, &self.journal, place);
        self.words.say(&self.keys, || self.revisions.place(), since)?;
        // First: what is said meanwhile may come twice, and is not missed.
        let count = self.words.count();
        let shared = listener.told.and_then(|told| self.words.behind(told));
        let words = if let Some(words) = shared {
            words
        } else {
            let nonce = Some(listener.nonce.clone());
            let news = self.since(nonce, &listener.journal, listener.place);
            vec![Word::of(&news, &self.keys)?]
        };
        listener.told = Some(listener.told.map_or(count, |told| count.max(told)));
        if let Some(last) = words.last() {
            self.journal.clone_into(&mut listener.journal);
            listener.place = listener.place.max(last.to);
        }
        Ok(words)
    }
}

/// Who follows, and how far.
struct Listener {
    nonce: String,
    follower: Option<String>,
    journal: String,
    place: u64,
    /// Of the words for all; `None` before the first of all, which is for nobody else.
    told: Option<u64>,
}

impl Listener {
    /// `nonce=...`, and where somebody comes back, `journal=...&place=...`; and `follower=...`, which
    /// is the same whenever it comes.
    fn read(query: Option<&str>) -> Option<Self> {
        let (nonce, journal) = (String::new(), String::new());
        let mut listener = Self { nonce, follower: None, journal, place: 0, told: None };
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match &*name {
                "nonce" => listener.nonce = value.into_owned(),
                "follower" => listener.follower = Some(value.into_owned()),
                "journal" => listener.journal = value.into_owned(),
                "place" => listener.place = value.parse().ok()?,
                _ => return None,
            }
        }
        let are_names =
            is_nonce(&listener.nonce) && listener.follower.iter().all(|it| is_nonce(it));
        are_names.then_some(listener)
    }
}

fn is_nonce(nonce: &str) -> bool {
    (16..=LONGEST_NONCE).contains(&nonce.len()) && nonce.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// A line a word, for as long as somebody takes them.
pub(super) fn follow(
    door: &Arc<Door>,
    query: Option<&str>,
    closing: &CancellationToken,
) -> Result<mpsc::Receiver<Bytes>, Refusal> {
    let feed = door.feed.as_ref().ok_or_else(nobody)?;
    let listener = Listener::read(query).ok_or_else(|| {
        let form = "ask with `nonce` and `follower`, each 16 to 64 letters and digits, and `journal` \
                    and `place`";
        Refusal::new(RefusalKind::BadRequest, form)
    })?;
    let follower = listener.follower.clone().unwrap_or_else(|| listener.nonce.clone());
    let seat = feed.seats.take(follower).ok_or_else(|| {
        let full = format!("{FOLLOWERS} services follow already");
        Refusal::new(RefusalKind::Unavailable, full)
    })?;
    let (sender, parts) = mpsc::channel(1);
    let (door, closing) = (Arc::clone(door), closing.clone());
    tokio::spawn(async move {
        if let Some(feed) = &door.feed {
            tokio::select! {
                () = tell(feed, listener, sender) => {}
                () = seat.over() => {}
                () = closing.cancelled() => {}
            }
        }
    });
    Ok(parts)
}

async fn tell(feed: &Feed, mut listener: Listener, sender: mpsc::Sender<Bytes>) {
    let (mut bumps, mut keys) = (feed.revisions.listen(), feed.keys.changes());
    let mut said = feed.words.listen();
    loop {
        // Whoever hears nothing believes nothing after a while. Also where this gateway goes on with whom
        // it knows: a service would take whatever is signed.
        if feed.revisions.stale().is_some() {
            tokio::select! {
                () = sleep(HEARTBEAT) => continue,
                () = sender.closed() => return,
            }
        }
        said.mark_unchanged();
        let words = match feed.next(&mut listener) {
            Ok(words) => words,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "nothing can be told to services: no signature");
                return;
            }
        };
        for word in words {
            if sender.send(word.line).await.is_err() {
                return;
            }
        }
        tokio::select! {
            // What was missed is in the journal, or everybody was meant.
            _ = bumps.recv() => {}
            _ = keys.changed() => {}
            _ = said.changed() => {}
            () = sleep(HEARTBEAT) => {}
            () = sender.closed() => return,
        }
    }
}

/// The signed answer about a token.
pub(super) async fn judge(door: &Door, question: Question) -> Result<String, Refusal> {
    let feed = door.feed.as_ref().ok_or_else(nobody)?;
    let Question { token, nonce } = question;
    if !is_nonce(&nonce) {
        let form = "`nonce` must be 16 to 64 letters and digits";
        return Err(Refusal::new(RefusalKind::BadRequest, form));
    }
    let bearer = HeaderValue::try_from(format!("Bearer {token}"));
    let bearer = bearer.map_err(|_| Refusal::new(RefusalKind::BadRequest, "no token"))?;
    let headers = HeaderMap::from_iter([(AUTHORIZATION, bearer)]);
    // Before the store is read: what changes meanwhile is told behind that place.
    let place = feed.revisions.place();
    let caller = match (feed.sessions)().authenticate(&headers).await {
        Ok(Some(known)) => Some(Caller {
            user_id: known.identity.user_id.clone(),
            username: known.identity.username.clone(),
            email: known.identity.email.clone(),
            roles: known.identity.roles.clone(),
            amr: known.identity.amr.clone(),
        }),
        Err(error) if error.status().is_server_error() => {
            tracing::warn!(error = &error as &dyn std::error::Error, "a token cannot be judged");
            return Err(Refusal::new(RefusalKind::Unavailable, "the token cannot be judged now"));
        }
        Ok(None) | Err(_) => None,
    };
    let verdict = Verdict { nonce, journal: feed.journal.clone(), place, caller };
    verdict.seal(&feed.keys).map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "a verdict has no signature");
        Refusal::new(RefusalKind::Unavailable, "the answer cannot be signed now")
    })
}

fn nobody() -> Refusal {
    Refusal::new(RefusalKind::Unavailable, "no gateway runs here")
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("journal", &self.journal).finish_non_exhaustive()
    }
}
