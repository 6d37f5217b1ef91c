//! Whether a caller who was let in may go on: asked again and again while a connection lives,
//! without the credential that opened it.

use std::sync::Arc;
use std::time::Duration;

use super::authenticate::own_identity;
use super::foreign::foreign_identity;
use super::user_keys::key_identity;
use super::{AuthError, Authenticated, Sessions};
use crate::clock::Timestamp;
use crate::identity::{Identity, SessionId, UserId};
use crate::store::{KeyOwner, Mark, SecondFactor, SessionRef, Standing, StoreError, User};
use crate::token::{Origin, Revision, TokenError, WhenStale, methods};

/// What a caller was let in for.
#[derive(Debug)]
pub(super) struct Basis {
    pub(super) proof: Proof,
    /// The user's counter before the store was read.
    pub(super) revision: Revision,
    /// The end of the credential, with leeway.
    pub(super) until: Timestamp,
    /// When the caller last showed who it is; `None` if nobody knows.
    pub(super) login: Option<Timestamp>,
}

/// What has to be in order for the credential to be good.
#[derive(Clone, Debug)]
pub(super) enum Proof {
    /// A session of ours, and when the token was issued.
    Session(SessionId, Timestamp),
    /// The same, held by a browser's cookie.
    Cookie(SessionId, Timestamp),
    /// A token without a session, by its id, and when it was issued.
    Token(Box<str>, Timestamp),
    /// The key of `api-token-auth/`, by its hash.
    Key([u8; 32]),
    /// A key that a user made, by its hash and its number.
    UserKey { hash: [u8; 32], id: u64 },
    /// The token of another issuer: all that is known of its caller.
    Issuer(Box<[u8]>),
}

impl Authenticated {
    /// What was shown, in words for an operator: nothing of the credential itself.
    pub fn credential(&self) -> String {
        match &self.basis.proof {
            Proof::Session(..) => "an access token".to_owned(),
            Proof::Cookie(..) => "a browser's cookie".to_owned(),
            Proof::Token(..) => "an access token without a session".to_owned(),
            Proof::Key(_) => "the key of api-token-auth/".to_owned(),
            Proof::UserKey { id, .. } => format!("API key {id}"),
            Proof::Issuer(_) => {
                let issuer = self.identity.issuer.as_deref().unwrap_or_default();
                format!("a token of the issuer {issuer}")
            }
        }
    }
}

/// A user whose session is not over.
#[derive(Debug)]
pub(super) struct Stood {
    pub(super) user: User,
    /// What was shown beside the password when the session began, as the store says.
    pub(super) second: Option<SecondFactor>,
}

impl Stood {
    /// Who the caller is, for upstreams and rules.
    pub(super) fn identity(&self, session: Option<SessionId>) -> Identity {
        let amr = self.second.map(methods).unwrap_or_default();
        let amr = amr.iter().map(|method| (*method).to_owned()).collect();
        Identity { amr, ..own_identity(&self.user, session) }
    }
}

/// How it stands with a caller, as far as memory tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stance {
    /// Nothing changed since it was let in.
    Unchanged,
    /// Something about its user changed: see [`Sessions::reaffirm`].
    InDoubt,
    /// Its credential has ended.
    Expired,
    /// Nothing is known of what others have changed lately, and nobody is to be believed then.
    Stale,
}

impl Sessions {
    /// How it stands with a caller whose credential ended `grace` ago at most. Costs a look at
    /// the clock and at a counter.
    pub fn stance(&self, caller: &Authenticated, grace: Duration) -> Stance {
        let basis = &caller.basis;
        if basis.until.plus(grace) <= self.clock.now() {
            Stance::Expired
        } else if Self::in_touch(caller, self.revisions.stale()).is_err() {
            Stance::Stale
        } else if self.revisions.holds(basis.revision) {
            Stance::Unchanged
        } else {
            Stance::InDoubt
        }
    }

