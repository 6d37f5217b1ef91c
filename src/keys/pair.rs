//! One key: how it is made, read, signed with and published.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{DecodingKey, EncodingKey};
use pem::Pem;

use super::{Algorithm, KeyError};
use crate::secret::Secret;

/// A key that checks signatures of one algorithm.
#[derive(Clone)]
pub struct VerifyingKey {
    pub(super) kid: String,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
    /// The secret ready for use, where the key is one.
    hmac: Option<hmac::Key>,
    /// How it is published; `None` for shared secrets, which are never.
    pub(super) jwk: Option<Jwk>,
}

impl VerifyingKey {
    /// The key's name in token headers.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The one algorithm it is good for.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether `signature` (strict base64url) is this key's under `message`.
    pub fn verify(&self, message: &[u8], signature: &str) -> bool {
        match &self.hmac {
            Some(key) => tag_is_good(message, signature, key),
            None => signature_is_good(message, signature, &self.key, self.algorithm),
        }
    }

    /// A public key in PEM, or a shared secret.
    pub(crate) fn read(algorithm: Algorithm, material: &Secret) -> Result<Self, KeyError> {
        if algorithm.is_hmac() {
            return Ok(SigningKey::shared(algorithm, material)?.verifying);
        }
        let bytes = material.expose();
        let parsed = pem::parse(bytes).map_err(|_| KeyError::NotPem)?;
        if parsed.tag().ends_with("PRIVATE KEY") {
            return Ok(SigningKey::from_pem(algorithm, bytes)?.verifying);
        }
        let wrong = || KeyError::WrongKind(algorithm);
        let key = match Asymmetric::of(algorithm).ok_or_else(wrong)? {
            Asymmetric::Es256 => DecodingKey::from_ec_pem(bytes),
            Asymmetric::EdDsa => DecodingKey::from_ed_pem(bytes),
            Asymmetric::Rs256 => DecodingKey::from_rsa_pem(bytes),
        };
        Self::public(algorithm, key.map_err(|_| wrong())?)
    }

