//! The one verifier: every token that anybody presents goes through here.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::claims::{Claims, check_registered, has_audience};
use super::compact::Compact;
use super::{IssuerSettings, TokenSettings};
use crate::clock::Timestamp;
use crate::keys::KeyRing;

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

/// Checks tokens against our keys and those of the configured issuers.
///
/// The algorithm is fixed by the key, never by the token (RFC 8725 section 3.1). A token whose
/// `iss` names an issuer is judged by that entry alone, every other by our keys alone.
#[derive(Debug)]
pub struct Verifier {
    keys: Arc<KeyRing>,
    settings: TokenSettings,
    issuers: Vec<Arc<IssuerSettings>>,
}

impl Verifier {
    /// A verifier of our own tokens and those of `issuers`.
    pub fn new(keys: Arc<KeyRing>, settings: TokenSettings, issuers: Vec<IssuerSettings>) -> Self {
        Self { keys, settings, issuers: issuers.into_iter().map(Arc::new).collect() }
    }

    /// Checks signature, times, and the types of the registered claims.
    ///
    /// What a token of ours must contain beyond that ([`Claims::expires`], [`Claims::id`], its
    /// kind, its user) is asked for by the caller, in the order of the wire contract. A token of
    /// another issuer is complete: it has an end, our audience and a subject.
    ///
    /// # Errors
    ///
    /// [`TokenError`]; refuse the request with 401.
    pub fn verify(&self, token: &[u8], now: Timestamp) -> Result<Verified, TokenError> {
        let compact = Compact::parse(token)?;
        let named = compact.payload.get("iss").and_then(Value::as_str);
        let issuer = self.issuers.iter().find(|entry| named == Some(entry.issuer.as_str()));
        match issuer {
            Some(entry) => verify_foreign(entry, compact, now),
            None => self.verify_own(compact, now),
        }
    }

    fn verify_own(&self, compact: Compact<'_>, now: Timestamp) -> Result<Verified, TokenError> {
        let Compact { algorithm, kid, payload, message, signature } = compact;
        if !self.keys.verify(kid.as_deref(), algorithm, message, signature) {
            return Err(TokenError::Invalid);
        }
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

fn verify_foreign(
    entry: &Arc<IssuerSettings>,
    compact: Compact<'_>,
    now: Timestamp,
) -> Result<Verified, TokenError> {
    let Compact { algorithm, kid, payload, message, signature } = compact;
    let allowed = entry.algorithms.contains(&algorithm);
    let genuine = allowed
        && entry
            .keys
            .candidates(kid.as_deref(), algorithm)
            .any(|key| key.verify(message, signature, algorithm));
    if !genuine || !has_audience(&payload, &entry.audience) {
        return Err(TokenError::Invalid);
    }
    check_registered(&payload, now, entry.leeway)?;
    let claims = Claims::new(payload);
    claims.expires()?;
    Ok(Verified { origin: Origin::Issuer(Arc::clone(entry)), claims })
}

fn is_text(payload: &Map<String, Value>, name: &str, expected: &str) -> bool {
    payload.get(name).and_then(Value::as_str) == Some(expected)
}