    /// The caller as the store has it now. Time is not looked at.
    ///
    /// # Errors
    ///
    /// [`AuthError`]: as [`Sessions::authenticate`] would say of its credential.
    pub async fn reaffirm(
        &self,
        caller: &Arc<Authenticated>,
    ) -> Result<Arc<Authenticated>, AuthError> {
        match (self.as_it_is(caller).await, caller.user) {
            (Err(AuthError::Store(StoreError::HandedOver)), Some(user)) => {
                let handed_over = || StoreError::HandedOver.into();
                self.undisturbed(caller, user).ok_or_else(handed_over)
            }
            (known, _) => known,
        }
    }

    pub(super) async fn as_it_is(
        &self,
        caller: &Arc<Authenticated>,
    ) -> Result<Arc<Authenticated>, AuthError> {
        let Authenticated { user, expires, ref basis, .. } = **caller;
        if let Proof::Issuer(token) = &basis.proof {
            return self.vouched_for(token, caller).map(Arc::new);
        }
        let id = user.ok_or(AuthError::UserNotFound)?;
        // Before the store is read: whatever changes from here on is noticed.
        let revision = self.revisions.of(id);
        if caller.came_by_cookie() && self.settings.cookie.is_none() {
            return Err(AuthError::Revoked);
        }
        let (identity, proof) = match &basis.proof {
            proof @ (Proof::Session(session, issued) | Proof::Cookie(session, issued)) => {
                let stood = self.standing(id, SessionRef::Own(*session), *issued).await?;
                (stood.identity(Some(*session)), proof.clone())
            }
            Proof::Token(jti, issued) => {
                let stood = self.standing(id, SessionRef::Foreign(jti), *issued).await?;
                (stood.identity(None), Proof::Token(jti.clone(), *issued))
            }
            Proof::Key(hash) => {
                let user = self.owner(*hash).await?;
                if user.id != id {
                    return Err(AuthError::UnknownKey);
                }
                (own_identity(&user, None), Proof::Key(*hash))
            }
            Proof::UserKey { hash, id } => {
                let KeyOwner { key, user } = self.key_owner(*hash).await?;
                (key_identity(&user, &key), Proof::UserKey { hash: *hash, id: *id })
            }
            Proof::Issuer(_) => return Err(AuthError::UserNotFound),
        };
        let basis = Basis { proof, revision, until: basis.until, login: basis.login };
        Ok(Arc::new(self.introduce(identity, Some(id), expires, basis)))
    }

    /// The same where the users are somebody else's by now, who tells of each change: nothing about
    /// a user that was not spoken of has changed, though it shares a counter with one that was.
    fn undisturbed(&self, caller: &Authenticated, user: UserId) -> Option<Arc<Authenticated>> {
        let revision = self.revisions.of(user);
        if self.revisions.has_heard(user) {
            return None;
        }
        let Basis { ref proof, until, login, .. } = caller.basis;
        let basis = Basis { proof: proof.clone(), revision, until, login };
        let identity = caller.identity.clone();
        Some(Arc::new(self.introduce(identity, Some(user), caller.expires, basis)))
    }

    /// Whether the credential that a caller was let in with would let it in now.
    ///
    /// # Errors
    ///
    /// [`AuthError`]: as [`Sessions::authenticate`] would say of it.
    pub async fn is_good(&self, caller: &Arc<Authenticated>) -> Result<(), AuthError> {
        match self.stance(caller, Duration::ZERO) {
            Stance::Expired => return Err(TokenError::Expired.into()),
            Stance::Stale => return Err(AuthError::Stale),
            Stance::Unchanged | Stance::InDoubt => {}
        }
        self.reaffirm(caller).await.map(|_as_it_is_now| ())
    }

