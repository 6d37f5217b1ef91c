//! Browsers: one cookie holds the session. It is the session's refresh token, which with rotation
//! opens routes for as long as an access token would, and is then exchanged, unseen by whoever
//! browses.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderMap, HeaderValue};
use quick_cache::sync::Cache;

use super::lasting::Proof;
use super::renew::is_current;
use super::{AuthError, Authenticated, Sessions};
use crate::clock::Timestamp;
use crate::identity::SessionId;
use crate::store::{RefreshGrant, Session, SessionRef, User};
use crate::token::{Claims, Entry, TokenError, TokenKind};
use crate::web::{Authorization, Crumb, SessionCookie};

/// Exchanges that are remembered at once.
const REMEMBERED: usize = 65_536;

/// Who came with a request, by its cookie.
#[derive(Debug)]
pub enum Visit {
    /// Nobody in particular.
    Nobody,
    /// There are several cookies, or another credential of ours beside one.
    Ambiguous,
    /// The cookie opens nothing, and never will again.
    Gone,
    /// Somebody.
    Known(Visitor),
}

/// Somebody who came by a cookie. `Debug` does not show the cookie.
pub struct Visitor {
    /// Who it is.
    pub caller: Arc<Authenticated>,
    /// The `Set-Cookie` that is due, if another token takes the place of the one at hand.
    pub renewed: Option<HeaderValue>,
}

/// Exchanges of which nobody knows yet whether the browser got the successor: an answer may be
/// slow, or lost. Until the successor is seen, the token before it yields it again; the time of
/// `grace` begins there. What is forgotten, as at a restart, has the usual time from the exchange.
pub(super) struct Exchanges(Cache<SessionId, Exchange>);

/// The last exchange of a session's cookie.
#[derive(Clone)]
struct Exchange {
    spent: String,
    successor: String,
    at: Timestamp,
    seen: Option<Timestamp>,
}

impl fmt::Debug for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visitor").field("caller", &self.caller).finish_non_exhaustive()
    }
}

impl fmt::Debug for Exchanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchanges").field("len", &self.0.len()).finish()
    }
}

impl Default for Exchanges {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

impl Exchanges {
    /// How long after its exchange that token may still come, where the usual time is `grace`.
    fn patience(
        &self,
        session: SessionId,
        spent: &str,
        grace: Duration,
        now: Timestamp,
    ) -> Duration {
        match self.0.get(&session).filter(|exchange| exchange.spent == spent) {
            Some(Exchange { at, seen, .. }) => seen.unwrap_or(now).since(at).saturating_add(grace),
            None => grace,
        }
    }

    fn exchanged(&self, session: SessionId, spent: String, successor: &str, at: Timestamp) {
        if self.0.get(&session).is_some_and(|known| known.successor == successor) {
            return;
        }
        let successor = successor.to_owned();
        self.0.insert(session, Exchange { spent, successor, at, seen: None });
    }

    fn saw(&self, session: SessionId, token: &str, now: Timestamp) {
        let waits = |known: &Exchange| known.successor == token && known.seen.is_none();
        if let Some(known) = self.0.get(&session).filter(waits) {
            self.0.insert(session, Exchange { seen: Some(now), ..known });
        }
    }
}

impl Sessions {
    /// Whether a request shows a credential of ours in its header, good or not.
    pub fn shows_credential(&self, headers: &HeaderMap) -> bool {
        match Authorization::of(headers) {
            Authorization::Absent | Authorization::Other => false,
            Authorization::Bearer(_) | Authorization::BrokenBearer | Authorization::Several => true,
            Authorization::Token(_) | Authorization::EmptyToken | Authorization::SpacedToken => {
                self.settings.token_scheme
            }
        }
    }

    /// Who came with a request, by its cookie.
    ///
    /// Its token is a refresh token of a session here. With rotation it is exchanged once it is as
    /// old as an access token may get; all who come with it meanwhile get the same successor. What
    /// was seen lately costs a look-up in memory.
    ///
    /// # Errors
    ///
    /// [`AuthError`]: nobody can tell now; answer as it says.
    pub async fn visit(
        &self,
        cookie: SessionCookie,
        headers: &HeaderMap,
    ) -> Result<Visit, AuthError> {
        let token = match cookie.find(headers) {
            Crumb::Absent => return Ok(Visit::Nobody),
            Crumb::One(token) if !self.shows_credential(headers) => token,
            Crumb::One(_) | Crumb::Several => return Ok(Visit::Ambiguous),
        };
        match self.come_in(cookie, token).await {
            Ok(visitor) => Ok(Visit::Known(visitor)),
            Err(error) if error.status().is_server_error() => Err(error),
            Err(_) => Ok(Visit::Gone),
        }
    }

    /// The `Set-Cookie` by which a browser holds the session of a refresh token.
    ///
    /// # Errors
    ///
    /// [`AuthError`]: it is no token of ours, or dead.
    pub fn hold(&self, cookie: SessionCookie, token: &str) -> Result<HeaderValue, AuthError> {
        let now = self.clock.now();
        let life = self.own_claims(token, now)?.expires()?.since(now);
        cookie.set(token, life).ok_or_else(|| TokenError::Invalid.into())
    }

