//! What the audit record says of changes.

use crate::audit::{Audit, Event, Kind};
use crate::identity::{SessionId, UserId};
use crate::store::{EndReason, User, UserChange};

/// What is recorded of a change of a user; `None` for what decides nothing.
pub(super) fn change(change: &UserChange) -> Option<Event> {
    let event = Event::new;
    Some(match change {
        UserChange::Password { .. } => event(Kind::PasswordChanged),
        UserChange::Active(true) => event(Kind::Activated),
        UserChange::Active(false) => event(Kind::Deactivated),
        UserChange::AddRole(role) => event(Kind::RoleAdded).with("role", role),
        UserChange::RemoveRole(role) => event(Kind::RoleRemoved).with("role", role),
        UserChange::SetClaim { name, value } => {
            event(Kind::ClaimSet).with("claim", name).with("value", value)
        }
        UserChange::RemoveClaim(name) => event(Kind::ClaimRemoved).with("claim", name),
        UserChange::Email { email, verified } => event(Kind::EmailChanged)
            .with("email", email)
            .with("verified", if *verified { "yes" } else { "no" }),
        UserChange::LoggedOutEverywhere(_) => event(Kind::LoggedOutEverywhere),
        UserChange::JoinGroup(group) => event(Kind::GroupJoined).with("group", group),
        UserChange::LeaveGroup(group) => event(Kind::GroupLeft).with("group", group),
        UserChange::Rehash { .. } | UserChange::LoggedIn(_) => return None,
    })
}

/// What is recorded of the end of a session.
pub(super) fn ended(user: UserId, session: SessionId, reason: EndReason) -> Event {
    let event = match reason {
        EndReason::LoggedOut => Event::new(Kind::SessionEnded).with("why", "logout"),
        EndReason::Operator => Event::new(Kind::SessionEnded).with("why", "operator"),
        EndReason::Reused => Event::new(Kind::TokenReused),
    };
    event.to_id(user).with("session", session.to_string())
}

/// A login that is being checked. Dropped without a word, because whoever asked went away, it
/// has failed: nobody tries passwords unseen by hanging up.
pub(super) struct Attempt<'a> {
    audit: &'a Audit,
    username: &'a str,
    found: Option<&'a User>,
    open: bool,
}

impl<'a> Attempt<'a> {
    pub(super) const fn new(audit: &'a Audit, username: &'a str, found: Option<&'a User>) -> Self {
        Self { audit, username, found, open: true }
    }

    /// It was right, or could not be checked.
    pub(super) fn did_not_fail(mut self) {
        self.open = false;
    }

    pub(super) fn failed(mut self, why: &'static str) {
        self.open = false;
        self.record(why);
    }

    fn record(&self, why: &'static str) {
        let event = Event::new(Kind::LoginFailed).with("why", why);
        self.audit.record(match self.found {
            Some(user) => event.to_user(user),
            // What was typed may be a password in the wrong field: it is known again, not read.
            None => event.with("typed", self.audit.digest(self.username)),
        });
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.open {
            self.record("abandoned");
        }
    }
}
