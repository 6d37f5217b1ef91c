//! The tokens of a session.

use super::{AuthError, Authenticated, Sessions};
use crate::clock::Timestamp;
use crate::keys::KeyError;
use crate::store::{RefreshGrant, Session, User};
use crate::token::{Bound, Grant, Profile, TokenKind, new_id};

impl Sessions {
    /// The claims of a refresh token issued now; never beyond the end of its session.
    pub(super) fn refresh_grant(
        &self,
        now: Timestamp,
        ends: Timestamp,
    ) -> Result<RefreshGrant, KeyError> {
        let issued = whole(now);
        let expires = issued.plus(self.signer.settings().refresh).min(ends);
        Ok(RefreshGrant { jti: new_id()?, issued, expires })
    }

    pub(super) fn access_token(
        &self,
        user: &User,
        session: &Session,
        now: Timestamp,
    ) -> Result<String, KeyError> {
        let issued = whole(now);
        let expires = issued.plus(self.signer.settings().access);
        let id = new_id()?;
        let grant = grant(session, TokenKind::Access, &id, issued, expires);
        self.signer.sign(&Grant { profile: Some(profile(user)), ..grant })
    }

    pub(super) fn refresh_token(
        &self,
        session: &Session,
        grant: &RefreshGrant,
    ) -> Result<String, KeyError> {
        let RefreshGrant { jti, issued, expires } = grant;
        self.signer.sign(&self::grant(session, TokenKind::Refresh, jti, *issued, *expires))
    }

    pub(super) fn sliding_token(
        &self,
        user: &User,
        session: &Session,
        id: &str,
        now: Timestamp,
        ends: Timestamp,
    ) -> Result<String, AuthError> {
        let issued = whole(now);
        let expires = issued.plus(self.signer.settings().access).min(ends);
        let grant = grant(session, TokenKind::Sliding, id, issued, expires);
        let profile = Some(profile(user));
        Ok(self.signer.sign(&Grant { refresh_expires: Some(ends), profile, ..grant })?)
    }

    /// Who the caller of a request is, for the upstream that has it, as the store says now.
    ///
    /// # Errors
    ///
    /// [`AuthError`]: the keys cannot be used; nothing was signed.
    pub fn sign_identity(
        &self,
        caller: &Authenticated,
        bound: &Bound<'_>,
    ) -> Result<String, AuthError> {
        let identity = &caller.identity;
        let claims = self.headers.claims(identity);
        Ok(self.signer.sign_identity(bound, &identity.user_id, claims, self.clock.now())?)
    }
}

fn profile(user: &User) -> Profile<'_> {
    Profile { username: &user.username, email: &user.email, roles: &user.roles }
}

/// Down to the second, as tokens count, so that `exp - iat` is the life that was configured.
fn whole(now: Timestamp) -> Timestamp {
    Timestamp::from_secs(now.as_secs())
}

/// A token of a session, as far as all kinds of it are alike.
const fn grant<'a>(
    session: &Session,
    kind: TokenKind,
    id: &'a str,
    issued: Timestamp,
    expires: Timestamp,
) -> Grant<'a> {
    Grant {
        kind,
        id,
        user: session.user,
        session: session.id,
        authenticated: if session.is_adopted { None } else { Some(session.started) },
        issued,
        expires,
        refresh_expires: None,
        second: session.second,
        profile: None,
    }
}
