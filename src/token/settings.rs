//! What the operator decides about tokens.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::keys::{Algorithm, JwkSet, RemoteSettings};

/// The token part of `[auth]`, checked.
#[derive(Clone, Debug)]
pub struct TokenSettings {
    /// Life of an access token.
    pub access: Duration,
    /// Life of a refresh token, renewed at each rotation.
    pub refresh: Duration,
    /// Written as `iss`, and then required.
    pub issuer: Option<String>,
    /// Our origin: the `iss` of identity tokens where there is no `issuer`.
    pub public: Option<String>,
    /// Written as `aud`, and then required.
    pub audience: Option<String>,
    /// Clock difference forgiven at `exp`, `nbf` and `iat`.
    pub leeway: Duration,
    /// Whether sliding tokens are accepted and issued.
    pub sliding: bool,
}

impl TokenSettings {
    /// The longest time for which a token can count from its making on.
    pub fn longest(&self) -> Duration {
        self.access.max(self.refresh).saturating_add(self.leeway)
    }
}

impl Default for TokenSettings {
    fn default() -> Self {
        Self {
            access: Duration::from_secs(30 * 60),
            refresh: Duration::from_secs(24 * 60 * 60),
            issuer: None,
            public: None,
            audience: None,
            leeway: Duration::ZERO,
            sliding: false,
        }
    }
}

/// One `[[issuers]]` entry, checked: somebody else whose tokens open our routes.
#[derive(Clone, Debug)]
pub struct IssuerSettings {
    /// Our name for it: the prefix of its user ids.
    pub name: Arc<str>,
    /// The `iss` of its tokens.
    pub issuer: String,
    /// The `aud` its tokens must have.
    pub audience: String,
    /// What checks its tokens.
    pub keys: IssuerKeys,
    /// What its tokens may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// Our claim name -> theirs. `user_id` and `username` have defaults.
    pub claims: BTreeMap<String, String>,
    /// Their role -> ours. Nothing else is granted.
    pub roles: BTreeMap<String, String>,
    /// The claim that lists their roles.
    pub roles_claim: String,
    /// Clock difference forgiven at `exp`, `nbf` and `iat`.
    pub leeway: Duration,
}

/// The keys of another issuer.
#[derive(Clone, Debug)]
pub enum IssuerKeys {
    /// These: public keys, or shared ones (`kty: oct`).
    Given(Arc<JwkSet>),
    /// Public keys that are fetched from it.
    Fetched(Box<RemoteSettings>),
}

impl From<JwkSet> for IssuerKeys {
    fn from(keys: JwkSet) -> Self {
        Self::Given(Arc::new(keys))
    }
}

impl From<RemoteSettings> for IssuerKeys {
    fn from(settings: RemoteSettings) -> Self {
        Self::Fetched(Box::new(settings))
    }
}

impl IssuerSettings {
    /// An issuer with the usual claim names and signatures, and no roles granted.
    pub fn new(
        name: impl Into<Arc<str>>,
        issuer: impl Into<String>,
        audience: impl Into<String>,
        keys: impl Into<IssuerKeys>,
    ) -> Self {
        let claims = [("user_id", "sub"), ("username", "preferred_username")];
        Self {
            name: name.into(),
            issuer: issuer.into(),
            audience: audience.into(),
            keys: keys.into(),
            algorithms: vec![Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa],
            claims: claims.map(|(ours, theirs)| (ours.to_owned(), theirs.to_owned())).into(),
            roles: BTreeMap::new(),
            roles_claim: "roles".to_owned(),
            leeway: Duration::from_secs(30),
        }
    }
}
