//! The door itself: one command in, one reply or refusal out.

mod audit;
mod factors;
mod groups;
mod invitations;
mod running;
mod search;
mod user_keys;
mod users;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use tokio::net::UnixStream;

use self::audit::Readers;
use self::running::no_gateway;
use self::users::reply;
pub(super) use self::users::unknown;
use super::{
    Asked, Command, Feed, Health, KeyView, PastView, PolicyCommand, PolicyView, Refusal,
    RefusalKind, Reply, StateView, Told,
};
use crate::audit::{Event, Kind};
use crate::clock::Clock;
use crate::keys::KeyRing;
use crate::session::{Accounts, normalize_username};
use crate::store::UserChange;

type HealthSource = Box<dyn Fn() -> Health + Send + Sync>;
type StateSource = Box<dyn Fn() -> StateView + Send + Sync>;
type ExplainSource = Box<dyn Fn(&Asked) -> Result<Told, Refusal> + Send + Sync>;
type MetricsSource = Box<dyn Fn() -> MetricsText + Send + Sync>;
type PastSource =
    Box<dyn Fn(String) -> Pin<Box<dyn Future<Output = Vec<PastView>> + Send>> + Send + Sync>;
/// Who waits for a process that asks for this one's place.
pub(super) type Heirs = Arc<dyn Fn(UnixStream) + Send + Sync>;
type PolicySource = Arc<dyn Fn(PolicyCommand) -> Result<PolicyView, Refusal> + Send + Sync>;

/// What was counted, as a monitoring system reads it.
#[derive(Clone, Debug)]
pub struct MetricsText {
    /// What the text is.
    pub media_type: &'static str,
    /// The text.
    pub text: String,
}

