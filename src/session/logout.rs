//! The end of a session, by whatever token of it is at hand.

use std::sync::Arc;

use super::lasting::Proof;
use super::settle::settle;
use super::start::Client;
use super::{AuthError, Authenticated, Sessions, recorded};
use crate::identity::{SessionId, UserId};
use crate::store::{EndReason, SessionRef};
use crate::token::TokenKind;

/// What became of the session of a refresh token.
struct Ended {
    user: UserId,
    /// Whether the token had a successor already.
    spent: bool,
    /// Whether it was this call that ended the session.
    now: bool,
}

impl Sessions {
    /// Ends the session of a refresh token, its access tokens too, durably.
    ///
    /// # Errors
    ///
    /// [`AuthError`], told as [`super::Presented::Body`]; [`AuthError::Revoked`] if it had ended
    /// or the token was spent.
    pub async fn blacklist(&self, token: &str) -> Result<(), AuthError> {
        match self.end_by(token).await? {
            Ended { spent: true, .. } => Err(AuthError::Reused),
            Ended { now: false, .. } => Err(AuthError::Revoked),
            Ended { .. } => Ok(()),
        }
    }

    /// Ends the session of a refresh token for whoever holds any of its family, spent ones too:
    /// nobody loses by that but the session. Returns whose it was.
    ///
    /// # Errors
    ///
    /// [`AuthError`], told as [`super::Presented::Body`]; [`AuthError::Revoked`] if it had ended.
    pub async fn log_out_by(&self, token: &str) -> Result<UserId, AuthError> {
        Ok(self.end_by(token).await?.user)
    }

    /// Ends the session of a caller, durably; `false` if none stands behind its credential. A
    /// token that was made elsewhere is a session of itself alone.
    ///
    /// # Errors
    ///
    /// [`AuthError`]; nothing was changed, or nothing is known about it.
    pub async fn log_out(&self, caller: &Authenticated) -> Result<bool, AuthError> {
        let Some(user) = caller.user else { return Ok(false) };
        match &caller.basis.proof {
            Proof::Session(session, _) | Proof::Cookie(session, _) => {
                self.end(user, *session, EndReason::LoggedOut).await?;
            }
            Proof::Token(jti, issued) => {
                let owner = self.standing(user, SessionRef::Foreign(jti), *issued).await?.user;
                let (now, last) = (self.clock.now(), caller.expires);
                let new = self.new_session(&owner, Client::default(), now, last, None)?;
                let adopted = self.store.adopt_session(jti, new).await?;
                let session = adopted.ok_or(AuthError::Revoked)?;
                self.end(user, session.id, EndReason::LoggedOut).await?;
            }
            Proof::Key(_) | Proof::UserKey { .. } | Proof::Issuer(_) => return Ok(false),
        }
        Ok(true)
    }

    async fn end_by(&self, token: &str) -> Result<Ended, AuthError> {
        let now = self.clock.now();
        let claims = self.own_claims(token, now)?;
        claims.expires()?;
        let id = claims.id()?;
        claims.kind(&[TokenKind::Refresh])?;
        let spent = self.is_spent(&claims, id, now).await?;
        let (user, session) = self.session_of(&claims, now).await?;
        let reason = if spent { EndReason::Reused } else { EndReason::LoggedOut };
        let now = self.end(user.id, session.id, reason).await?;
        Ok(Ended { user: user.id, spent, now })
    }

    async fn end(
        &self,
        user: UserId,
        session: SessionId,
        reason: EndReason,
    ) -> Result<bool, AuthError> {
        let (store, now) = (Arc::clone(&self.store), self.clock.now());
        let end = async move { store.end_session(session, now, reason).await };
        let note = self.audit.note(recorded::ended(user, session, reason));
        Ok(settle(&self.revisions, user, end, |ended| ended.then_some(note)).await?)
    }
}