    /// The caller of a token that another issuer would still be believed.
    fn vouched_for(
        &self,
        token: &[u8],
        caller: &Authenticated,
    ) -> Result<Authenticated, AuthError> {
        let Authenticated { expires, basis, .. } = caller;
        // Before the keys are read: if they are taken back, that is noticed.
        let revision = self.revisions.of_others();
        let in_time = Timestamp::from_millis(expires.as_millis().saturating_sub(1));
        let verified = self.verifier.verify(token, self.clock.now().min(in_time))?;
        let Origin::Issuer(issuer) = verified.origin else {
            return Err(TokenError::Invalid.into());
        };
        let identity = foreign_identity(&issuer, &verified.claims)?;
        let Basis { until, login, .. } = *basis;
        let basis = Basis { proof: Proof::Issuer(token.into()), revision, until, login };
        Ok(self.introduce(identity, None, *expires, basis))
    }

    /// The user of a session that is not over.
    pub(super) async fn standing(
        &self,
        user: UserId,
        reference: SessionRef<'_>,
        issued: Timestamp,
    ) -> Result<Stood, AuthError> {
        let session = match reference {
            SessionRef::Own(id) => Some(id),
            SessionRef::Foreign(_) => None,
        };
        judge(self.store.standing(user, reference).await?, session, issued)
    }

    /// The caller as it is now, if its credential has not ended.
    pub(super) async fn still(
        &self,
        caller: &Arc<Authenticated>,
    ) -> Result<Arc<Authenticated>, AuthError> {
        match self.stance(caller, Duration::ZERO) {
            Stance::Unchanged => Ok(Arc::clone(caller)),
            Stance::InDoubt => self.reaffirm(caller).await,
            Stance::Expired => Err(TokenError::Expired.into()),
            Stance::Stale => Err(AuthError::Stale),
        }
    }

    /// Whether somebody may be believed that is remembered. `stale` is what was so before the memory was looked
    /// at: afterwards, others may just have been heard of what it does not know yet. Callers of other issuers
    /// are not in a store that others could change.
    pub(super) fn in_touch(
        known: &Authenticated,
        stale: Option<WhenStale>,
    ) -> Result<(), AuthError> {
        match known.user.and(stale) {
            Some(WhenStale::Refuse) => Err(AuthError::Stale),
            Some(WhenStale::Serve) | None => Ok(()),
        }
    }

    /// What is said of a token that is not genuine as far as is known here: while nothing is heard of
    /// others, it may be signed with a key that they have made.
    pub(super) fn not_genuine(&self, token: &[u8], error: TokenError) -> AuthError {
        let is_unknown = error == TokenError::Invalid && self.revisions.stale().is_some();
        if is_unknown && self.verifier.may_be_of_a_new_key(token) {
            return AuthError::Stale;
        }
        error.into()
    }

    /// Whether somebody of the store may be remembered who was not known.
    pub(super) fn may_learn(&self) -> Result<(), AuthError> {
        if self.revisions.stale().is_some() { Err(AuthError::Stale) } else { Ok(()) }
    }
}

/// State of the user first, then revocation: the order of the original.
pub(super) fn judge(
    standing: Standing,
    session: Option<SessionId>,
    issued: Timestamp,
) -> Result<Stood, AuthError> {
    let user = standing.user.ok_or(AuthError::UserNotFound)?;
    if !user.active {
        return Err(AuthError::UserInactive);
    }
    let crossed = |mark: Option<Mark>| {
        mark.is_some_and(|mark| match session {
            Some(id) => id.number <= mark.session,
            // To the second, as `iat` is; a token of the same second is over too.
            None => issued.as_secs() <= mark.at.as_secs(),
        })
    };
    if crossed(user.password_mark) {
        return Err(AuthError::PasswordChanged);
    }
    let over = match (session, &standing.session) {
        (_, Some(found)) => {
            found.ended.is_some()
                || found.user != user.id
                || session.is_some_and(|id| id != found.id)
        }
        // A session of ours that the store does not know is none.
        (Some(_), None) => true,
        (None, None) => false,
    };
    if over || crossed(user.logout_mark) {
        return Err(AuthError::Revoked);
    }
    // A token that was made elsewhere says nothing here of how its login was.
    let own = standing.session.filter(|_| session.is_some());
    Ok(Stood { user, second: own.and_then(|session| session.second) })
}
