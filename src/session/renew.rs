//! Refresh tokens: exchanged, checked, spent; the end of a session.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::lasting::Stood;
use super::settle::see_through;
use super::start::Client;
use super::{AuthError, Sessions, recorded};
use crate::clock::Timestamp;
use crate::store::{EndReason, RefreshGrant, Rotation, RotationRequest, Session, SessionRef, User};
use crate::token::{Claims, Origin, TokenError, TokenKind};

/// How old the note of a session's last use may get before it is written again.
const LAST_USE: Duration = Duration::from_secs(60);

/// What a refresh token was exchanged for. `Debug` shows neither token.
#[derive(Clone)]
pub struct Renewed {
    /// A new access token.
    pub access: String,
    /// The successor, where tokens are rotated.
    pub refresh: Option<String>,
}

impl fmt::Debug for Renewed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Renewed(..)")
    }
}

impl Sessions {
    /// Exchanges a refresh token for a new access token, and with rotation for its successor.
    ///
    /// # Errors
    ///
    /// [`AuthError`], told as [`super::Presented::Body`]. A spent token ends its session.
    pub async fn refresh(&self, token: &str) -> Result<Renewed, AuthError> {
        let now = self.clock.now();
        let claims = self.own_claims(token, now)?;
        let (user, session) = self.renewable(&claims, now).await?;
        // What was spent while tokens were rotated stays spent where they no longer are.
        let refresh = if self.settings.rotation || !is_current(&session, claims.id()?) {
            let (presented, grace) = (claims.id()?.to_owned(), self.settings.grace);
            let grant = self.rotate(&user, &session, presented, grace, now).await?;
            Some(self.refresh_token(&session, &grant)?)
        } else {
            if now.since(session.last_used) >= LAST_USE {
                self.store.touch_session(session.id, now, session.expires).await?;
            }
            None
        };
        Ok(Renewed { access: self.access_token(&user, &session, now)?, refresh })
    }

    /// The user and the session of a refresh token that may still be exchanged.
    pub(super) async fn renewable(
        &self,
        claims: &Claims,
        now: Timestamp,
    ) -> Result<(User, Session), AuthError> {
        claims.expires()?;
        claims.id()?;
        claims.kind(&[TokenKind::Refresh])?;
        let (user, session) = self.session_of(claims, now).await?;
        if now >= session.ends {
            return Err(TokenError::Expired.into());
        }
        Ok((user, session))
    }

    /// Renews a sliding token; its last day stays what it was.
    ///
    /// # Errors
    ///
    /// [`AuthError`], told as [`super::Presented::Body`].
    pub async fn refresh_sliding(&self, token: &str) -> Result<String, AuthError> {
        let now = self.clock.now();
        let claims = self.own_claims(token, now)?;
        claims.expires()?;
        let id = claims.id()?.to_owned();
        claims.kind(&[TokenKind::Sliding])?;
        let ends = claims.refresh_expires()?;
        if ends <= now {
            return Err(TokenError::RefreshExpired.into());
        }
        let (user, session) = self.session_of(&claims, now).await?;
        self.sliding_token(&user, &session, &id, now, ends)
    }

    /// Whether a token of any kind is good now.
    ///
    /// # Errors
    ///
    /// [`AuthError`], told as [`super::Presented::Body`]; a spent or ended one is refused too.
    pub async fn check(&self, token: &str) -> Result<(), AuthError> {
        let now = self.clock.now();
        let claims = self.own_claims(token, now)?;
        claims.expires()?;
        let id = claims.id()?;
        let user = claims.user()?;
        self.stands(&claims, user).await?;
        let kind = claims.kind(&[TokenKind::Access, TokenKind::Refresh, TokenKind::Sliding])?;
        if kind == TokenKind::Refresh && self.is_spent(&claims, id, now).await? {
            return Err(AuthError::Revoked);
        }
        Ok(())
    }

