//! Key sets of other issuers (RFC 7517).

use std::fmt;

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use serde::Deserialize;

use super::Algorithm;
use super::pair::signature_is_good;

/// The keys of another issuer.
#[derive(Clone, Debug)]
pub struct JwkSet {
    keys: Vec<PublicKey>,
}

/// One of them.
#[derive(Clone)]
pub struct PublicKey {
    kid: Option<String>,
    /// What a key of this type may be used for; one entry where the set pins it.
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// Why a JWKS document cannot be used. `Display` is for the operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JwksError {
    /// Not a document of RFC 7517 section 5.
    #[error("not a JWKS document: {0}")]
    Syntax(#[from] serde_json::Error),
    /// Nothing in it can check a signature.
    #[error(
        "the JWKS has no usable signature key (EC P-256 or P-384, Ed25519, RSA, or oct of 32 bytes)"
    )]
    NoKeys,
    /// More than anybody needs: each may have to be tried.
    #[error("the JWKS has more than {MOST} keys")]
    TooMany,
}

/// Most keys of a set that was fetched.
const MOST: usize = 64;
/// Members of secret and private keys (RFC 7518 section 6).
const SECRET: [&str; 8] = ["k", "d", "p", "q", "dp", "dq", "qi", "oth"];

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

impl JwkSet {
    /// Reads a JWKS document. Keys of other uses and unknown types are passed over, as RFC 7517
    /// section 5 asks.
    ///
    /// # Errors
    ///
    /// [`JwksError`]; show it to the operator.
    pub fn parse(json: &str) -> Result<Self, JwksError> {
        let document: Document = serde_json::from_str(json)?;
        let keys: Vec<_> = document.keys.into_iter().filter_map(PublicKey::read).collect();
        if keys.is_empty() { Err(JwksError::NoKeys) } else { Ok(Self { keys }) }
    }

    /// Reads a JWKS document that somebody sent. Shared secrets do not count, nor do keys whose
    /// private part is in it: whatever was sent, others know.
    ///
    /// # Errors
    ///
    /// [`JwksError`]; keep the keys that there were.
    pub(super) fn parse_public(json: &[u8]) -> Result<Self, JwksError> {
        let mut document: Document = serde_json::from_slice(json)?;
        if document.keys.len() > MOST {
            return Err(JwksError::TooMany);
        }
        document.keys.retain(|key| SECRET.iter().all(|name| key.get(name).is_none()));
        let keys: Vec<_> = document.keys.into_iter().filter_map(PublicKey::read).collect();
        if keys.is_empty() { Err(JwksError::NoKeys) } else { Ok(Self { keys }) }
    }

    /// Whether a key goes by that name.
    pub(super) fn has(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid.as_deref() == Some(kid))
    }

    /// Whether one of the keys that goes by `kid` made `signature` (strict base64url) under
    /// `message` with `algorithm`.
    pub fn verify(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        message: &[u8],
        signature: &str,
    ) -> bool {
        self.candidates(kid, algorithm).any(|key| key.verify(message, signature, algorithm))
    }

    /// Those keys that a token with this `kid` and algorithm may be signed with.
    ///
    /// A token without `kid` may be signed with any key of the right type.
    pub fn candidates(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &PublicKey> {
        self.keys.iter().filter(move |key| {
            key.algorithms.contains(&algorithm) && (kid.is_none() || key.kid.as_deref() == kid)
        })
    }
}

impl PublicKey {
    /// Whether `signature` (strict base64url) is this key's under `message`.
    pub fn verify(&self, message: &[u8], signature: &str, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
            && signature_is_good(message, signature, &self.key, algorithm)
    }

    fn read(json: serde_json::Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(json).ok()?;
        if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
            return None;
        }
        let operations = &jwk.common.key_operations;
        if operations.as_ref().is_some_and(|named| !named.contains(&KeyOperations::Verify)) {
            return None;
        }
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        let mut algorithms = by_type(&jwk.algorithm, &key);
        if let Some(pinned) = &jwk.common.key_algorithm {
            let pinned: Option<Algorithm> = pinned.to_string().parse().ok();
            algorithms.retain(|algorithm| Some(*algorithm) == pinned);
        }
        (!algorithms.is_empty()).then_some(Self { kid: jwk.common.key_id, algorithms, key })
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey")
            .field("kid", &self.kid)
            .field("algorithms", &self.algorithms)
            .finish_non_exhaustive()
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "both enums are another crate's and grow")]
fn by_type(parameters: &AlgorithmParameters, key: &DecodingKey) -> Vec<Algorithm> {
    match parameters {
        AlgorithmParameters::EllipticCurve(ec) => match ec.curve {
            EllipticCurve::P256 => vec![Algorithm::Es256],
            EllipticCurve::P384 => vec![Algorithm::Es384],
            _ => Vec::new(),
        },
        AlgorithmParameters::OctetKeyPair(okp) if okp.curve == EllipticCurve::Ed25519 => {
            vec![Algorithm::EdDsa]
        }
        AlgorithmParameters::RSA(_) => vec![
            Algorithm::Rs256,
            Algorithm::Rs384,
            Algorithm::Rs512,
            Algorithm::Ps256,
            Algorithm::Ps384,
            Algorithm::Ps512,
        ],
        // RFC 7518 section 3.2: a key at least as long as the hash's output.
        AlgorithmParameters::OctetKey(_) => {
            let length = key.try_get_as_bytes().map_or(0, <[u8]>::len);
            [(32, Algorithm::Hs256), (48, Algorithm::Hs384), (64, Algorithm::Hs512)]
                .into_iter()
                .filter(|(least, _)| length >= *least)
                .map(|(_, algorithm)| algorithm)
                .collect()
        }
        // A type that nobody judged checks nothing.
        _ => Vec::new(),
    }
}
