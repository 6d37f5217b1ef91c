//! From a credential to an identity, at the state of the store now.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::{Bytes, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::foreign::foreign_identity;
use super::lasting::{Basis, Proof, Stood};
use super::uses::NextNote;
use super::{AuthError, Sessions};
use crate::clock::Timestamp;
use crate::identity::{Claim, Identity, SessionId, UserId};
use crate::store::{SessionRef, User};
use crate::token::{Claims, Entry, Origin, Revision, TokenKind, VerifyError};
use crate::web::{Authorization, write_lines};

/// A caller, with what an upstream is told about it.
#[derive(Debug)]
pub struct Authenticated {
    /// Who it is.
    pub identity: Identity,
    /// The user in our store; `None` for callers of other issuers.
    pub user: Option<UserId>,
    /// Identity headers, ready to be set.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The same as lines of HTTP/1.1.
    pub(crate) lines: Bytes,
    /// When the credential ends.
    pub expires: Timestamp,
    /// When its session is to be noted as used.
    pub(super) note: NextNote,
    /// For asking again without the credential.
    pub(super) basis: Basis,
}

/// How a credential is presented.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Scheme {
    /// `Bearer`: a token, or a key that a user made.
    Bearer,
    /// `Token`: the key of `api-token-auth/`.
    Token,
}

/// What was learnt about a credential, and for how long that may be believed.
pub(super) struct Learnt {
    pub(super) authenticated: Authenticated,
    pub(super) revision: Revision,
    pub(super) until: Timestamp,
}

impl Sessions {
    /// Who the request speaks for; `None` if it presents nothing that is ours.
    ///
    /// A credential that was seen lately costs a look-up in memory. Anything that changes about
    /// its user or session since makes the next call read the store again.
    ///
    /// # Errors
    ///
    /// [`AuthError`]: refuse with [`AuthError::answer`], also where no credential was needed.
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
    ) -> Result<Option<Arc<Authenticated>>, AuthError> {
        let (credential, scheme) = match Authorization::of(headers) {
            Authorization::Absent | Authorization::Other => return Ok(None),
            Authorization::Bearer(token) => (token, Scheme::Bearer),
            Authorization::BrokenBearer => return Err(AuthError::BrokenHeader),
            Authorization::Several => return Err(AuthError::Several),
            Authorization::Token(key) if self.settings.token_scheme => (key, Scheme::Token),
            Authorization::EmptyToken if self.settings.token_scheme => {
                return Err(AuthError::EmptyKey);
            }
            Authorization::SpacedToken if self.settings.token_scheme => {
                return Err(AuthError::SpacedKey);
            }
            Authorization::Token(_) | Authorization::EmptyToken | Authorization::SpacedToken => {
                return Ok(None);
            }
        };
        let now = self.clock.now();
        self.verifier.tend(now);
        let stale = self.revisions.stale();
        // One cache serves all: an entry answers only for the scheme that it came by.
        if let Some(known) = self.cache.get(credential, &self.revisions, now)
            && known.scheme() == Some(scheme)
        {
            Self::in_touch(&known, stale)?;
            self.lookups.known.count();
            self.uses.note(&known, now);
            return Ok(Some(known));
        }
        let keys = self.user_keys();
        let learnt = match (scheme, keys.and_then(|keys| keys.prefix.rest(credential))) {
            (Scheme::Token, _) => self.learn_key(credential).await?,
            (Scheme::Bearer, Some(rest)) => self.learn_user_key(credential, rest, now).await?,
            (Scheme::Bearer, None) => self.learn_token(credential, now).await?,
        };
        let value = Arc::new(learnt.authenticated);
        let entry =
            Entry { value: Arc::clone(&value), revision: learnt.revision, expires: learnt.until };
        self.cache.insert(credential, entry);
        self.lookups.learnt.count();
        self.uses.note(&value, now);
        Ok(Some(value))
    }

    async fn learn_token(&self, token: &[u8], now: Timestamp) -> Result<Learnt, AuthError> {
        // Before the keys of other issuers are read: if they are taken back, that is noticed.
        let others = self.revisions.of_others();
        let verified = self.verifier.verify_fetching(token, now).await;
        let verified = verified.map_err(|error| match error {
            VerifyError::Token(error) => self.not_genuine(token, error),
            error @ VerifyError::Keys(_) => error.into(),
        })?;
        let claims = verified.claims;
        match verified.origin {
            Origin::Own => {
                let kinds = [TokenKind::Access, TokenKind::Sliding];
                let kinds = kinds.get(..if self.sliding() { 2 } else { 1 }).unwrap_or_default();
                self.learn_own(&claims, kinds, Proof::Session).await
            }
            Origin::Issuer(issuer) => {
                let expires = claims.expires()?;
                let identity = foreign_identity(&issuer, &claims)?;
                let until = expires.plus(issuer.leeway);
                let login = login(&claims, now.plus(issuer.leeway));
                let proof = Proof::Issuer(token.into());
                let basis = Basis { proof, revision: others, until, login };
                let authenticated = self.introduce(identity, None, expires, basis);
                Ok(Learnt { authenticated, revision: others, until })
            }
        }
    }

    pub(super) async fn learn_own(
        &self,
        claims: &Claims,
        kinds: &[TokenKind],
        held: fn(SessionId, Timestamp) -> Proof,
    ) -> Result<Learnt, AuthError> {
        self.may_learn()?;
        // The order of complaints is the original's.
        let expires = claims.expires()?;
        claims.id()?;
        claims.kind(kinds)?;
        let user = claims.user()?;
        // Before the store is read: whatever changes from here on is noticed.
        let revision = self.revisions.of(user);
        let (stood, session) = self.stands(claims, user).await?;
        let user = &stood.user;
        let leeway = self.signer.settings().leeway;
        let until = expires.plus(leeway);
        let proof = match session {
            Some(id) => held(id, claims.issued()),
            None => Proof::Token(claims.id()?.into(), claims.issued()),
        };
        let login = login(claims, self.clock.now().plus(leeway));
        let basis = Basis { proof, revision, until, login };
        let identity = stood.identity(session);
        let authenticated = self.introduce(identity, Some(user.id), expires, basis);
        Ok(Learnt { authenticated, revision, until })
    }

    /// The user of a token that is still good, and its session if it names one.
    pub(super) async fn stands(
        &self,
        claims: &Claims,
        user: UserId,
    ) -> Result<(Stood, Option<SessionId>), AuthError> {
        let session = claims.session()?;
        let reference = match session {
            Some(id) => SessionRef::Own(id),
            None => SessionRef::Foreign(claims.id()?),
        };
        let stood = self.standing(user, reference, claims.issued()).await?;
        Ok((stood, session))
    }

    async fn learn_key(&self, key: &[u8]) -> Result<Learnt, AuthError> {
        self.may_learn()?;
        let hash = hash_of_key(key);
        let found = self.store.user_by_api_key(hash).await?.ok_or(AuthError::UnknownKey)?;
        // Read again under the counter: the first look was only to learn whose key it is.
        let revision = self.revisions.of(found.id);
        let user = self.owner(hash).await?;
        let forever = Timestamp::from_millis(u64::MAX);
        // A key says nothing of a login.
        let basis = Basis { proof: Proof::Key(hash), revision, until: forever, login: None };
        let identity = own_identity(&user, None);
        let authenticated = self.introduce(identity, Some(user.id), forever, basis);
        Ok(Learnt { authenticated, revision, until: forever })
    }

    /// The user of a key, who is not shut out. Keys of a kind that a reload has switched off have
    /// none.
    pub(super) async fn owner(&self, hash: [u8; 32]) -> Result<User, AuthError> {
        if !self.settings.token_scheme {
            return Err(AuthError::UnknownKey);
        }
        let user = self.store.user_by_api_key(hash).await?.ok_or(AuthError::UnknownKey)?;
        if user.active { Ok(user) } else { Err(AuthError::KeyUserInactive) }
    }

    pub(super) fn introduce(
        &self,
        identity: Identity,
        user: Option<UserId>,
        expires: Timestamp,
        basis: Basis,
    ) -> Authenticated {
        let headers = self.headers.render(&identity);
        let mut lines = BytesMut::new();
        write_lines(headers.iter().map(|(name, value)| (name, value)), &mut lines);
        let (lines, note) = (lines.freeze(), NextNote::default());
        Authenticated { identity, user, headers, lines, expires, note, basis }
    }
}

