//! What an operator can ask for, and what comes back: the words of the admin socket.

mod invitation;

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize, Serializer};

use super::SessionView;
use crate::keys::KeyInfo;
use crate::secret::Secret;
use crate::store::User;

pub use invitation::InvitationView;

/// One thing that an operator can do.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    /// Makes a user; reserved names are free to operators.
    UserAdd {
        /// The login name.
        name: String,
        /// The address; empty for none.
        #[serde(default)]
        email: String,
        /// Roles from the start.
        #[serde(default)]
        roles: Vec<String>,
        /// `None`: no login by password.
        password: Option<NewPassword>,
        /// Takes a password that the policy calls weak.
        #[serde(default)]
        force: bool,
    },
    /// The users with ids above `after`, at most `limit` of them.
    UserList {
        /// The last id of the page before.
        after: Option<u64>,
        /// How many at most; the door has a bound of its own.
        limit: usize,
    },
    /// One user.
    UserShow {
        /// The login name.
        name: String,
    },
    /// Sets a password; every session of the user is over.
    SetPassword {
        /// The login name.
        name: String,
        /// The new password.
        password: NewPassword,
        /// Takes a password that the policy calls weak.
        #[serde(default)]
        force: bool,
    },
    /// Lets a user in again.
    Activate {
        /// The login name.
        name: String,
    },
    /// Shuts a user out, from the next request on.
    Deactivate {
        /// The login name.
        name: String,
    },
    /// Removes a user for good.
    Delete {
        /// The login name.
        name: String,
    },
    /// Gives a role.
    RoleAdd {
        /// The login name.
        name: String,
        /// The role.
        role: String,
    },
    /// Takes a role.
    RoleRemove {
        /// The login name.
        name: String,
        /// The role.
        role: String,
    },
    /// Sets a claim; an empty value removes it.
    ClaimSet {
        /// The login name.
        name: String,
        /// The claim's name.
        claim: String,
        /// Its value.
        value: String,
    },
    /// A link with which the user may choose a new password.
    ResetLink {
        /// The login name.
        name: String,
    },
    /// The living sessions of a user.
    SessionList {
        /// The login name.
        name: String,
    },
    /// Ends a session of a user, from the next request on.
    SessionEnd {
        /// The login name.
        name: String,
        /// The session's id.
        session: String,
    },
    /// Ends every session and token of a user, from the next request on.
    SessionEndAll {
        /// The login name.
        name: String,
    },
    /// Makes an invitation to `register/`.
    InviteAdd {
        /// The only address that may be registered with it; empty for any.
        #[serde(default)]
        email: String,
        /// Roles that the account gets.
        #[serde(default)]
        roles: Vec<String>,
        /// How many accounts may be made with it.
        uses: NonZeroU32,
        /// How long it is good, in seconds.
        life: NonZeroU32,
    },
    /// The invitations with numbers above `after`, at most `limit` of them.
    InviteList {
        /// The last number of the page before.
        after: Option<u64>,
        /// How many at most; the door has a bound of its own.
        limit: usize,
    },
    /// Takes an invitation back.
    InviteRevoke {
        /// Its number.
        id: u64,
    },
    /// The signing keys.
    KeyList,
    /// Makes a new signing key; the old one verifies until its last token is dead.
    KeyRotate,
    /// How the gateway is.
    Health,
}

/// A password on its way in. It is written out for the socket only and never printed.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct NewPassword(pub Secret);

impl Serialize for NewPassword {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = std::str::from_utf8(self.0.expose());
        serializer.serialize_str(text.map_err(serde::ser::Error::custom)?)
    }
}

/// A link that opens an account. It is written out for the operator only and never printed.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct SecretLink(pub String);

impl fmt::Debug for SecretLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretLink(..)")
    }
}

/// What came of a [`Command`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// The user as it is now.
    User(UserView),
    /// One page of users.
    Users {
        /// In order of their ids.
        users: Vec<UserView>,
        /// Where the next page begins, if there may be one.
        next: Option<u64>,
    },
    /// The user is gone.
    Deleted {
        /// The name it had.
        username: String,
    },
    /// A link for the user alone.
    Link {
        /// Whose it is.
        username: String,
        /// Where it leads.
        link: SecretLink,
        /// When it ends.
        expires: String,
    },
    /// Where a user is logged in.
    Sessions {
        /// The newest first.
        sessions: Vec<SessionView>,
    },
    /// A session is over, or all of them are.
    SessionsEnded {
        /// Whose.
        username: String,
        /// The session's id; `None` for all.
        session: Option<String>,
    },
    /// An invitation that was just made.
    Invited(InvitationView),
    /// One page of invitations.
    Invitations {
        /// In order of their numbers.
        invitations: Vec<InvitationView>,
        /// Where the next page begins, if there may be one.
        next: Option<u64>,
    },
    /// The invitation is good for nothing now.
    Revoked {
        /// Its number.
        id: u64,
    },
    /// Every key, the current one first.
    Keys {
        /// The keys.
        keys: Vec<KeyView>,
    },
    /// The key that signs now.
    Key(KeyView),
    /// How the gateway is.
    Health(Health),
}

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
    /// Role names, sorted.
    pub roles: Vec<String>,
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
            claims: user.claims,
            created: user.created.to_string(),
            last_login: user.last_login.map(|at| at.to_string()),
        }
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
}

impl From<KeyInfo> for KeyView {
    fn from(key: KeyInfo) -> Self {
        Self {
            kid: key.kid,
            algorithm: key.algorithm.to_string(),
            created: key.created.map(|at| at.to_string()),
            retired: key.retired.map(|at| at.to_string()),
        }
    }
}

/// How a running gateway is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Health {
    /// Whether it serves: false while it starts and while it drains.
    pub ready: bool,
    /// The version of the binary.
    pub version: String,
    /// Whole seconds since it started.
    pub uptime: u64,
    /// Where it listens.
    pub listeners: Vec<String>,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uptime = humantime::format_duration(std::time::Duration::from_secs(self.uptime));
        let state = if self.ready { "ready" } else { "not ready" };
        let listeners = self.listeners.join(", ");
        write!(f, "{state}: portcullis {}, up {uptime}, listening on {listeners}", self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set_password() -> Command {
        let password = NewPassword("Tr1cky-Phrase-77".to_owned().into());
        Command::SetPassword { name: "alice".into(), password, force: false }
    }

    #[test]
    fn a_command_never_prints_its_password() {
        assert!(!format!("{:?}", set_password()).contains("Tr1cky"));
    }

    #[test]
    fn a_reply_never_prints_its_link() {
        let link = SecretLink("https://a.test/reset?token=T0ken".to_owned());
        let reply = Reply::Link { username: "alice".into(), link, expires: String::new() };
        assert!(!format!("{reply:?}").contains("T0ken"));
    }

    #[test]
    fn a_command_survives_the_wire() {
        let text = serde_json::to_string(&set_password()).unwrap();
        let Command::SetPassword { name, password, force } = serde_json::from_str(&text).unwrap()
        else {
            panic!("{text}");
        };
        assert_eq!((name.as_str(), force), ("alice", false));
        assert!(password.0.matches(b"Tr1cky-Phrase-77"));
    }

    #[test]
    fn a_misspelt_field_is_no_command() {
        let text = r#"{"command": "deactivate", "nme": "alice"}"#;
        assert!(serde_json::from_str::<Command>(text).is_err());
        let text = r#"{"command": "deactivate", "name": "alice", "forse": true}"#;
        assert!(serde_json::from_str::<Command>(text).is_err());
    }
}
