//! What operators read in the audit record.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::Door;
use super::running::no_gateway;
use crate::admin::{
    AuditCommand, AuditFilter, AuditLines, AuditState, Refusal, RefusalKind, Reply,
};
use crate::audit::{Actor, Audit, AuditError, Line, OwnLine};
use crate::identity::UserId;

/// Most lines of one reply.
const MOST: usize = 500;

/// How many may have the record read at once.
pub(super) struct Readers {
    /// What is a user's own, which takes some milliseconds; others wait.
    own: Arc<Semaphore>,
    /// All of it; others are sent away.
    whole: Arc<Semaphore>,
}

impl Default for Readers {
    fn default() -> Self {
        Self { own: Arc::new(Semaphore::new(2)), whole: Arc::new(Semaphore::new(1)) }
    }
}

impl Door {
    pub(super) async fn audit(&self, command: AuditCommand) -> Result<Reply, Refusal> {
        match command {
            AuditCommand::List { about, before, limit } => {
                self.audit_lines(about, before, limit.clamp(1, MOST)).await
            }
            AuditCommand::Verify => self.verify_audit().await,
        }
    }

    async fn audit_lines(
        &self,
        about: AuditFilter,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Reply, Refusal> {
        let AuditFilter { name, event } = about;
        // Written so, it is found when the name is gone, or another's.
        let id: Option<UserId> = name.strip_prefix("user:").and_then(|id| id.parse().ok());
        let is_by_number = id.is_some();
        let user = match id {
            Some(id) => self.accounts.get(id).await?,
            None if name.is_empty() => None,
            None => self.accounts.find(&name).await?,
        };
        let id = user.as_ref().map(|user| user.id).or(id);
        let actor = id.map(|id| Actor::User(id).to_string());
        let called: Vec<_> = user.map(|user| user.username).into_iter().chain([name]).collect();
        let is_everything = called.iter().all(String::is_empty);
        let wanted = move |line: &Line| {
            let is = |key: &str, text: &str| line.get(key).is_some_and(|value| value == text);
            let to = line.get("user").and_then(serde_json::Value::as_u64);
            let happened = id.is_some_and(|id| to == Some(id.0));
            let event_is = |value: &str| {
                let rest = value.strip_prefix(&event);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            let acted = actor.as_ref().is_some_and(|actor| is("actor", actor));
            // Who has the number has not had the name for ever: a line that says whose it is, is theirs.
            let is_theirs = !is_by_number || to.is_none();
            let is_called = is_theirs && called.iter().any(|name| is("name", name));
            let about = is_everything || is_called || happened || acted;
            let named = line.get("event").and_then(serde_json::Value::as_str);
            about && (event.is_empty() || named.is_some_and(event_is))
        };
        let lost = self.accounts.audit().lost();
        let found = self.read_audit(move |audit| audit.search(before, limit, wanted)).await?;
        let (lines, next) = found;
        Ok(Reply::Audit(AuditLines { lines, next, lost }))
    }

    /// What happened lately to that user, as far as the user may know it: at most `limit` lines.
    ///
    /// # Errors
    ///
    /// A [`Refusal`]; there is nothing to show.
    pub async fn lines_of(&self, user: UserId, limit: usize) -> Result<Vec<OwnLine>, Refusal> {
        // Everybody may ask. It is never closed.
        let own = Arc::clone(&self.readers.own);
        let turn = own.acquire_owned().await.map_err(|_closed| no_gateway())?;
        self.read_audit(move |audit| {
            let _turn = turn;
            audit.lines_of(user, limit)
        })
        .await
    }

    async fn verify_audit(&self) -> Result<Reply, Refusal> {
        let turn = Arc::clone(&self.readers.whole).try_acquire_owned().map_err(|_taken| {
            let detail = "the record is being checked just now; try again in a moment";
            Refusal::new(RefusalKind::Unavailable, detail)
        })?;
        let verdict = self.read_audit(move |audit| {
            let _turn = turn;
            audit.verify()
        });
        Ok(Reply::AuditState(AuditState::from(&verdict.await?)))
    }

    /// Reads where that holds nobody up.
    async fn read_audit<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Audit) -> Result<Option<T>, AuditError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let audit = self.accounts.audit().clone();
        let done = tokio::task::spawn_blocking(move || read(&audit)).await;
        let done = done.map_err(|_panicked| no_gateway())?;
        let unread = |error: AuditError| Refusal::new(RefusalKind::Unavailable, error.to_string());
        done.map_err(unread)?.ok_or_else(|| {
            let detail =
                "there is no audit record here; `[audit] enabled` of the policy file decides";
            Refusal::new(RefusalKind::NotFound, detail)
        })
    }
}
