//! Where the keys of another issuer are, and how they are fetched.

use std::time::Duration;

use super::fetch::{FetchUrl, FetchUrlError};
use crate::tls::Roots;

/// What `OpenID` Connect Discovery 1.0 section 4 puts behind the issuer.
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// Where the keys of another issuer are fetched from, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RemoteSettings {
    /// Where.
    pub location: Location,
    /// Whose word the issuer's certificate needs.
    pub roots: Roots,
    /// Longest wait for the keys, from the look-up of the name to the last byte.
    pub timeout: Duration,
    /// How long keys are believed beyond their age while they cannot be fetched.
    pub stale: Duration,
}

/// What is fetched.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Location {
    /// The key set.
    Jwks(FetchUrl),
    /// The document that says where the key set is.
    Discovery(FetchUrl),
}

impl RemoteSettings {
    /// The usual patience, and the machine's word for certificates.
    pub const fn new(location: Location) -> Self {
        Self {
            location,
            roots: Roots::Machine,
            timeout: Duration::from_secs(5),
            stale: Duration::from_secs(24 * 60 * 60),
        }
    }
}

impl Location {
    /// Where the issuer's discovery document is.
    ///
    /// # Errors
    ///
    /// [`FetchUrlError`] if the issuer is no URL that can be fetched from.
    pub fn discovery(issuer: &str) -> Result<Self, FetchUrlError> {
        if issuer.contains('?') {
            return Err(FetchUrlError::Form);
        }
        let base = issuer.strip_suffix('/').unwrap_or(issuer);
        FetchUrl::parse(&format!("{base}{WELL_KNOWN}")).map(Self::Discovery)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discovery_stands_below_the_issuer() {
        let of = |issuer: &str| Location::discovery(issuer);
        let at = |url: &str| FetchUrl::parse(url).map(Location::Discovery);
        let plain = "https://id.test/.well-known/openid-configuration";
        assert_eq!(of("https://id.test"), at(plain));
        assert_eq!(of("https://id.test/"), at(plain));
        let realm = "https://id.test/realms/a/.well-known/openid-configuration";
        assert_eq!(of("https://id.test/realms/a"), at(realm));
        for issuer in ["corp", "http://id.test", "https://id.test?x", "https://id.test#x", ""] {
            assert!(of(issuer).is_err(), "{issuer}");
        }
    }
}