impl Authenticated {
    /// Whether the caller showed who it is no longer ago than that: one whose login nobody knows
    /// did not.
    pub fn logged_in_within(&self, within: Duration, now: Timestamp) -> bool {
        self.basis.login.is_some_and(|at| now <= at.plus(within))
    }

    /// How its credential was presented in the header; `None` if a browser's cookie held it.
    const fn scheme(&self) -> Option<Scheme> {
        match self.basis.proof {
            Proof::Cookie(..) => None,
            Proof::Key(_) => Some(Scheme::Token),
            Proof::Session(..) | Proof::Token(..) | Proof::UserKey { .. } | Proof::Issuer(_) => {
                Some(Scheme::Bearer)
            }
        }
    }

    /// Whether a browser's cookie held its credential.
    pub const fn came_by_cookie(&self) -> bool {
        matches!(self.basis.proof, Proof::Cookie(..))
    }
}

/// The login behind a token. A moment that has not come yet is none.
fn login(claims: &Claims, latest: Timestamp) -> Option<Timestamp> {
    claims.authenticated().filter(|at| *at <= latest)
}

/// What an API key or an invitation is found by.
pub(super) fn hash_of_key(key: &[u8]) -> [u8; 32] {
    digest(&SHA256, key).as_ref().try_into().unwrap_or_default()
}

pub(super) fn own_identity(user: &User, session: Option<SessionId>) -> Identity {
    let claims = user.claims.iter();
    Identity {
        user_id: user.id.to_string(),
        username: user.username.clone(),
        email: (!user.email.is_empty()).then(|| user.email.clone()),
        email_verified: user.email_verified,
        roles: user.roles.clone(),
        claims: claims.map(|(name, value)| (name.clone(), Claim::Text(value.clone()))).collect(),
        session,
        issuer: None,
        amr: Vec::new(),
    }
}