    async fn come_in(&self, cookie: SessionCookie, token: &[u8]) -> Result<Visitor, AuthError> {
        let now = self.clock.now();
        let stale = self.revisions.stale();
        if let Some(caller) = self.cache.get(token, &self.revisions, now)
            && caller.came_by_cookie()
        {
            Self::in_touch(&caller, stale)?;
            self.lookups.known.count();
            self.uses.note(&caller, now);
            return Ok(Visitor { caller, renewed: None });
        }
        self.may_learn()?;
        let text = std::str::from_utf8(token).map_err(|_| TokenError::Invalid)?;
        let claims = self.own_claims(text, now)?;
        // Tokens that were brought along from elsewhere are no browser's.
        let session = claims.session()?.ok_or(TokenError::Invalid)?;
        if self.stays(&claims, session, now).await? {
            let entry = self.learn_visitor(&claims).await?;
            self.exchanges.saw(session, claims.id()?, now);
            let caller = Arc::clone(&entry.value);
            self.cache.insert(token, entry);
            self.note_visit(&caller, now);
            return Ok(Visitor { caller, renewed: None });
        }
        let (user, found) = self.renewable(&claims, now).await?;
        if found.id != session {
            return Err(TokenError::Invalid.into());
        }
        let grant = self.exchange(&claims, &user, &found, now).await?;
        let successor = self.refresh_token(&found, &grant)?;
        // Not remembered: when it comes for the first time, the browser has it.
        let entry = self.learn_visitor(&self.own_claims(&successor, now)?).await?;
        self.note_visit(&entry.value, now);
        Ok(Visitor { caller: entry.value, renewed: Some(self.hold(cookie, &successor)?) })
    }

    /// Whether the caller showed who it is no longer ago than that.
    pub fn logged_in_within(&self, caller: &Authenticated, within: Duration) -> bool {
        caller.logged_in_within(within, self.clock.now())
    }

    /// Whether a browser's token is not to be exchanged yet. Where tokens are not rotated (any more) the
    /// newest of a session stays, and those that were spent before are judged as ever.
    async fn stays(
        &self,
        claims: &Claims,
        session: SessionId,
        now: Timestamp,
    ) -> Result<bool, AuthError> {
        if self.settings.rotation {
            return Ok(now < self.due(claims.issued()));
        }
        let standing = self.store.standing(claims.user()?, SessionRef::Own(session)).await?;
        let id = claims.id()?;
        Ok(standing.session.is_none_or(|session| is_current(&session, id)))
    }

    async fn exchange(
        &self,
        claims: &Claims,
        user: &User,
        session: &Session,
        now: Timestamp,
    ) -> Result<RefreshGrant, AuthError> {
        let spent = claims.id()?.to_owned();
        // Where others may have seen the successor, it is not known here that nobody has.
        let grace = if self.revisions.is_shared() {
            self.settings.grace
        } else {
            self.exchanges.patience(session.id, &spent, self.settings.grace, now)
        };
        let grant = self.rotate(user, session, spent.clone(), grace, now).await?;
        self.exchanges.exchanged(session.id, spent, &grant.jti, now);
        Ok(grant)
    }

    /// When a token that was issued then is to be exchanged.
    fn due(&self, issued: Timestamp) -> Timestamp {
        issued.plus(self.signer.settings().access)
    }

    async fn learn_visitor(&self, claims: &Claims) -> Result<Entry<Authenticated>, AuthError> {
        let learnt = self.learn_own(claims, &[TokenKind::Refresh], Proof::Cookie).await?;
        let due = if self.settings.rotation { self.due(claims.issued()) } else { learnt.until };
        let (value, expires) = (Arc::new(learnt.authenticated), learnt.until.min(due));
        Ok(Entry { value, revision: learnt.revision, expires })
    }

    fn note_visit(&self, caller: &Authenticated, now: Timestamp) {
        self.lookups.learnt.count();
        self.uses.note(caller, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A successor that was shown ends the wait for it, and nothing else does.
    #[test]
    fn the_time_of_grace_begins_when_the_successor_is_first_seen() {
        let (exchanges, session) = (Exchanges::default(), SessionId { number: 1, tag: 1 });
        let (grace, at) = (Duration::from_secs(10), Timestamp::from_secs);
        let patience = |now| exchanges.patience(session, "spent", grace, at(now)).as_secs();
        assert_eq!(patience(1_000), 10, "nothing was exchanged");
        exchanges.exchanged(session, "spent".to_owned(), "next", at(100));
        assert_eq!(patience(1_000), 910, "it is waited for");
        exchanges.saw(session, "another", at(300));
        assert_eq!(patience(1_000), 910);
        exchanges.saw(session, "next", at(400));
        assert_eq!(patience(1_000), 310);
        exchanges.saw(session, "next", at(900));
        assert_eq!(patience(1_000), 310, "it was seen before");
        assert_eq!(exchanges.patience(session, "another", grace, at(1_000)), grace);
    }
}
