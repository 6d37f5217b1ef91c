//! The signature algorithms that we speak.

use std::fmt;
use std::str::FromStr;

/// A JWS algorithm (RFC 7518 section 3.1, RFC 8037). Chosen by the key, never by the token.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384: accepted from other issuers only.
    Es384,
    /// Ed25519.
    EdDsa,
    /// RSA PKCS#1 v1.5 with SHA-256.
    Rs256,
    /// RSA PKCS#1 v1.5 with SHA-384: accepted from other issuers only.
    Rs384,
    /// RSA PKCS#1 v1.5 with SHA-512: accepted from other issuers only.
    Rs512,
    /// RSA PSS with SHA-256: accepted from other issuers only.
    Ps256,
    /// RSA PSS with SHA-384: accepted from other issuers only.
    Ps384,
    /// RSA PSS with SHA-512: accepted from other issuers only.
    Ps512,
}

/// Every algorithm, with the name it has on the wire.
const NAMES: [(Algorithm, &str); 12] = [
    (Algorithm::Hs256, "HS256"),
    (Algorithm::Hs384, "HS384"),
    (Algorithm::Hs512, "HS512"),
    (Algorithm::Es256, "ES256"),
    (Algorithm::Es384, "ES384"),
    (Algorithm::EdDsa, "EdDSA"),
    (Algorithm::Rs256, "RS256"),
    (Algorithm::Rs384, "RS384"),
    (Algorithm::Rs512, "RS512"),
    (Algorithm::Ps256, "PS256"),
    (Algorithm::Ps384, "PS384"),
    (Algorithm::Ps512, "PS512"),
];

impl Algorithm {
    /// Those that `[auth.signing] algorithm` may name.
    pub const OWN: [Self; 6] =
        [Self::Es256, Self::EdDsa, Self::Rs256, Self::Hs256, Self::Hs384, Self::Hs512];

    /// Whether the key is a shared secret.
    pub const fn is_hmac(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }

    /// The name in a token's `alg` header.
    pub fn as_str(self) -> &'static str {
        NAMES.iter().find(|(known, _)| *known == self).map_or("", |(_, name)| name)
    }

    pub(crate) const fn to_jwt(self) -> jsonwebtoken::Algorithm {
        use jsonwebtoken::Algorithm as Jwt;
        match self {
            Self::Hs256 => Jwt::HS256,
            Self::Hs384 => Jwt::HS384,
            Self::Hs512 => Jwt::HS512,
            Self::Es256 => Jwt::ES256,
            Self::Es384 => Jwt::ES384,
            Self::EdDsa => Jwt::EdDSA,
            Self::Rs256 => Jwt::RS256,
            Self::Rs384 => Jwt::RS384,
            Self::Rs512 => Jwt::RS512,
            Self::Ps256 => Jwt::PS256,
            Self::Ps384 => Jwt::PS384,
            Self::Ps512 => Jwt::PS512,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No algorithm of ours has that name; `none` never has.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown signature algorithm")]
pub struct UnknownAlgorithm;

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    /// Exact, as RFC 7515 section 4.1.1 wants it: `hs256` is no algorithm.
    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        let found = NAMES.iter().find(|(_, known)| *known == name);
        found.map(|(algorithm, _)| *algorithm).ok_or(UnknownAlgorithm)
    }
}