    /// The claims of a token of our own making: those of other issuers buy nothing here.
    pub(super) fn own_claims(&self, token: &str, now: Timestamp) -> Result<Claims, AuthError> {
        let token = token.as_bytes();
        let verified = self.verifier.verify(token, now);
        let verified = verified.map_err(|error| self.not_genuine(token, error))?;
        match verified.origin {
            Origin::Own => Ok(verified.claims),
            Origin::Issuer(_) => Err(TokenError::Invalid.into()),
        }
    }

    /// The living session of a refresh or sliding token. One that was made elsewhere with our
    /// key gets a session of its own at first sight, so that it can be spent and ended as well.
    pub(super) async fn session_of(
        &self,
        claims: &Claims,
        now: Timestamp,
    ) -> Result<(User, Session), AuthError> {
        let id = claims.user()?;
        let (Stood { user, .. }, sid) = self.stands(claims, id).await?;
        let jti = claims.id()?;
        if let Some(sid) = sid {
            let standing = self.store.standing(id, SessionRef::Own(sid)).await?;
            return Ok((user, standing.session.ok_or(AuthError::Revoked)?));
        }
        let expires = claims.expires()?;
        let grant = RefreshGrant { jti: jti.to_owned(), issued: claims.issued(), expires };
        // A sliding token lives on by its renewals.
        let last = claims.refresh_expires().unwrap_or(expires).max(expires);
        let last = last.plus(self.signer.settings().access);
        let new = self.new_session(&user, Client::default(), now, last, Some(grant))?;
        let session = self.store.adopt_session(jti, new).await?.ok_or(AuthError::Revoked)?;
        if session.ended.is_some() || session.user != user.id {
            return Err(AuthError::Revoked);
        }
        Ok((user, session))
    }

    /// Whether a refresh token has a successor already.
    pub(super) async fn is_spent(
        &self,
        claims: &Claims,
        jti: &str,
        now: Timestamp,
    ) -> Result<bool, AuthError> {
        let reference = match claims.session()? {
            Some(sid) => SessionRef::Own(sid),
            None => SessionRef::Foreign(jti),
        };
        let session = self.store.standing(claims.user()?, reference).await?.session;
        let Some(session) = session else { return Ok(false) };
        let forgiven = session
            .spent
            .iter()
            .any(|spent| spent.jti == jti && spent.may_come_again(now, self.settings.grace));
        Ok(!is_current(&session, jti) && !forgiven)
    }

    /// The grant that takes the place of a spent one, which yields it again for `grace`.
    pub(super) async fn rotate(
        &self,
        user: &User,
        session: &Session,
        presented: String,
        grace: Duration,
        now: Timestamp,
    ) -> Result<RefreshGrant, AuthError> {
        let successor = self.refresh_grant(now, session.ends)?;
        let request = RotationRequest { session: session.id, presented, successor, now, grace };
        let store = Arc::clone(&self.store);
        let (revisions, id) = (Arc::clone(&self.revisions), user.id);
        let rotate = async move {
            let outcome = store.rotate(request).await;
            match &outcome {
                // Who was let in by this session goes on as before.
                Ok(Rotation::Rotated(_) | Rotation::Repeated(_)) => revisions.bump_quietly(id),
                Ok(Rotation::Reused | Rotation::Ended | Rotation::Unknown) | Err(_) => {
                    revisions.bump(id);
                }
            }
            outcome
        };
        let event = recorded::ended(user.id, session.id, EndReason::Reused);
        let note = self.audit.note(event.to_user(user));
        // On disk before the answer: whoever holds the copy cannot make us forget it.
        let noted = move |rotation: &Rotation| (*rotation == Rotation::Reused).then_some(note);
        match see_through(rotate, noted).await? {
            Rotation::Rotated(grant) | Rotation::Repeated(grant) => Ok(grant),
            Rotation::Reused => {
                tracing::warn!(user = %user.id, session = %session.id, "spent refresh token used again; session ended");
                Err(AuthError::Reused)
            }
            Rotation::Ended | Rotation::Unknown => Err(AuthError::Revoked),
        }
    }
}

/// Whether a refresh token is the one that its session has now.
pub(super) fn is_current(session: &Session, jti: &str) -> bool {
    session.refresh.as_ref().is_some_and(|grant| grant.jti == jti)
}
