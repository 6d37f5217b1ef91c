//! Where a user is logged in, and how an operator ends that.

use serde::{Deserialize, Serialize};

use super::door::unknown;
use super::{Door, Refusal, RefusalKind, Reply};
use crate::identity::SessionId;
use crate::printable::Printable;
use crate::store::{EndReason, Session, UserChange};

/// Most sessions of one reply.
const MOST: usize = 500;

/// A session as an operator sees it. Moments are RFC 3339, in UTC.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SessionView {
    /// As the `sid` claim has it.
    pub id: String,
    /// What logged in, in its own words.
    pub device: String,
    /// The client address at login.
    pub address: String,
    /// When the login was.
    pub started: String,
    /// The last use that the store has heard of.
    pub last_used: String,
}

impl From<Session> for SessionView {
    fn from(session: Session) -> Self {
        Self {
            id: session.id.to_string(),
            device: session.device,
            address: session.address,
            started: session.started.to_string(),
            last_used: session.last_used.to_string(),
        }
    }
}

impl Door {
    /// The living sessions of a user, the newest first.
    pub(super) async fn sessions(&self, name: &str) -> Result<Reply, Refusal> {
        let user = self.find(name).await?;
        let sessions = self.accounts.sessions(user.id, MOST).await?;
        Ok(Reply::Sessions { sessions: sessions.into_iter().map(SessionView::from).collect() })
    }

    /// Ends one session of a user.
    pub(super) async fn end_session(&self, name: &str, session: String) -> Result<Reply, Refusal> {
        let user = self.find(name).await?;
        let id: SessionId = session.parse().map_err(|_| {
            let what = format!("`{}` is no session id", Printable(&session));
            Refusal::invalid(format!(
                "{what}; `portcullis session list NAME` shows those there are"
            ))
        })?;
        if !self.accounts.end_session(user.id, id, EndReason::Operator).await? {
            let detail = format!("{} has no living session `{id}`", Printable(&user.username));
            return Err(Refusal::new(RefusalKind::NotFound, detail));
        }
        tracing::info!(user = %user.id, session = %id, "session ended by an operator");
        Ok(Reply::SessionsEnded { username: user.username, session: Some(session) })
    }

    /// Ends every session of a user, and every token that was made elsewhere.
    pub(super) async fn end_sessions(&self, name: &str) -> Result<Reply, Refusal> {
        let user = self.find(name).await?;
        let change = UserChange::LoggedOutEverywhere(self.clock.now());
        let changed = self.accounts.change(user.id, change).await?;
        let username = changed.ok_or_else(|| unknown(name))?.username;
        tracing::info!(user = %user.id, "all sessions ended by an operator");
        Ok(Reply::SessionsEnded { username, session: None })
    }
}
