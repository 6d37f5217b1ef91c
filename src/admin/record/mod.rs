//! A user with everything that is its own, as it is written: in exports, and on its way through
//! the admin socket.
//!
//! Moments are milliseconds since 1970 (UTC), so that nothing is lost by writing them.

mod factors;
mod incoming;
mod line;
mod user_key;

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::session::hex;
use crate::store::{EndReason, KeptSession, Mark, RefreshGrant, SpentGrant, User, WholeUser};

pub use factors::{FactorsRecord, PasskeyRecord, SecondRecord};
pub use line::{DeletedRecord, GroupRecord, InvitationRecord, Record};
pub use user_key::UserKeyRecord;

/// A user as written.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UserRecord {
    /// 0: the next free one.
    #[serde(default)]
    pub id: u64,
    /// The login name.
    pub username: String,
    /// Empty if there is none.
    #[serde(default)]
    pub email: String,
    /// Whether the address is known to be the user's.
    #[serde(default)]
    pub email_verified: bool,
    /// The encoded hash; left out: no password is right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Hidden>,
    /// Whether the user is let in.
    pub active: bool,
    /// Role names, without those that it has by its groups.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Names of its groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Claims set by operators.
    #[serde(default)]
    pub claims: BTreeMap<String, String>,
    /// When the account was made.
    pub created: u64,
    /// The last login by password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_login: Option<u64>,
    /// What ended with the last change of password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_mark: Option<MarkRecord>,
    /// What ended with the last "log out everywhere".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logout_mark: Option<MarkRecord>,
    /// The key of `api-token-auth/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyRecord>,
    /// The keys that it made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<UserKeyRecord>,
    /// Its second factors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factors: Option<FactorsRecord>,
    /// Sessions, ended ones too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<SessionRecord>,
}

/// A text that is written out, but never printed.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Hidden(pub String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(..)")
    }
}

/// A line drawn through a user's sessions.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MarkRecord {
    /// Every session up to this number is over.
    pub session: u64,
    /// And every token made elsewhere that was issued by then.
    pub at: u64,
}

/// An API key as written.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum KeyRecord {
    /// The key itself, to be sealed.
    Plain(Hidden),
    /// As the store has it: SHA-256 in hex, and the key encrypted by the key ring in base64.
    Sealed {
        /// SHA-256.
        hash: String,
        /// Encrypted.
        sealed: Hidden,
    },
}

/// A session as written.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SessionRecord {
    /// Its `sid`; left out: the next number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// See [`crate::store::Session::started`].
    pub started: u64,
    /// See [`crate::store::Session::last_used`].
    pub last_used: u64,
    /// See [`crate::store::Session::expires`].
    pub expires: u64,
    /// See [`crate::store::Session::ends`].
    pub ends: u64,
    /// When and why it was ended early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<(u64, Reason)>,
    /// The refresh token that is good now: `jti`, `iat`, `exp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<GrantRecord>,
    /// The spent ones: `jti`, when, and what it was exchanged for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spent: Vec<(String, u64, GrantRecord)>,
    /// See [`crate::store::Session::device`].
    #[serde(default)]
    pub device: String,
    /// See [`crate::store::Session::address`].
    #[serde(default)]
    pub address: String,
    /// The `jti` of the token made elsewhere that it stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted: Option<String>,
    /// What was shown beside the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<SecondRecord>,
}

/// `jti`, `iat` and `exp` of a refresh token.
pub type GrantRecord = (String, u64, u64);

/// Why a session ended, as written.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// See [`EndReason::LoggedOut`].
    LoggedOut,
    /// See [`EndReason::Reused`].
    Reused,
    /// See [`EndReason::Operator`].
    Operator,
}

impl From<WholeUser> for UserRecord {
    fn from(whole: WholeUser) -> Self {
        let WholeUser { user, key, keys, factors, sessions } = whole;
        let User { id, username, email, email_verified, password, active, roles, .. } = user;
        let mark = |mark: Mark| MarkRecord { session: mark.session, at: mark.at.as_millis() };
        Self {
            id: id.0,
            username,
            email,
            email_verified,
            password: password.map(|hash| Hidden(hash.expose().to_owned())),
            active,
            roles,
            groups: user.groups,
            claims: user.claims,
            created: user.created.as_millis(),
            last_login: user.last_login.map(Timestamp::as_millis),
            password_mark: user.password_mark.map(mark),
            logout_mark: user.logout_mark.map(mark),
            key: key.map(|key| KeyRecord::Sealed {
                hash: hex(&key.hash),
                sealed: Hidden(STANDARD.encode(&key.sealed)),
            }),
            keys: keys.into_iter().map(Into::into).collect(),
            factors: factors.map(Into::into),
            sessions: sessions.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<KeptSession> for SessionRecord {
    fn from(kept: KeptSession) -> Self {
        let KeptSession { session, adopted } = kept;
        let grant =
            |grant: RefreshGrant| (grant.jti, grant.issued.as_millis(), grant.expires.as_millis());
        let spent = |spent: SpentGrant| (spent.jti, spent.at.as_millis(), grant(spent.successor));
        Self {
            sid: Some(session.id.to_string()),
            started: session.started.as_millis(),
            last_used: session.last_used.as_millis(),
            expires: session.expires.as_millis(),
            ends: session.ends.as_millis(),
            ended: session.ended.map(|(at, reason)| (at.as_millis(), reason.into())),
            refresh: session.refresh.map(grant),
            spent: session.spent.into_iter().map(spent).collect(),
            device: session.device,
            address: session.address,
            adopted,
            second: session.second.map(Into::into),
        }
    }
}

impl From<EndReason> for Reason {
    fn from(reason: EndReason) -> Self {
        match reason {
            EndReason::LoggedOut => Self::LoggedOut,
            EndReason::Reused => Self::Reused,
            EndReason::Operator => Self::Operator,
        }
    }
}

#[cfg(test)]
mod tests;
