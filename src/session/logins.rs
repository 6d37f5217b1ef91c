//! Where a user is logged in: the living sessions, listed and ended.

use std::sync::Arc;

use super::settle::settle;
use super::{AccountError, Accounts, recorded};
use crate::clock::Timestamp;
use crate::identity::{SessionId, UserId};
use crate::store::{EndReason, Session, SessionRef, Standing, User};

/// Sessions that are read at once for a list of them.
const PAGE: usize = 200;
/// And how often: of who has more than that, the oldest are not looked for.
const PAGES: usize = 25;

#[doc(hidden)]
impl Accounts {
    /// The living sessions of a user, the newest first, `most` of them at most.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; nothing is known.
    pub async fn sessions(&self, user: UserId, most: usize) -> Result<Vec<Session>, AccountError> {
        let Some(owner) = self.store.user(user).await? else { return Ok(Vec::new()) };
        let (now, mut living, mut before) = (self.clock.now(), Vec::new(), None);
        for _page in 0..PAGES {
            let page = self.store.sessions(user, before, PAGE).await?;
            before = page.last().map(|session| session.id.number);
            let last = page.len() < PAGE || before.is_some_and(|oldest| oldest <= line(&owner));
            living.extend(page.into_iter().filter(|session| lives(session, &owner, now)));
            if last || living.len() >= most {
                break;
            }
        }
        living.truncate(most);
        Ok(living)
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
    session.user == user.id
        && session.ended.is_none()
        && session.id.number > line(user)
        && now < session.expires
}
