//! What stands on a line of an export: a user, or something that stands beside the users.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::UserRecord;
use super::incoming::{email, from_hex, role_names};
use crate::admin::checks;
use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::session::hex;
use crate::store::{Group, Invitation, KeptInvitation};

/// Something that moves in or out.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Record {
    /// A user with everything that is its own.
    User(Box<UserRecord>),
    /// A group with its roles; who is in it is written at the users.
    Group(GroupRecord),
    /// An invitation that can still be used.
    Invitation(InvitationRecord),
    /// Ids that nobody gets again.
    Deleted(DeletedRecord),
}

/// A group as written.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRecord {
    /// Its name.
    pub name: String,
    /// The roles of its members.
    #[serde(default)]
    pub roles: Vec<String>,
}

/// An invitation as written.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct InvitationRecord {
    /// Its number.
    pub id: u64,
    /// SHA-256 of the text that was handed out, in hex.
    pub hash: String,
    /// The only address that may be registered with it; left out for any.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub email: String,
    /// Roles that the account gets.
    #[serde(default)]
    pub roles: Vec<String>,
    /// How often it may still be used.
    pub left: NonZeroU32,
    /// When it was made.
    pub created: u64,
    /// It is good before this moment.
    pub expires: u64,
}

/// Ids of users who were deleted.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DeletedRecord {
    /// In order.
    pub ids: Vec<u64>,
}

impl GroupRecord {
    /// The group that is meant.
    pub(in crate::admin) fn into_group(self) -> Result<Group, String> {
        let name = checks::group(&self.name).map_err(|refusal| refusal.detail)?;
        Ok(Group { name, roles: role_names(self.roles)? })
    }
}

impl From<Group> for GroupRecord {
    fn from(Group { name, roles }: Group) -> Self {
        Self { name, roles }
    }
}

impl InvitationRecord {
    /// The invitation that is meant.
    pub(in crate::admin) fn into_kept(self) -> Result<KeptInvitation, String> {
        if self.id == 0 {
            return Err("an invitation has a number".to_owned());
        }
        let hash = from_hex(&self.hash).ok_or("the invitation is damaged")?;
        let invitation = Invitation {
            id: self.id,
            email: email(&self.email)?,
            roles: role_names(self.roles)?,
            left: self.left,
            created: Timestamp::from_millis(self.created),
            expires: Timestamp::from_millis(self.expires),
        };
        Ok(KeptInvitation { hash, invitation })
    }
}

impl From<KeptInvitation> for InvitationRecord {
    fn from(KeptInvitation { hash, invitation }: KeptInvitation) -> Self {
        Self {
            id: invitation.id,
            hash: hex(&hash),
            email: invitation.email,
            roles: invitation.roles,
            left: invitation.left,
            created: invitation.created.as_millis(),
            expires: invitation.expires.as_millis(),
        }
    }
}

impl DeletedRecord {
    /// The ids that are meant.
    pub(in crate::admin) fn into_ids(self) -> Result<Vec<UserId>, String> {
        if self.ids.contains(&0) {
            return Err("0 is nobody's id".to_owned());
        }
        Ok(self.ids.into_iter().map(UserId).collect())
    }
}
