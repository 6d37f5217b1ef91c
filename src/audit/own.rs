//! What of the record its user may know: what happened in one's own account.

use serde::Serialize;
use serde_json::{Map, Value};

use super::search::{Bounds, Line, look};
use super::{Actor, Audit, AuditError, Kind};
use crate::identity::UserId;

/// Bytes that are looked through for a user: some twenty thousand lines, of which all but the
/// user's are passed over unparsed. A glance at one's account costs less than a login.
const MOST: u64 = 8 * 1024 * 1024;

/// Where a line says whom it is about: in its first bytes, before anything that somebody wrote.
const HEAD: usize = 160;

/// What else a user is told of an event; the rest is for operators.
const FACTS: [&str; 6] = ["device", "email", "factor", "name", "role", "roles"];

/// Something that happened in an account, as its user may know it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct OwnLine {
    /// When, in RFC 3339.
    pub at: String,
    /// The event's name.
    pub event: &'static str,
    /// Who did it.
    pub by: By,
    /// From where. Nothing is told of the address of others who have an account here.
    pub address: Option<String>,
    /// What else there is to know.
    pub facts: Map<String, Value>,
}

/// Who did something in an account.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// The user, or whoever gave the user's name: at a login nobody knows yet.
    Oneself,
    /// An operator, whichever.
    Operator,
    /// The gateway by itself.
    Gateway,
}

impl Kind {
    /// Whether the user to whom it happened is told of it.
    pub const fn is_told(self) -> bool {
        match self {
            Self::LoggedIn
            | Self::LoginFailed
            | Self::Throttled
            | Self::Registered
            | Self::SessionEnded
            | Self::TokenReused
            | Self::LoggedOutEverywhere
            | Self::UserAdded
            | Self::Activated
            | Self::Deactivated
            | Self::PasswordChanged
            | Self::EmailChanged
            | Self::RoleAdded
            | Self::RoleRemoved
            | Self::UserKeyAdded
            | Self::UserKeyRevoked
            | Self::FactorAdded
            | Self::FactorRemoved
            | Self::FactorRenamed
            | Self::FactorDue
            | Self::FactorFailed
            | Self::RecoveryCodesMade => true,
            // The login that it was a part of says so.
            Self::FactorUsed
            // How operators order their users.
            | Self::ClaimSet
            | Self::ClaimRemoved
            | Self::GroupJoined
            | Self::GroupLeft
            | Self::GroupAdded
            | Self::GroupDeleted
            | Self::GroupRoleAdded
            | Self::GroupRoleRemoved
            | Self::Command
            | Self::CommandRefused
            | Self::InvitationRevoked
            | Self::KeyRotated
            // Of the gateway and the record.
            | Self::RecordBegun
            | Self::RecordMended
            | Self::RecordBroken
            | Self::RecordLost
            | Self::Started
            | Self::Reloaded
            | Self::Stopped
            | Self::HandedOver
            // There is nobody left to tell.
            | Self::UserDeleted => false,
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl Audit {
    /// The last things that happened to that user and that the user may know, the newest first, at
    /// most `limit` of them; `None` where nothing is kept. Only the end of the record is looked
    /// through, however long it is. It reads files, which blocks.
    ///
    /// # Errors
    ///
    /// [`AuditError::Io`].
    pub fn lines_of(&self, user: UserId, limit: usize) -> Result<Option<Vec<OwnLine>>, AuditError> {
        let Some(path) = self.path() else { return Ok(None) };
        let failed = |source| AuditError::Io { path: path.to_owned(), source };
        let bounds = Bounds { before: None, lines: limit, bytes: MOST };
        let sign = format!(",\"user\":{user},");
        let may_be = |line: &[u8]| {
            let head = line.get(..HEAD).unwrap_or(line);
            head.windows(sign.len()).any(|part| part == sign.as_bytes())
        };
        // By number: a name may have been somebody else's before.
        let wanted = |line: &Line| own(line, user).is_some();
        let (lines, _) = look(path, bounds, may_be, wanted).map_err(failed)?;
        Ok(Some(lines.iter().filter_map(|line| own(line, user)).collect()))
    }
}

/// What that user may know of a line; `None` if it is nothing.
fn own(line: &Line, user: UserId) -> Option<OwnLine> {
    let text = |name: &str| line.get(name).and_then(Value::as_str);
    let kind = Kind::named(text("event")?).filter(|kind| kind.is_told())?;
    if line.get("user").and_then(Value::as_u64) != Some(user.0) {
        return None;
    }
    let actor = text("actor").unwrap_or_default();
    let is = |known: Actor| actor == known.to_string();
    let by = if is(Actor::Client) || is(Actor::User(user)) {
        By::Oneself
    } else if is(Actor::Gateway) {
        By::Gateway
    } else {
        By::Operator
    };
    let facts = line.get("facts").and_then(Value::as_object).into_iter().flatten();
    let facts = facts.filter(|(name, _)| FACTS.contains(&name.as_str()));
    Some(OwnLine {
        at: text("at")?.to_owned(),
        event: kind.as_str(),
        by,
        address: text("address").filter(|_| by == By::Oneself).map(str::to_owned),
        facts: facts.map(|(name, value)| (name.clone(), value.clone())).collect(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(user: u64, event: &str, actor: &str) -> Line {
        let line = json!({
            "seq": 1,
            "at": "2027-01-15T08:00:00.123Z",
            "event": event,
            "user": user,
            "actor": actor,
            "address": "192.0.2.7",
            "facts": { "role": "admin", "session": "7", "why": "operator" },
        });
        serde_json::from_value(line).unwrap()
    }

    #[test]
    fn an_operator_is_one_of_many_to_the_user() {
        for (actor, by, address) in [
            ("client", By::Oneself, Some("192.0.2.7")),
            ("user:7", By::Oneself, Some("192.0.2.7")),
            ("user:77", By::Operator, None),
            ("uid:0", By::Operator, None),
            ("operator", By::Operator, None),
            ("gateway", By::Gateway, None),
        ] {
            let told = own(&line(7, "role.added", actor), UserId(7)).unwrap();
            assert_eq!((told.by, told.address.as_deref()), (by, address), "{actor}");
            assert_eq!(Value::from(told.facts), json!({ "role": "admin" }));
        }
    }

    #[test]
    fn what_happened_to_others_or_is_for_operators_is_nobodys() {
        let told = |line: &Line| own(line, UserId(7)).is_some();
        assert!(told(&line(7, "login", "client")));
        // Whatever the user did to others is in their accounts.
        assert!(!told(&line(77, "login", "user:7")));
        for event in ["command", "group.joined", "claim.set", "factor.used", "nonsense", ""] {
            assert!(!told(&line(7, event, "user:7")), "{event}");
        }
    }
}