/// Carries out what operators ask for, from the next request on.
pub struct Door {
    pub(super) accounts: Arc<Accounts>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) keys: Option<Arc<KeyRing>>,
    health: Option<HealthSource>,
    state: Option<StateSource>,
    explain: Option<ExplainSource>,
    metrics: Option<MetricsSource>,
    past: Option<PastSource>,
    policy: Option<PolicySource>,
    heirs: Option<Heirs>,
    pub(super) feed: Option<Feed>,
    readers: Readers,
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl Door {
    /// A door to the accounts. Commands that need more are refused until it is given.
    pub fn new(accounts: Arc<Accounts>, clock: Arc<dyn Clock>) -> Self {
        Self {
            accounts,
            clock,
            keys: None,
            health: None,
            state: None,
            explain: None,
            metrics: None,
            past: None,
            policy: None,
            heirs: None,
            feed: None,
            readers: Readers::default(),
        }
    }

    /// Lets services follow what they have to know for verifying tokens themselves.
    #[must_use]
    pub fn with_feed(self, feed: Feed) -> Self {
        Self { feed: Some(feed), ..self }
    }

    /// Opens the keys as well.
    #[must_use]
    pub fn with_keys(self, keys: Arc<KeyRing>) -> Self {
        Self { keys: Some(keys), ..self }
    }

    /// Lets operators ask how the gateway is.
    #[must_use]
    pub fn with_health(self, health: impl Fn() -> Health + Send + Sync + 'static) -> Self {
        Self { health: Some(Box::new(health)), ..self }
    }

    /// Lets operators see what the gateway does.
    #[must_use]
    pub fn with_state(self, state: impl Fn() -> StateView + Send + Sync + 'static) -> Self {
        Self { state: Some(Box::new(state)), ..self }
    }

    /// Lets operators ask what becomes of a request.
    #[must_use]
    pub fn with_explain(
        self,
        explain: impl Fn(&Asked) -> Result<Told, Refusal> + Send + Sync + 'static,
    ) -> Self {
        Self { explain: Some(Box::new(explain)), ..self }
    }

    /// Lets operators see what was counted.
    #[must_use]
    pub fn with_metrics(self, metrics: impl Fn() -> MetricsText + Send + Sync + 'static) -> Self {
        Self { metrics: Some(Box::new(metrics)), ..self }
    }

    /// Lets operators ask why a request ended as it did, by its id.
    #[must_use]
    pub fn with_past<F>(self, find: impl Fn(String) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Vec<PastView>> + Send + 'static,
    {
        Self { past: Some(Box::new(move |id| Box::pin(find(id)))), ..self }
    }

    /// Lets another process ask for this one's place, with a connection to it.
    #[must_use]
    pub fn with_heirs(self, welcome: impl Fn(UnixStream) + Send + Sync + 'static) -> Self {
        Self { heirs: Some(Arc::new(welcome)), ..self }
    }

    pub(super) fn heirs(&self) -> Option<Heirs> {
        self.heirs.clone()
    }

    /// Lets operators change the policy. `obey` may take its time: it is called where that holds
    /// nobody up.
    #[must_use]
    pub fn with_policy(
        self,
        obey: impl Fn(PolicyCommand) -> Result<PolicyView, Refusal> + Send + Sync + 'static,
    ) -> Self {
        Self { policy: Some(Arc::new(obey)), ..self }
    }

    /// How the gateway is; `None` where none runs behind this door.
    pub fn health(&self) -> Option<Health> {
        self.health.as_ref().map(|health| health())
    }

    /// What was counted; `None` where nothing is.
    pub fn metrics(&self) -> Option<MetricsText> {
        self.metrics.as_ref().map(|metrics| metrics())
    }

    /// Carries out one command. A call that is dropped before it returns may or may not have
    /// had its effect.
    ///
    /// # Errors
    ///
    /// A [`Refusal`]: show it to the operator. Unless it is [`RefusalKind::Unavailable`],
    /// nothing was changed. What cannot be recorded is not carried out.
    pub async fn run(&self, command: Command) -> Result<Reply, Refusal> {
        let Some((act, target)) = command.act() else { return self.carry_out(command).await };
        let event = |kind| {
            let event = Event::new(kind).with("command", act);
            match target {
                // As it is found, not as it was typed.
                Some(name) => event.to_name(&normalize_username(name)),
                None => event,
            }
        };
        let audit = self.accounts.audit();
        // Before it is done, and on disk: what cannot be recorded is not done.
        audit.note(event(Kind::Command)).keep().await?;
        let refused = audit.note(event(Kind::CommandRefused));
        let done = self.carry_out(command).await;
        if let Err(refusal) = &done {
            let mut refused = refused.with("why", refusal.kind.as_str());
            // A commit that failed may be on the disk all the same.
            if refusal.kind == RefusalKind::Unavailable {
                refused = refused.with("outcome", "unknown");
            }
            refused.keep_or_count().await;
        }
        done
    }

    async fn carry_out(&self, command: Command) -> Result<Reply, Refusal> {
        match command {
            Command::UserAdd { name, email, roles, password, force } => {
                self.add(&name, &email, roles, password, force).await
            }
            Command::UserList { after, limit, filter } => self.list(after, limit, filter).await,
            Command::UserShow { name } => Ok(reply(self.find(&name).await?)),
            Command::UserFactors { name } => self.factors(&name).await,
            Command::FactorsReset { name } => self.reset_factors(&name).await,
            Command::SetPassword { name, password, force } => {
                self.set_password(&name, password, force).await
            }
            Command::EmailSet { name, email, verified } => {
                self.set_email(&name, &email, verified).await
            }
            Command::Activate { name } => self.change(&name, UserChange::Active(true)).await,
            Command::Deactivate { name } => self.change(&name, UserChange::Active(false)).await,
            Command::Delete { name } => self.delete(&name).await,
            Command::RoleAdd { name, role } => self.add_role(&name, role).await,
            // No check of the name: an odd one may have come with an import.
            Command::RoleRemove { name, role } => {
                self.change(&name, UserChange::RemoveRole(role)).await
            }
            Command::GroupJoin { name, group } => self.join(&name, &group).await,
            Command::GroupLeave { name, group } => self.leave(&name, &group).await,
            Command::GroupAdd { group } => self.add_group(&group).await,
            Command::GroupList => self.list_groups().await,
            Command::GroupShow { group } => self.show_group(&group).await,
            Command::GroupDelete { group } => self.delete_group(&group).await,
            Command::GroupRoleAdd { group, role } => self.give_role(&group, role).await,
            Command::GroupRoleRemove { group, role } => self.take_role(&group, role).await,
            Command::ClaimSet { name, claim, value } => self.set_claim(&name, claim, value).await,
            Command::SessionList(asked) => self.sessions(asked).await,
            Command::SessionEnd { name, session } => self.end_session(&name, session).await,
            Command::SessionEndAll { name } => self.end_sessions(&name).await,
            Command::InviteAdd { email, roles, uses, life } => {
                self.invite(&email, roles, uses, life).await
            }
            Command::InviteList { after, limit } => self.invitations(after, limit).await,
            Command::InviteRevoke { id } => self.revoke(id).await,
            Command::ApiKeyAdd(new) => self.make_key(new).await,
            Command::ApiKeyList(asked) => self.list_keys(asked).await,
            Command::ApiKeyRevoke { id } => self.revoke_key(id).await,
            Command::Import { records, dry_run } => self.import(records, dry_run).await,
            Command::Export { place, limit } => self.export(place, limit).await,
            Command::Numbers(at_least) => self.numbers(at_least).await,
            Command::ResetLink { name } => self.reset_link(&name).await,
            Command::KeyList => self.signing_keys(),
            Command::KeyRotate => self.rotate().await,
            Command::Audit(command) => self.audit(command).await,
            Command::Policy(command) => self.policy(command).await,
            Command::Why { id } => self.why(id).await,
            Command::Explain(asked) => self.explained(&asked),
            Command::Health => self.health().map(Reply::Health).ok_or_else(no_gateway),
            Command::State => self.state(),
        }
    }

    fn signing_keys(&self) -> Result<Reply, Refusal> {
        let keys = self.keys()?.list().into_iter().map(KeyView::from).collect();
        Ok(Reply::Keys { keys })
    }

    async fn rotate(&self) -> Result<Reply, Refusal> {
        let keys = Arc::clone(self.keys()?);
        let now = self.clock.now();
        // It writes a file and may search for primes.
        let made = tokio::task::spawn_blocking(move || keys.rotate(now)).await;
        let made = made.map_err(|_panicked| {
            Refusal::new(RefusalKind::Unavailable, "the key could not be made")
        })??;
        tracing::info!(kid = made.kid, "signing key rotated by an operator");
        let event = Event::new(Kind::KeyRotated).with("kid", &made.kid);
        self.accounts.audit().note(event).keep_or_count().await;
        Ok(Reply::Key(made.into()))
    }

    fn keys(&self) -> Result<&Arc<KeyRing>, Refusal> {
        let closed = || Refusal::new(RefusalKind::Unavailable, "the keys are not open here");
        self.keys.as_ref().ok_or_else(closed)
    }
}

#[cfg(test)]
mod tests;
