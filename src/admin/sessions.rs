//! Where users are logged in, and how an operator ends that.

use std::net::IpAddr;

use ipnet::IpNet;

use super::door::unknown;
use super::{Door, Refusal, RefusalKind, Reply, SessionList, SessionView};
use crate::identity::SessionId;
use crate::printable::Printable;
use crate::session::Living;
use crate::store::{EndReason, Session, UserChange};

/// Most sessions of one reply.
const MOST: usize = 500;

impl Door {
    /// The living sessions of a user, or of everybody, the newest first.
    pub(super) async fn sessions(&self, asked: SessionList) -> Result<Reply, Refusal> {
        let network = asked.network()?;
        let user = match &asked.name {
            Some(name) => Some(self.find(name).await?),
            None => None,
        };
        let began_there = |session: &Session| {
            let is_within = |network: IpNet| {
                session.address.parse::<IpAddr>().is_ok_and(|address| network.contains(&address))
            };
            network.is_none_or(is_within)
        };
        let most = asked.limit.unwrap_or(MOST).clamp(1, MOST);
        let living = self.accounts.living_sessions(user.as_ref(), asked.before, most, began_there);
        let Living { sessions, next } = living.await?;
        let sessions = sessions.into_iter().map(|(session, name)| SessionView::new(session, name));
        Ok(Reply::Sessions { sessions: sessions.collect(), next })
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
