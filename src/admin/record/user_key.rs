//! A key that a user made, as it is written.

use serde::{Deserialize, Serialize};

use super::incoming::from_hex;
use crate::clock::Timestamp;
use crate::identity::{UserId, is_role_name};
use crate::printable::is_active;
use crate::session::{check_key_name, hex};
use crate::store::UserKey;

/// Most characters of a hint.
const HINT: usize = 32;

/// A key that a user made, as written. Nobody can make the key of its hash.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UserKeyRecord {
    /// 0: the next free one, and so it is where the number is taken.
    #[serde(default)]
    pub id: u64,
    /// SHA-256 in hex.
    pub hash: String,
    /// What the user calls it.
    pub name: String,
    /// How it begins.
    #[serde(default)]
    pub hint: String,
    /// The roles that it may use; left out: all that the user has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// When it was made.
    pub created: u64,
    /// It is good before this moment; left out: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// When it was noted to be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<u64>,
}

impl UserKeyRecord {
    /// The key that is meant.
    pub(super) fn into_key(self, user: UserId) -> Result<UserKey, String> {
        let damaged = || "a key is damaged".to_owned();
        let hash = from_hex(&self.hash).ok_or_else(damaged)?;
        let name = check_key_name(&self.name).map_err(|_| damaged())?;
        let role = |role: &String| is_role_name(role);
        if self.hint.chars().count() > HINT
            || self.hint.chars().any(is_active)
            || !self.scopes.iter().flatten().all(role)
        {
            return Err(damaged());
        }
        let mut scopes = self.scopes;
        if let Some(scopes) = &mut scopes {
            scopes.sort_unstable();
            scopes.dedup();
        }
        let at = Timestamp::from_millis;
        Ok(UserKey {
            id: self.id,
            user,
            hash,
            name,
            hint: self.hint,
            scopes,
            created: at(self.created),
            expires: self.expires.map(at),
            last_used: self.last_used.map(at),
        })
    }
}

impl From<UserKey> for UserKeyRecord {
    fn from(key: UserKey) -> Self {
        Self {
            id: key.id,
            hash: hex(&key.hash),
            name: key.name,
            hint: key.hint,
            scopes: key.scopes,
            created: key.created.as_millis(),
            expires: key.expires.map(Timestamp::as_millis),
            last_used: key.last_used.map(Timestamp::as_millis),
        }
    }
}
