//! What services follow that verify tokens themselves: of whom something has changed, and whether a
//! token is still good. Every word of it is signed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Door, Refusal, RefusalKind};
use crate::clock::Clock;
use crate::keys::KeyRing;
use crate::session::Sessions;
use crate::token::{Bumped, Caller, News, Passage, Question, Revisions, Sealed, Verdict, new_id};

/// Where the feed is.
pub(super) const PATH: &str = "/v1/feed";
/// Where a token is asked about.
pub(super) const VERDICT: &str = "/v1/verdict";
/// Services that follow at once.
pub(super) const FOLLOWERS: usize = 64;
/// How often something is said where nothing happens.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Users in one word; where more have changed, it is everybody.
const MOST_USERS: usize = 1000;
/// Longest nonce, in characters.
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
    seats: Arc<Semaphore>,
}

impl Feed {
    /// A feed of these; `sessions` has those in force.
    ///
    /// # Errors
    ///
    /// [`KeyError::NoRandomness`](crate::keys::KeyError::NoRandomness): start again.
    pub fn new(
        revisions: Arc<Revisions>,
        keys: Arc<KeyRing>,
        clock: Arc<dyn Clock>,
        sessions: impl Fn() -> Arc<Sessions> + Send + Sync + 'static,
    ) -> Result<Self, crate::keys::KeyError> {
        let (sessions, journal) = (Box::new(sessions), new_id()?);
        let seats = Arc::new(Semaphore::new(FOLLOWERS));
        Ok(Self { revisions, keys, clock, sessions, journal, seats })
    }

    /// What has happened since a place of a journal, in a word.
    fn since(&self, listener: &Listener) -> News {
        let Passage { to, bumped } = self.revisions.since(listener.place);
        let known = bumped.filter(|_| listener.journal == self.journal);
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
        News {
            nonce: listener.nonce.clone(),
            journal: self.journal.clone(),
            from: if listener.journal == self.journal { listener.place } else { to },
            to,
            users,
            everybody,
            keys: self.keys.list().into_iter().map(|key| key.kid).collect(),
            life: (self.sessions)().longest_access().as_secs(),
            // Never before a token that was issued before: the clock may have been set back.
            at: self.clock.now().max(self.keys.last_issued()).as_millis(),
        }
    }
}

/// Who follows, and how far.
struct Listener {
    nonce: String,
    journal: String,
    place: u64,
}

impl Listener {
    /// `nonce=...`, and where somebody comes back, `journal=...&place=...`.
    fn read(query: Option<&str>) -> Option<Self> {
        let mut listener = Self { nonce: String::new(), journal: String::new(), place: 0 };
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match &*name {
                "nonce" => listener.nonce = value.into_owned(),
                "journal" => listener.journal = value.into_owned(),
                "place" => listener.place = value.parse().ok()?,
                _ => return None,
            }
        }
        is_nonce(&listener.nonce).then_some(listener)
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
        let form = "ask with `nonce`, 16 to 64 letters and digits, and `journal` and `place`";
        Refusal::new(RefusalKind::BadRequest, form)
    })?;
    let seat = Arc::clone(&feed.seats).try_acquire_owned().map_err(|_full| {
        let full = format!("{FOLLOWERS} services follow already");
        Refusal::new(RefusalKind::Unavailable, full)
    })?;
    let (sender, parts) = mpsc::channel(1);
    let (door, closing) = (Arc::clone(door), closing.clone());
    tokio::spawn(async move {
        if let Some(feed) = &door.feed {
            tokio::select! {
                () = tell(feed, listener, sender, seat) => {}
                () = closing.cancelled() => {}
            }
        }
    });
    Ok(parts)
}

async fn tell(
    feed: &Feed,
    mut listener: Listener,
    sender: mpsc::Sender<Bytes>,
    _seat: OwnedSemaphorePermit,
) {
    let (mut bumps, mut keys) = (feed.revisions.listen(), feed.keys.changes());
    loop {
        let news = feed.since(&listener);
        let mut line = match news.seal(&feed.keys) {
            Ok(line) => line,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "nothing can be told to services: no signature");
                return;
            }
        };
        line.push('\n');
        if sender.send(line.into()).await.is_err() {
            return;
        }
        (listener.journal, listener.place) = (news.journal, news.to);
        tokio::select! {
            // What was missed is in the journal, or everybody was meant.
            _ = bumps.recv() => {}
            _ = keys.changed() => {}
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
