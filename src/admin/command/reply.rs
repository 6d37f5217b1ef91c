//! What comes back from the door.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{AuditLines, AuditState, InvitationView, PolicyView, SessionView, UserKeyView};
use crate::admin::PastView;
use crate::admin::explained::Told;
use crate::admin::record::Record;
use crate::admin::state::StateView;
use crate::admin::transfer::{Outcome, Place};
use crate::admin::view::{FactorsView, GroupView, Health, KeyView, UserView};
use crate::store::Numbers;

/// A link that opens an account. It is written out for the operator only and never printed.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct SecretLink(pub String);

impl fmt::Debug for SecretLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretLink(..)")
    }
}

/// What came of a [`Command`](super::Command).
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
    /// The second factors of a user.
    Factors(FactorsView),
    /// The group as it is now.
    Group(GroupView),
    /// All groups.
    Groups {
        /// By name, without their members.
        groups: Vec<GroupView>,
    },
    /// The user or the group is gone.
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
    /// Where users are logged in.
    Sessions {
        /// The newest first.
        sessions: Vec<SessionView>,
        /// Where the next page begins, if there may be one.
        #[serde(default)]
        next: Option<u64>,
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
    /// An API key that was just made.
    ApiKeyMade(UserKeyView),
    /// API keys.
    ApiKeys {
        /// In order of their numbers.
        keys: Vec<UserKeyView>,
        /// Where the next page begins, if there may be one.
        next: Option<u64>,
    },
    /// The API key opens nothing any more.
    ApiKeyRevoked {
        /// Its number.
        id: u64,
    },
    /// What became of what came in, in its order.
    Imported {
        /// One for each.
        outcomes: Vec<Outcome>,
    },
    /// One page of everything.
    Exported {
        /// In the order in which they can come in again.
        records: Vec<Record>,
        /// Where the next page begins, if there may be one.
        next: Option<Place>,
    },
    /// The last numbers that were given.
    Numbers(Numbers),
    /// Every key, the current one first.
    Keys {
        /// The keys.
        keys: Vec<KeyView>,
    },
    /// The key that signs now.
    Key(KeyView),
    /// Lines of the audit record.
    Audit(AuditLines),
    /// Whether the audit record is whole.
    AuditState(AuditState),
    /// What is in force now.
    Policy(PolicyView),
    /// What is remembered of the requests that were asked for.
    Past {
        /// The oldest first; there is one at least.
        requests: Vec<PastView>,
    },
    /// What becomes of the request that was asked about.
    Explained(Box<Told>),
    /// How the gateway is.
    Health(Health),
    /// What the gateway does.
    State(StateView),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_never_prints_its_link() {
        let link = SecretLink("https://a.test/reset?token=T0ken".to_owned());
        let reply = Reply::Link { username: "alice".into(), link, expires: String::new() };
        assert!(!format!("{reply:?}").contains("T0ken"));
    }
}