    fn public(algorithm: Algorithm, key: DecodingKey) -> Result<Self, KeyError> {
        let wrong = |_| KeyError::WrongKind(algorithm);
        let mut jwk = Jwk::from_decoding_key(&key, Some(algorithm.to_jwt())).map_err(wrong)?;
        let kid = jwk.thumbprint(ThumbprintHash::SHA256).map_err(wrong)?;
        jwk.common.key_id = Some(kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self { kid, algorithm, key, hmac: None, jwk: Some(jwk) })
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// Whether `signature` is good; every failure is a plain no.
pub(super) fn signature_is_good(
    message: &[u8],
    signature: &str,
    key: &DecodingKey,
    algorithm: Algorithm,
) -> bool {
    jsonwebtoken::crypto::verify(signature, message, key, algorithm.to_jwt()).unwrap_or(false)
}

/// The same for a shared secret that is ready for use: half of an HMAC is the same for all tokens.
fn tag_is_good(message: &[u8], signature: &str, key: &hmac::Key) -> bool {
    // The longest tag has 64 bytes; the decoder wants room for whole groups of three.
    let mut tag = [0; 66];
    URL_SAFE_NO_PAD
        .decode_slice(signature, &mut tag)
        .ok()
        .and_then(|length| tag.get(..length))
        .is_some_and(|tag| hmac::verify(key, message, tag).is_ok())
}

/// The algorithms that our own key pairs have.
#[derive(Clone, Copy)]
enum Asymmetric {
    Es256,
    EdDsa,
    Rs256,
}

impl Asymmetric {
    fn of(algorithm: Algorithm) -> Option<Self> {
        let own = [
            (Algorithm::Es256, Self::Es256),
            (Algorithm::EdDsa, Self::EdDsa),
            (Algorithm::Rs256, Self::Rs256),
        ];
        own.into_iter().find(|(known, _)| *known == algorithm).map(|(_, own)| own)
    }
}

/// A key that makes signatures.
#[derive(Clone)]
pub(super) struct SigningKey {
    pub(super) verifying: VerifyingKey,
    secret: Arc<SecretKey>,
}

/// What is secret of a key, ready for use: to read it anew for each token costs as much again as
/// to sign one.
enum SecretKey {
    Shared(Box<hmac::Key>),
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

impl SigningKey {
    /// A fresh private key, in PKCS#8 DER.
    pub(super) fn generate(algorithm: Algorithm) -> Result<Secret, KeyError> {
        let rng = SystemRandom::new();
        let kind = Asymmetric::of(algorithm).ok_or(KeyError::WrongKind(algorithm))?;
        let made = match kind {
            Asymmetric::Es256 => {
                let alg = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
                EcdsaKeyPair::generate_pkcs8(alg, &rng).map(|key| key.as_ref().to_vec())
            }
            Asymmetric::EdDsa => {
                Ed25519KeyPair::generate_pkcs8v1(&rng).map(|key| key.as_ref().to_vec())
            }
            Asymmetric::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048)
                .and_then(|pair| AsDer::<Pkcs8V1Der<'_>>::as_der(&pair))
                .map(|key| key.as_ref().to_vec()),
        };
        made.map(Secret::from).map_err(|_| KeyError::NoRandomness)
    }

    /// A private key in PKCS#8 DER.
    pub(super) fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        let text = pem::encode(&Pem::new("PRIVATE KEY", der));
        Self::from_pem(algorithm, text.as_bytes())
    }

    /// A private key in PEM.
    pub(super) fn from_pem(algorithm: Algorithm, text: &[u8]) -> Result<Self, KeyError> {
        let wrong = || KeyError::WrongKind(algorithm);
        let der = pem::parse(text).map_err(|_| KeyError::NotPem)?.into_contents();
        let (secret, public) = match Asymmetric::of(algorithm).ok_or_else(wrong)? {
            Asymmetric::Es256 => {
                let alg = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
                let pair = EcdsaKeyPair::from_pkcs8(alg, &der).map_err(|_| wrong())?;
                let public = DecodingKey::from_ec_der(pair.public_key().as_ref());
                (SecretKey::Es256(pair), public)
            }
            Asymmetric::EdDsa => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map_err(|_| wrong())?;
                let public = DecodingKey::from_ed_der(pair.public_key().as_ref());
                (SecretKey::EdDsa(pair), public)
            }
            Asymmetric::Rs256 => {
                let encoding = EncodingKey::from_rsa_pem(text).map_err(|_| wrong())?;
                let jwk = Jwk::from_encoding_key(&encoding, algorithm.to_jwt());
                let public = jwk.and_then(|jwk| DecodingKey::from_jwk(&jwk));
                let pair = RsaKeyPair::from_der(encoding.as_bytes()).map_err(|_| wrong())?;
                (SecretKey::Rs256(pair), public.map_err(|_| wrong())?)
            }
        };
        let verifying = VerifyingKey::public(algorithm, public)?;
        Self { verifying, secret: Arc::new(secret) }.proven()
    }

    /// A secret that others know as well.
    pub(super) fn shared(algorithm: Algorithm, secret: &Secret) -> Result<Self, KeyError> {
        let bytes = secret.expose();
        if bytes.len() < 32 {
            return Err(KeyError::ShortSecret);
        }
        // Names the key without telling it: a keyed hash, not a hash of the secret.
        let name = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, bytes), b"portcullis key id");
        let (start, _) = name.as_ref().split_first_chunk().ok_or(KeyError::ShortSecret)?;
        let kid = format!("{:016x}", u64::from_be_bytes(*start));
        let key = DecodingKey::from_secret(bytes);
        let hashes = [
            (Algorithm::Hs256, hmac::HMAC_SHA256),
            (Algorithm::Hs384, hmac::HMAC_SHA384),
            (Algorithm::Hs512, hmac::HMAC_SHA512),
        ];
        let hash = hashes.into_iter().find(|(known, _)| *known == algorithm);
        let (_, hash) = hash.ok_or(KeyError::WrongKind(algorithm))?;
        let ready = hmac::Key::new(hash, bytes);
        let secret = Arc::new(SecretKey::Shared(Box::new(ready.clone())));
        let verifying = VerifyingKey { kid, algorithm, key, hmac: Some(ready), jwk: None };
        Self { verifying, secret }.proven()
    }

    /// The signature under `message`, in base64url.
    pub(super) fn sign(&self, message: &[u8]) -> Result<String, KeyError> {
        let signature = self.secret.sign(message);
        let signature = signature.map_err(|_| KeyError::WrongKind(self.verifying.algorithm))?;
        Ok(URL_SAFE_NO_PAD.encode(signature))
    }

    // A key that is read but cannot sign would fail at the first login instead of at the start.
    fn proven(self) -> Result<Self, KeyError> {
        let signature = self.sign(b"trial")?;
        let good = self.verifying.verify(b"trial", &signature);
        good.then_some(self.clone()).ok_or(KeyError::WrongKind(self.verifying.algorithm))
    }
}

impl SecretKey {
    /// As RFC 7518 section 3 and RFC 8037 section 3.1 want it.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let rng = SystemRandom::new();
        Ok(match self {
            Self::Shared(key) => hmac::sign(key, message).as_ref().to_vec(),
            Self::Es256(pair) => pair.sign(&rng, message)?.as_ref().to_vec(),
            Self::EdDsa(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &rng, message, &mut signature)?;
                signature
            }
        })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.verifying).finish()
    }
}
