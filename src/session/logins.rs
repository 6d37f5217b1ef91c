//! Where users are logged in: the living sessions, listed and ended.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::settle::settle;
use super::{AccountError, Accounts, recorded};
use crate::clock::Timestamp;
use crate::identity::{SessionId, UserId};
use crate::store::{EndReason, Session, SessionRef, Standing, User};

/// Sessions that are read at once for a list of them.
const PAGE: usize = 200;
/// And how often: of who has more than that, the oldest are not looked for.
const PAGES: usize = 25;
/// How long sessions of everybody are looked at for one list. Whoever asks goes on where that ended.
const LOOKING: Duration = Duration::from_millis(150);

/// A part of the living sessions.
#[doc(hidden)]
#[derive(Debug)]
pub struct Living {
    /// The newest first, each with the name of its user. They may be fewer than asked for, or
    /// none, and others follow.
    pub sessions: Vec<(Session, String)>,
    /// Before which number to go on; `None` at the end.
    pub next: Option<u64>,
}

#[doc(hidden)]
impl Accounts {
    /// The living sessions of a user, the newest first, `most` of them at most.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; nothing is known.
    pub async fn sessions(&self, user: UserId, most: usize) -> Result<Vec<Session>, AccountError> {
        let Some(owner) = self.store.user(user).await? else { return Ok(Vec::new()) };
        let living = self.living_sessions(Some(&owner), None, most, |_| true).await?;
        Ok(living.sessions.into_iter().map(|(session, _)| session).collect())
    }

    /// The living sessions of a user, or of everybody, with numbers below `before`, as far as
    /// `takes` takes them: the newest first, `most` of them at most.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; nothing is known.
    pub async fn living_sessions(
        &self,
        of: Option<&User>,
        before: Option<u64>,
        most: usize,
        takes: impl Fn(&Session) -> bool + Send + Sync,
    ) -> Result<Living, AccountError> {
        self.look(of, before, most, takes, LOOKING).await
    }

    pub(super) async fn look(
        &self,
        of: Option<&User>,
        before: Option<u64>,
        most: usize,
        takes: impl Fn(&Session) -> bool + Send + Sync,
        time: Duration,
    ) -> Result<Living, AccountError> {
        let until = Instant::now() + time;
        let mut living = Living { sessions: Vec::new(), next: before };
        for page in 1.. {
            self.look_at_a_page(of, most, &takes, &mut living).await?;
            let is_late = if of.is_some() { page >= PAGES } else { Instant::now() >= until };
            if is_late || living.next.is_none() || living.sessions.len() >= most {
                break;
            }
        }
        Ok(living)
    }

    /// Goes on from where `living` ends.
    async fn look_at_a_page(
        &self,
        of: Option<&User>,
        most: usize,
        takes: impl Fn(&Session) -> bool + Send + Sync,
        living: &mut Living,
    ) -> Result<(), AccountError> {
        let now = self.clock.now();
        let page = match of {
            Some(user) => self.store.sessions(user.id, living.next, PAGE).await?,
            None => self.store.latest_sessions(living.next, PAGE).await?,
        };
        let is_last = page.len() < PAGE;
        let mut owners = HashMap::new();
        owners.extend(of.map(|user| (user.id, Some(user.clone()))));
        for session in page {
            if living.sessions.len() >= most {
                return Ok(());
            }
            living.next = Some(session.id.number);
            if !is_open(&session, now) || !takes(&session) {
                continue;
            }
            let owner = match owners.entry(session.user) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => place.insert(self.store.user(session.user).await?),
            };
            if let Some(owner) = owner.as_ref().filter(|owner| lives(&session, owner, now)) {
                living.sessions.push((session, owner.username.clone()));
            }
        }
        // All that are older than a mark are behind it.
        let is_behind = of.zip(living.next).is_some_and(|(user, oldest)| oldest <= line(user));
        if is_last || is_behind {
            living.next = None;
        }
        Ok(())
    }

    /// Ends a session of a user; `false` if it had ended or is none of that user's.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; nothing was changed, or nothing is known about it.
    pub async fn end_session(
        &self,
        user: UserId,
        session: SessionId,
        reason: EndReason,
    ) -> Result<bool, AccountError> {
        let (store, now) = (Arc::clone(&self.store), self.clock.now());
        let Standing { user: owner, session: found } =
            store.standing(user, SessionRef::Own(session)).await?;
        // What is a user's today is nobody else's tomorrow.
        if !owner.zip(found).is_some_and(|(owner, found)| lives(&found, &owner, now)) {
            return Ok(false);
        }
        let end = async move { store.end_session(session, now, reason).await };
        let note = self.audit().note(recorded::ended(user, session, reason));
        Ok(settle(&self.revisions, user, end, |ended| ended.then_some(note)).await?)
    }
}

/// The last session number that a mark of the user's has ended.
fn line(user: &User) -> u64 {
    let marks = [user.password_mark, user.logout_mark];
    marks.into_iter().flatten().map(|mark| mark.session).max().unwrap_or_default()
}

/// Whether a session is the user's and some token of it may still be good.
fn lives(session: &Session, user: &User, now: Timestamp) -> bool {
    session.user == user.id && is_open(session, now) && session.id.number > line(user)
}

/// The same without a look at the user.
fn is_open(session: &Session, now: Timestamp) -> bool {
    session.ended.is_none() && now < session.expires
}
