//! What operators are shown.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::keys::KeyInfo;
use crate::store::{Group, User};

/// A user as an operator sees it. Moments are RFC 3339, in UTC.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct UserView {
    /// The number.
    pub id: u64,
    /// The login name, in NFKC.
    pub username: String,
    /// Empty if there is none.
    pub email: String,
    /// Whether the address is known to be the user's.
    pub email_verified: bool,
    /// Whether the user is let in.
    pub active: bool,
    /// Whether a login by password is possible at all.
    pub has_password: bool,
    /// Role names, its own and those of its groups, sorted.
    pub roles: Vec<String>,
    /// Those of them that it has by its groups alone.
    #[serde(default)]
    pub inherited: Vec<String>,
    /// Names of its groups, sorted.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Claims set by operators.
    pub claims: BTreeMap<String, String>,
    /// When the account was made.
    pub created: String,
    /// The last login by password.
    pub last_login: Option<String>,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id.0,
            username: user.username,
            email: user.email,
            email_verified: user.email_verified,
            active: user.active,
            has_password: user.password.is_some(),
            roles: user.roles,
            inherited: user.inherited,
            groups: user.groups,
            claims: user.claims,
            created: user.created.to_string(),
            last_login: user.last_login.map(|at| at.to_string()),
        }
    }
}

/// The second factors of a user as an operator sees them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FactorsView {
    /// Whose they are.
    pub username: String,
    /// Since when there is an authenticator app whose codes logins take; `None`: there is none.
    pub totp: Option<String>,
    /// Recovery codes that were not used yet.
    pub recovery_codes: usize,
    /// Passkeys.
    #[serde(default)]
    pub passkeys: usize,
}

/// A group as an operator sees it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct GroupView {
    /// Its name.
    pub name: String,
    /// Role names, sorted.
    pub roles: Vec<String>,
    /// Login names of the first members; `None` where nobody asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<String>>,
    /// Whether there are more of them.
    #[serde(default)]
    pub more: bool,
}

impl From<Group> for GroupView {
    fn from(group: Group) -> Self {
        Self { name: group.name, roles: group.roles, members: None, more: false }
    }
}

/// A signing key as an operator sees it; nothing of it is secret.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct KeyView {
    /// Its name in token headers.
    pub kid: String,
    /// What it signs with, as in `alg`.
    pub algorithm: String,
    /// When it was made; `None` for keys from the configuration.
    pub created: Option<String>,
    /// Since when it only verifies; `None` for the current one.
    pub retired: Option<String>,
    /// From when on it signs, where that is yet to come.
    #[serde(default)]
    pub signs_from: Option<String>,
}

impl From<KeyInfo> for KeyView {
    fn from(key: KeyInfo) -> Self {
        Self {
            kid: key.kid,
            algorithm: key.algorithm.to_string(),
            created: key.created.map(|at| at.to_string()),
            retired: key.retired.map(|at| at.to_string()),
            signs_from: key.signs_from.map(|at| at.to_string()),
        }
    }
}

/// How a running gateway is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Health {
    /// Whether it serves: false while it starts and while it drains, and where it lets nobody in by what
    /// it remembers because it is [stale](Self::stale).
    pub ready: bool,
    /// Whether nothing was heard for too long of what others have changed in a store that they share.
    #[serde(default)]
    pub stale: bool,
    /// The version of the binary.
    pub version: String,
    /// Whole seconds since it started.
    pub uptime: u64,
    /// Where it listens.
    pub listeners: Vec<String>,
    /// SHA-256 of the policy file in force, in hex; empty from a gateway that does not tell.
    #[serde(default)]
    pub policy: String,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uptime = humantime::format_duration(std::time::Duration::from_secs(self.uptime));
        let state = match (self.ready, self.stale) {
            (true, false) => "ready",
            (true, true) => "ready, with a store that is stale",
            (false, true) => "not ready, the store is stale",
            (false, false) => "not ready",
        };
        let listeners = self.listeners.join(", ");
        write!(f, "{state}: portcullis {}, up {uptime}, listening on {listeners}", self.version)
    }
}
