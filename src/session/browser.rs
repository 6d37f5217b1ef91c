//! Browsers: one cookie holds the session. It is the session's refresh token, which opens routes
//! for as long as an access token would, and is then exchanged, unseen by whoever browses.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::lasting::Proof;
use super::{AuthError, Authenticated, Sessions};
use crate::clock::Timestamp;
use crate::token::{Claims, Entry, TokenError, TokenKind};

/// Who came by a cookie. `Debug` does not show the token.
pub struct Visitor {
    /// Who it is.
    pub caller: Arc<Authenticated>,
    /// What the cookie is to hold from now on, if it is another token.
    pub renewed: Option<String>,
}

impl fmt::Debug for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visitor").field("caller", &self.caller).finish_non_exhaustive()
    }
}

impl Sessions {
    /// Who a cookie speaks for.
    ///
    /// Its token is a refresh token of a session here. With rotation it is exchanged once it is as
    /// old as an access token may get; whoever comes with it within the grace gets the same
    /// successor, as everywhere. What was seen lately costs a look-up in memory.
    ///
    /// # Errors
    ///
    /// [`AuthError`]: the cookie opens nothing. If its [status](AuthError::status) is 401 it never
    /// will again.
    pub async fn visit(&self, token: &[u8]) -> Result<Visitor, AuthError> {
        let now = self.clock.now();
        if let Some(caller) = self.cache.get(token, &self.revisions, now)
            && caller.came_by_cookie()
        {
            self.lookups.known.count();
            self.uses.note(&caller, now);
            return Ok(Visitor { caller, renewed: None });
        }
        let text = std::str::from_utf8(token).map_err(|_| TokenError::Invalid)?;
        let claims = self.own_claims(text, now)?;
        // Tokens that were brought along from elsewhere are no browser's.
        let session = claims.session()?.ok_or(TokenError::Invalid)?;
        if !self.settings.rotation || now < self.due(claims.issued()) {
            let caller = self.remember(text, &claims, now).await?;
            return Ok(Visitor { caller, renewed: None });
        }
        let (user, found) = self.renewable(&claims, now).await?;
        if found.id != session {
            return Err(TokenError::Invalid.into());
        }
        let renewed = self.successor_of(&claims, &user, &found, now).await?;
        let claims = self.own_claims(&renewed, now)?;
        let caller = self.remember(&renewed, &claims, now).await?;
        Ok(Visitor { caller, renewed: Some(renewed) })
    }

    /// Whether the caller showed who it is no longer ago than that.
    pub fn logged_in_within(&self, caller: &Authenticated, within: Duration) -> bool {
        caller.logged_in_within(within, self.clock.now())
    }

    /// For how long a browser is to keep a token of this moment.
    ///
    /// # Errors
    ///
    /// [`AuthError`]: it is no token of ours, or dead.
    pub fn cookie_life(&self, token: &str) -> Result<Duration, AuthError> {
        let now = self.clock.now();
        Ok(self.own_claims(token, now)?.expires()?.since(now))
    }

    /// When a token that was issued then is to be exchanged.
    fn due(&self, issued: Timestamp) -> Timestamp {
        issued.plus(self.signer.settings().access)
    }

    async fn remember(
        &self,
        token: &str,
        claims: &Claims,
        now: Timestamp,
    ) -> Result<Arc<Authenticated>, AuthError> {
        let learnt = self.learn_own(claims, &[TokenKind::Refresh], Proof::Cookie).await?;
        let value = Arc::new(learnt.authenticated);
        let due = if self.settings.rotation { self.due(claims.issued()) } else { learnt.until };
        let expires = learnt.until.min(due);
        let entry = Entry { value: Arc::clone(&value), revision: learnt.revision, expires };
        self.cache.insert(token.as_bytes(), entry);
        self.lookups.learnt.count();
        self.uses.note(&value, now);
        Ok(value)
    }
}
