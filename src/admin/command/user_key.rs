//! API keys of users in the words of the admin socket.

use std::fmt;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::session::ShownKey;
use crate::store::UserKey;

/// An API key to be made.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyAdd {
    /// The login name of its owner.
    pub user: String,
    /// What it is called.
    pub name: String,
    /// The roles that it may use; left out: all that its owner has.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    /// How long it is good, in seconds; left out: as long as keys may live.
    #[serde(default)]
    pub life: Option<NonZeroU32>,
}

/// Which API keys are listed.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyList {
    /// Those of the user of that name alone, all at once.
    #[serde(default)]
    pub user: Option<String>,
    /// The last number of the page before.
    pub after: Option<u64>,
    /// How many at most; the door has a bound of its own.
    pub limit: usize,
}

/// An API key as an operator sees it. Moments are RFC 3339, in UTC.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
pub struct UserKeyView {
    /// The number.
    pub id: u64,
    /// Whose it is.
    pub username: String,
    /// What it is called.
    pub name: String,
    /// How it begins.
    pub hint: String,
    /// The roles that it may use, as far as its owner has them; `None`: all that the owner has.
    pub scopes: Option<Vec<String>>,
    /// When it was made.
    pub created: String,
    /// When it ends, if it does by itself.
    pub expires: Option<String>,
    /// Whether that was before now.
    pub expired: bool,
    /// The last use that the store has heard of.
    pub last_used: Option<String>,
    /// What to hand out: told once, when it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl UserKeyView {
    /// The key as it is at that moment.
    pub(in crate::admin) fn new(key: UserKey, username: String, now: Timestamp) -> Self {
        let text = |moment: Timestamp| moment.to_string();
        Self {
            id: key.id,
            username,
            expired: key.is_expired(now),
            name: key.name,
            hint: key.hint,
            scopes: key.scopes,
            created: text(key.created),
            expires: key.expires.map(text),
            last_used: key.last_used.map(text),
            key: None,
        }
    }

    /// The key with what to hand out.
    pub(in crate::admin) fn made(made: ShownKey, username: String, now: Timestamp) -> Self {
        let key = Some(made.text.as_str().to_owned());
        Self { key, ..Self::new(made.key, username, now) }
    }
}

impl fmt::Debug for UserKeyView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserKeyView").field("id", &self.id).finish_non_exhaustive()
    }
}
