//! Invitations in the words of the admin socket.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::session::Invited;
use crate::store::Invitation;

/// An invitation as an operator sees it. Moments are RFC 3339, in UTC.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
pub struct InvitationView {
    /// The number.
    pub id: u64,
    /// The only address that may be registered with it; empty for any.
    pub email: String,
    /// Roles that the account gets.
    pub roles: Vec<String>,
    /// How many accounts may still be made with it.
    pub left: u32,
    /// When it was made.
    pub created: String,
    /// When it ends.
    pub expires: String,
    /// Whether that was before now.
    pub expired: bool,
    /// What to hand out: told once, when it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invite: Option<String>,
}

impl InvitationView {
    /// The invitation as it is at that moment.
    pub(in crate::admin) fn new(invitation: Invitation, now: Timestamp) -> Self {
        Self {
            id: invitation.id,
            email: invitation.email,
            roles: invitation.roles,
            left: invitation.left.get(),
            created: invitation.created.to_string(),
            expires: invitation.expires.to_string(),
            expired: invitation.expires <= now,
            invite: None,
        }
    }

    /// The invitation with what to hand out.
    pub(in crate::admin) fn made(made: Invited, now: Timestamp) -> Self {
        let invite = Some(made.text.as_str().to_owned());
        Self { invite, ..Self::new(made.invitation, now) }
    }
}

impl fmt::Debug for InvitationView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvitationView").field("id", &self.id).finish_non_exhaustive()
    }
}
