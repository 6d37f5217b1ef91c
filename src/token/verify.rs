//! The one verifier: every token that anybody presents goes through here.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::claims::{Claims, check_registered, has_audience};
use super::compact::Compact;
use super::{IssuerKeys, IssuerSettings, Revisions, TokenSettings};
use crate::clock::Timestamp;
use crate::keys::{JwkSet, KeyError, KeyRing, RemoteKeys, RemoteSettings};

/// Why a token is not taken. The messages of those that clients see are `SimpleJWT`'s.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TokenError {
    /// Not a token, not signed by a key that counts, or with a claim of the wrong kind.
    #[error("Token is invalid")]
    Invalid,
    /// Its time is over.
    #[error("Token is expired")]
    Expired,
    /// It has no end.
    #[error("Token has no 'exp' claim")]
    NoExpiry,
    /// It has no id.
    #[error("Token has no id")]
    NoId,
    /// It does not say what it is for.
    #[error("Token has no type")]
    NoType,
    /// It is for something else.
    #[error("Token has wrong type")]
    WrongType,
    /// It does not say whose it is.
    #[error("Token contained no recognizable user identification")]
    NoUser,
    /// Nobody can have the id it names.
    #[error("User not found")]
    UnknownUser,
    /// A sliding token without an end to its renewals.
    #[error("Token has no 'refresh_exp' claim")]
    NoRefreshExpiry,
    /// A sliding token that may not be renewed any more.
    #[error("Token 'refresh_exp' claim has expired")]
    RefreshExpired,
}

/// Who made a token.
#[derive(Clone, Debug)]
pub enum Origin {
    /// We did, or somebody who shares our key.
    Own,
    /// The issuer of that entry.
    Issuer(Arc<IssuerSettings>),
}

/// A token that is genuine and in its time.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Who made it.
    pub origin: Origin,
    /// What it says.
    pub claims: Claims,
}

/// Why a token is not taken, where its issuer's keys may first have to be fetched.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It is not good; answer 401.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Nobody can tell; answer 503.
    #[error(transparent)]
    Keys(#[from] KeyError),
}

/// Checks tokens against our keys and those of the configured issuers.
///
/// The algorithm is fixed by the key, never by the token (RFC 8725 section 3.1). A token whose
/// `iss` names an issuer is judged by that entry alone, every other by our keys alone.
#[derive(Debug)]
pub struct Verifier {
    keys: Arc<KeyRing>,
    settings: TokenSettings,
    issuers: Vec<Issuer>,
}

/// Another issuer, with its keys as they are now.
#[derive(Debug)]
struct Issuer {
    settings: Arc<IssuerSettings>,
    /// `None` where the keys are given.
    remote: Option<Arc<RemoteKeys>>,
}

impl Verifier {
    /// A verifier of our own tokens and those of `issuers`, for callers that remember nothing.
    pub fn new(keys: Arc<KeyRing>, settings: TokenSettings, issuers: Vec<IssuerSettings>) -> Self {
        Self::remembered(keys, settings, issuers, &Revisions::default())
    }

    /// The same for callers that remember verdicts under `revisions`: what was learnt from keys
    /// that an issuer has taken back is forgotten.
    pub fn remembered(
        keys: Arc<KeyRing>,
        settings: TokenSettings,
        issuers: Vec<IssuerSettings>,
        revisions: &Revisions,
    ) -> Self {
        Self { keys, settings, issuers: Vec::new() }.succeeded(None, issuers, revisions)
    }

    /// A verifier in the place of this one, with what was fetched from those of the issuers that
    /// it has, too.
    #[must_use]
    pub fn successor(
        &self,
        settings: TokenSettings,
        issuers: Vec<IssuerSettings>,
        revisions: &Revisions,
    ) -> Self {
        let keys = Arc::clone(&self.keys);
        Self { keys, settings, issuers: Vec::new() }.succeeded(Some(self), issuers, revisions)
    }

    fn succeeded(
        self,
        before: Option<&Self>,
        issuers: Vec<IssuerSettings>,
        revisions: &Revisions,
    ) -> Self {
        let issuers = issuers.into_iter().map(|issuer| {
            let remote = match &issuer.keys {
                IssuerKeys::Given(_) => None,
                IssuerKeys::Fetched(fetched) => {
                    let known = before.and_then(|before| before.fetched(&issuer.issuer, fetched));
                    Some(known.unwrap_or_else(|| {
                        let settings = RemoteSettings::clone(fetched);
                        RemoteKeys::new(&issuer.issuer, settings, revisions.issuers())
                    }))
                }
            };
            Issuer { settings: Arc::new(issuer), remote }
        });
        Self { issuers: issuers.collect(), ..self }
    }

    fn fetched(&self, issuer: &str, settings: &RemoteSettings) -> Option<Arc<RemoteKeys>> {
        let mut fetched = self.issuers.iter().filter_map(|issuer| issuer.remote.as_ref());
        fetched.find(|keys| keys.are_of(issuer, settings)).cloned()
    }

    /// Whether there are keys to be fetched.
    pub fn fetches(&self) -> bool {
        self.issuers.iter().any(|issuer| issuer.remote.is_some())
    }

    /// Begins to fetch what is due. Call it now and then; it does not wait.
    pub fn tend(&self, now: Timestamp) {
        for remote in self.issuers.iter().filter_map(|issuer| issuer.remote.as_ref()) {
            remote.tend(now);
        }
    }

