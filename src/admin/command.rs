//! What an operator can ask for: the words of the admin socket.

mod audit;
mod filter;
mod invitation;
mod policy;
mod reply;
mod session;
mod user_key;

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize, Serializer};

use super::explained::Asked;
use super::record::Record;
use super::transfer::Place;
use crate::secret::Secret;
use crate::store::Numbers;

pub use audit::{AuditCommand, AuditFault, AuditFilter, AuditLines, AuditState};
pub use filter::UserFilter;
pub use invitation::InvitationView;
pub use policy::{PolicyCommand, PolicyView};
pub use reply::{Reply, SecretLink};
pub use session::{SessionList, SessionView};
pub use user_key::{ApiKeyAdd, ApiKeyList, UserKeyView};

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
    /// The users with ids above `after`, at most `limit` of them. Of a filter, whoever has just
    /// that name comes first.
    UserList {
        /// The last id of the page before.
        after: Option<u64>,
        /// How many at most; the door has a bound of its own.
        limit: usize,
        /// Which ones.
        #[serde(default, skip_serializing_if = "UserFilter::is_empty")]
        filter: UserFilter,
    },
    /// One user.
    UserShow {
        /// The login name.
        name: String,
    },
    /// The second factors of a user.
    UserFactors {
        /// The login name.
        name: String,
    },
    /// Removes the second factors of a user, who has lost them: its password is enough then, and
    /// its sessions go on without.
    FactorsReset {
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
    /// Sets the address; an empty one removes it. No letter is sent.
    EmailSet {
        /// The login name.
        name: String,
        /// The address.
        email: String,
        /// Whether it is known to be the user's.
        #[serde(default)]
        verified: bool,
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
    /// Puts a user into a group.
    GroupJoin {
        /// The login name.
        name: String,
        /// The group.
        group: String,
    },
    /// Takes a user out of a group.
    GroupLeave {
        /// The login name.
        name: String,
        /// The group.
        group: String,
    },
    /// Makes a group.
    GroupAdd {
        /// Its name.
        group: String,
    },
    /// All groups.
    GroupList,
    /// One group, and some of its members.
    GroupShow {
        /// Its name.
        group: String,
    },
    /// Removes a group; its members lose what it gave.
    GroupDelete {
        /// Its name.
        group: String,
    },
    /// Gives a role to all members of a group.
    GroupRoleAdd {
        /// The group.
        group: String,
        /// The role.
        role: String,
    },
    /// Takes a role that a group gave.
    GroupRoleRemove {
        /// The group.
        group: String,
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
    /// Living sessions: those of a user, or of all.
    SessionList(SessionList),
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
    /// Takes users in, with everything that is theirs, and what stands beside them.
    Import {
        /// What comes in.
        records: Vec<Record>,
        /// Says what would become of it, and changes nothing.
        #[serde(default)]
        dry_run: bool,
    },
    /// Everything from there on, at most `limit` records of it.
    Export {
        /// The end of the page before; the beginning when left out.
        #[serde(default)]
        place: Place,
        /// How many at most; the door has a bound of its own.
        limit: usize,
    },
    /// Takes an invitation back.
    InviteRevoke {
        /// Its number.
        id: u64,
    },
    /// Makes an API key of a user.
    ApiKeyAdd(ApiKeyAdd),
    /// API keys: those of a user, or of all.
    ApiKeyList(ApiKeyList),
    /// Revokes an API key, from the next request on.
    ApiKeyRevoke {
        /// Its number.
        id: u64,
    },
    /// The last numbers that were given, after lifting each to the one here; 0 lifts nothing.
    Numbers(Numbers),
    /// The signing keys.
    KeyList,
    /// Makes a new signing key; the old one verifies until its last token is dead.
    KeyRotate,
    /// The audit record.
    Audit(AuditCommand),
    /// The policy file of the gateway.
    Policy(PolicyCommand),
    /// Why the last requests with an id ended as they did.
    Why {
        /// The id, as the answer had it in `X-Request-Id`.
        id: String,
    },
    /// What becomes of a request that nobody has sent.
    Explain(Asked),
    /// How the gateway is.
    Health,
    /// What the gateway does, and how it went lately.
    State,
}

impl Command {
    /// What the record says of it before it is carried out: its name, and whom or what it
    /// changes. `None` for those that only look.
    pub(super) fn act(&self) -> Option<(&'static str, Option<&str>)> {
        Some(match self {
            Self::UserAdd { name, .. } => ("user add", Some(name)),
            Self::FactorsReset { name } => ("user factors --reset", Some(name)),
            Self::SetPassword { name, .. } => ("user set-password", Some(name)),
            Self::EmailSet { name, .. } => ("user set-email", Some(name)),
            Self::ResetLink { name } => ("user reset-link", Some(name)),
            Self::Activate { name } => ("user activate", Some(name)),
            Self::Deactivate { name } => ("user deactivate", Some(name)),
            Self::Delete { name } => ("user delete", Some(name)),
            Self::RoleAdd { name, .. } => ("user role add", Some(name)),
            Self::RoleRemove { name, .. } => ("user role remove", Some(name)),
            Self::ClaimSet { name, .. } => ("user claim set", Some(name)),
            Self::GroupJoin { name, .. } => ("user group add", Some(name)),
            Self::GroupLeave { name, .. } => ("user group remove", Some(name)),
            Self::GroupAdd { group } => ("group add", Some(group)),
            Self::GroupDelete { group } => ("group delete", Some(group)),
            Self::GroupRoleAdd { group, .. } => ("group role add", Some(group)),
            Self::GroupRoleRemove { group, .. } => ("group role remove", Some(group)),
            Self::SessionEnd { name, .. } => ("session end", Some(name)),
            Self::SessionEndAll { name } => ("session end --all", Some(name)),
            Self::Import { dry_run: false, .. } => ("import", None),
            Self::Export { .. } => ("export", None),
            Self::InviteAdd { .. } => ("invite add", None),
            Self::InviteRevoke { .. } => ("invite revoke", None),
            Self::ApiKeyAdd(add) => ("api-key add", Some(&add.user)),
            Self::ApiKeyRevoke { .. } => ("api-key revoke", None),
            Self::KeyRotate => ("key rotate", None),
            Self::Policy(command) => (command.name(), None),
            Self::UserList { .. }
            | Self::UserShow { .. }
            | Self::UserFactors { .. }
            | Self::SessionList(_)
            | Self::InviteList { .. }
            | Self::ApiKeyList(_)
            | Self::Import { dry_run: true, .. }
            | Self::Numbers(_)
            | Self::Audit(_)
            | Self::GroupList
            | Self::GroupShow { .. }
            | Self::KeyList
            | Self::Why { .. }
            | Self::Explain(_)
            | Self::Health
            | Self::State => return None,
        })
    }
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
        let text = r#"{"command": "api-key-add", "user": "alice", "name": "n"}"#;
        assert!(serde_json::from_str::<Command>(text).is_ok());
        let text = r#"{"command": "api-key-add", "user": "alice", "name": "n", "scope": []}"#;
        assert!(serde_json::from_str::<Command>(text).is_err());
    }
}
