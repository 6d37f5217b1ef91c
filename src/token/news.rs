//! What those who verify our tokens elsewhere are told, signed as tokens are.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::compact::Compact;
use super::issue::part;
use crate::keys::{Algorithm, KeyError, KeyRing};

/// Something that is said in signed form, of a type of its own (RFC 8725 section 3.11), so that it
/// is no token of anybody's.
pub trait Sealed: Serialize + DeserializeOwned {
    /// The `typ` of its header.
    const TYPES: &'static [&'static str];

    /// The signed form.
    ///
    /// # Errors
    ///
    /// [`KeyError`]; say nothing.
    fn seal(&self, keys: &KeyRing) -> Result<String, KeyError> {
        keys.sign(|kid, algorithm| {
            let typ = Self::TYPES.first().copied().unwrap_or_default();
            let header = Header { alg: algorithm.as_str(), typ, kid };
            format!("{}.{}", part(&header), part(self))
        })
    }

    /// The name of the key that is said to have signed it. Not to be believed.
    fn said_key(text: &[u8]) -> Option<String> {
        Compact::parse_typed(text, Self::TYPES).ok()?.kid
    }

    /// What was said, if `is_genuine` knows the signature: by key id, algorithm, message and
    /// signature.
    fn open(
        text: &[u8],
        is_genuine: impl FnOnce(Option<&str>, Algorithm, &[u8], &str) -> bool,
    ) -> Option<Self> {
        let compact = Compact::parse_typed(text, Self::TYPES).ok()?;
        let Compact { algorithm, kid, message, signature, .. } = &compact;
        if !is_genuine(kid.as_deref(), *algorithm, message, signature) {
            return None;
        }
        serde_json::from_value(compact.payload().ok()?.into()).ok()
    }
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
}

/// One word of the feed: what has happened between two places of the journal, and what is so now.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct News {
    /// What the listener has sent, so that nobody replays an earlier conversation; `None` in what is
    /// said to all.
    pub nonce: Option<String>,
    /// Which journal.
    pub journal: String,
    /// From there,
    pub from: u64,
    /// to there.
    pub to: u64,
    /// Of whom something has changed: a session, the password, the roles, the account.
    pub users: Vec<String>,
    /// Whether that is everybody, or nobody knows who.
    pub everybody: bool,
    /// The names of all keys that tokens may be signed with.
    pub keys: Vec<String>,
    /// How long an access token lives, in seconds.
    pub life: u64,
    /// When this was said, in milliseconds since 1970.
    pub at: u64,
    /// How old the journal was then, in milliseconds, by a clock that nobody sets: what is told again,
    /// or late, is as old as it was.
    pub age: u64,
}

impl Sealed for News {
    const TYPES: &'static [&'static str] = &["news+jwt"];
}

/// What is asked about a token. `Debug` shows none.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Question {
    /// The token.
    pub token: String,
    /// Comes back with the answer.
    pub nonce: String,
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question").field("nonce", &self.nonce).finish_non_exhaustive()
    }
}

/// Whether a token is good now, and who its caller is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Verdict {
    /// That of the question.
    pub nonce: String,
    /// Which journal,
    pub journal: String,
    /// and a place in it: whatever is told behind it may have changed the answer.
    pub place: u64,
    /// The caller, as it is now; `None` if the token is good no more.
    pub caller: Option<Caller>,
}

impl Sealed for Verdict {
    const TYPES: &'static [&'static str] = &["verdict+jwt"];
}

/// What a token says of its caller, as it is now.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Caller {
    /// The id.
    pub user_id: String,
    /// The login name.
    pub username: String,
    /// The address, if there is one.
    pub email: Option<String>,
    /// Role names.
    pub roles: Vec<String>,
    /// How it was authenticated, where that took more than a password.
    #[serde(default)]
    pub amr: Vec<String>,
}