    /// Checks signature, times, and the types of the registered claims.
    ///
    /// What a token of ours must contain beyond that ([`Claims::expires`], [`Claims::id`], its
    /// kind, its user) is asked for by the caller, in the order of the wire contract. A token of
    /// another issuer is complete: it has an end, our audience and a subject. Keys that were not
    /// fetched yet verify nothing.
    ///
    /// # Errors
    ///
    /// [`TokenError`]; refuse the request with 401.
    pub fn verify(&self, token: &[u8], now: Timestamp) -> Result<Verified, TokenError> {
        let compact = Compact::parse(token)?;
        if self.issuers.is_empty() {
            return self.verify_own(&compact, None, now);
        }
        let payload = compact.payload()?;
        match self.issuer_of(&payload) {
            Some(issuer) => {
                let genuine = issuer.is_genuine(&compact, issuer.keys().as_deref());
                issuer.judge(genuine, payload, now)
            }
            None => self.verify_own(&compact, Some(payload), now),
        }
    }

    /// The same, with a look at the issuer if it may have keys that are not known here yet.
    ///
    /// All who ask meanwhile share one fetch. A caller that is dropped ends none.
    ///
    /// # Errors
    ///
    /// [`VerifyError`]: 401 or 503.
    pub async fn verify_fetching(
        &self,
        token: &[u8],
        now: Timestamp,
    ) -> Result<Verified, VerifyError> {
        let compact = Compact::parse(token)?;
        if self.issuers.is_empty() {
            return Ok(self.verify_own(&compact, None, now)?);
        }
        let payload = compact.payload()?;
        let Some(issuer) = self.issuer_of(&payload) else {
            return Ok(self.verify_own(&compact, Some(payload), now)?);
        };
        let keys = issuer.keys();
        let mut genuine = issuer.is_genuine(&compact, keys.as_deref());
        if let Some(remote) = &issuer.remote
            && !genuine
            && issuer.settings.algorithms.contains(&compact.algorithm)
            && Box::pin(remote.look_for(keys.as_ref(), compact.kid.as_deref(), now)).await?
        {
            genuine = issuer.is_genuine(&compact, issuer.keys().as_deref());
        }
        Ok(issuer.judge(genuine, payload, now)?)
    }

    /// Whether a token that is no other issuer's is signed with a key that others may have put into our
    /// ring since it was read.
    pub(crate) fn may_be_of_a_new_key(&self, token: &[u8]) -> bool {
        let Ok(compact) = Compact::parse(token) else { return false };
        let is_ours = || {
            let payload = compact.payload();
            payload.is_ok_and(|payload| self.issuer_of(&payload).is_none())
        };
        let is_new = compact.kid.as_deref().is_some_and(|kid| !self.keys.knows(kid));
        self.keys.is_shared() && is_new && is_ours()
    }

    fn issuer_of(&self, payload: &Map<String, Value>) -> Option<&Issuer> {
        let named = payload.get("iss")?.as_str()?;
        self.issuers.iter().find(|issuer| named == issuer.settings.issuer)
    }

    /// The signature first: most of what is refused has none of ours.
    fn verify_own(
        &self,
        compact: &Compact<'_>,
        payload: Option<Map<String, Value>>,
        now: Timestamp,
    ) -> Result<Verified, TokenError> {
        let Compact { algorithm, kid, message, signature, .. } = compact;
        if !self.keys.verify(kid.as_deref(), *algorithm, message, signature) {
            return Err(TokenError::Invalid);
        }
        let payload = payload.map_or_else(|| compact.payload(), Ok)?;
        check_registered(&payload, now, self.settings.leeway)?;
        let issuer = self.settings.issuer.as_deref();
        if issuer.is_some_and(|ours| !is_text(&payload, "iss", ours)) {
            return Err(TokenError::Invalid);
        }
        let audience = self.settings.audience.as_deref();
        if audience.is_some_and(|ours| !has_audience(&payload, ours)) {
            return Err(TokenError::Invalid);
        }
        Ok(Verified { origin: Origin::Own, claims: Claims::new(payload) })
    }
}

impl Issuer {
    fn keys(&self) -> Option<Arc<JwkSet>> {
        match &self.settings.keys {
            IssuerKeys::Given(keys) => Some(Arc::clone(keys)),
            IssuerKeys::Fetched(_) => self.remote.as_ref()?.known(),
        }
    }

    /// Whether one of the keys, and an algorithm that the entry allows, made the signature.
    fn is_genuine(&self, compact: &Compact<'_>, keys: Option<&JwkSet>) -> bool {
        let Compact { algorithm, kid, message, signature, .. } = compact;
        self.settings.algorithms.contains(algorithm)
            && keys.is_some_and(|keys| keys.verify(kid.as_deref(), *algorithm, message, signature))
    }

    fn judge(
        &self,
        genuine: bool,
        payload: Map<String, Value>,
        now: Timestamp,
    ) -> Result<Verified, TokenError> {
        if !genuine || !has_audience(&payload, &self.settings.audience) {
            return Err(TokenError::Invalid);
        }
        check_registered(&payload, now, self.settings.leeway)?;
        let claims = Claims::new(payload);
        claims.expires()?;
        Ok(Verified { origin: Origin::Issuer(Arc::clone(&self.settings)), claims })
    }
}

fn is_text(payload: &Map<String, Value>, name: &str, expected: &str) -> bool {
    payload.get(name).and_then(Value::as_str) == Some(expected)
}
