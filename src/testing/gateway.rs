//! A whole gateway that leaves nothing behind.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;

use super::Client;
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::config::Config;
use crate::gateway::{BuildError, Builder, Gateway, GatewayService};
use crate::identity::is_role_name;
use crate::proxy::{InnerService, Target, UpstreamSettings};
use crate::server::ListenerSettings;
use crate::session::{
    self, AccountError, AuthError, NameFault, NewAccount, Pair, Registered, check_username,
};
use crate::store::{OpenError, RedbStore, User, UserChange};

/// Where the clock stands at the beginning: 2027-01-15T08:00:00Z.
pub const START: Timestamp = Timestamp::from_secs(1_800_000_000);

/// Why a test could not be set up. `Display` and `source()` say what to change in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestError {
    /// There is no store.
    #[error("no store in memory")]
    Store(#[from] OpenError),
    /// There is no gateway.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Nobody can have that name.
    #[error("`{0}` is no username: {1:?}")]
    Name(String, Vec<NameFault>),
    /// Somebody has a name that looks like it, and the policy has none such.
    #[error("somebody has a name that looks like `{0}`")]
    Taken(String),
    /// Nobody can have that role.
    #[error("`{0}` is no role name; write up to 64 of `a-z`, `0-9`, `_`, `.`, `:` and `-`")]
    Role(String),
    /// An account could not be made or changed.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// Nobody could be signed in.
    #[error("no session")]
    Session(#[from] AuthError),
}

/// A gateway for a test: users, sessions and keys are in memory, the clock stands still until it is
/// moved, passwords are hashed at next to no cost, and no server of an upstream is asked. Everything
/// else is as the policy has it.
///
/// ```
/// use std::path::Path;
///
/// use portcullis::Config;
/// use portcullis::testing::{Reply, START, TestError, TestGateway};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config::built_in(Path::new("."))?.config;
/// let gateway = TestGateway::new(config)?;
/// assert_eq!(portcullis::clock::Clock::now(gateway.clock()), START);
///
/// let Reply { status, .. } = gateway.stranger().get("/orders/7").await;
/// assert_eq!(status, 401);
/// // A slip of the test is told as one.
/// assert!(matches!(gateway.token("no name", &[]).await, Err(TestError::Name(..))));
///
/// let alice = gateway.sign_in("alice", &["editor"]).await?;
/// // What a server would have been sent.
/// let request: serde_json::Value = alice.get("/orders/7").await.json()?;
/// assert_eq!(request["headers"]["x-user-roles"], "editor");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TestGateway {
    gateway: Gateway,
    service: GatewayService,
    clock: Arc<ManualClock>,
    prefix: Arc<str>,
    host: Arc<str>,
}

impl TestGateway {
    /// In the place of each upstream it answers itself, as one with `whoami = true`: with the
    /// request as a server would have been sent it.
    ///
    /// # Errors
    ///
    /// [`TestError::Store`] or [`TestError::Build`].
    pub fn new(config: Config) -> Result<Self, TestError> {
        Self::build(config, &Target::Whoami, |builder| builder)
    }

    /// In the place of each upstream that service answers, as one with `inner = true`.
    ///
    /// # Errors
    ///
    /// As [`TestGateway::new`].
    pub fn around(config: Config, handlers: impl InnerService) -> Result<Self, TestError> {
        Self::build(config, &Target::Inner, |builder| builder.route_handler(handlers))
    }

    fn build(
        mut config: Config,
        target: &Target,
        complete: impl FnOnce(Builder) -> Builder,
    ) -> Result<Self, TestError> {
        for upstream in &mut config.upstreams {
            *upstream = UpstreamSettings::new(upstream.name.clone(), target.clone());
        }
        // Nothing of the machine or of others is touched: no certificate, no collector, no letter.
        (config.tls, config.acme, config.traces, config.mail) = (None, None, None, None);
        for listener in &mut config.listen {
            *listener = ListenerSettings::default();
        }
        let passwords = &mut config.passwords;
        (passwords.passes, passwords.lanes) = (NonZeroU32::MIN, NonZeroU32::MIN);
        // RFC 9106 section 3.1: the least there is, in KiB.
        passwords.memory = NonZeroU32::MIN.saturating_add(7);
        passwords.at_once = NonZeroUsize::MIN;
        let prefix = config.endpoints.prefix.as_str().into();
        let host = config.public.as_ref().map_or("localhost", |public| &public.host).into();
        let clock = Arc::new(ManualClock::new(START));
        let builder = Gateway::builder(config)
            .store(Arc::new(RedbStore::in_memory()?))
            .clock(Arc::clone(&clock) as Arc<dyn Clock>)
            .ephemeral_keys();
        let gateway = complete(builder).build()?;
        let service = gateway.service();
        Ok(Self { gateway, service, clock, prefix, host })
    }

    /// The clock of all of it, which [`START`]s and then stands still.
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// The gateway: its [`accounts`](Gateway::accounts) give claims and groups, and shut users out.
    pub const fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// The user of that name with exactly these roles, who is made if there is none. Nobody can log
    /// in as one by password: [`sign_in`](Self::sign_in) needs none.
    ///
    /// # Errors
    ///
    /// [`TestError`]: the name or a role is none.
    pub async fn user(&self, name: &str, roles: &[&str]) -> Result<User, TestError> {
        if let Some(role) = roles.iter().find(|role| !is_role_name(role)) {
            return Err(TestError::Role((*role).to_owned()));
        }
        let faulty = |faults: Vec<NameFault>| TestError::Name(name.to_owned(), faults);
        let username = check_username(name).map_err(faulty)?;
        let accounts = self.gateway.accounts();
        let account = NewAccount {
            username: username.clone(),
            email: String::new(),
            password: None,
            roles: roles.iter().copied().map(str::to_owned).collect(),
        };
        if let Registered::Created(user) = accounts.create(account).await? {
            return Ok(user);
        }
        let taken = || TestError::Taken(name.to_owned());
        let mut user = accounts.find(&username).await?.ok_or_else(taken)?;
        let own = user.roles.iter().filter(|role| !user.inherited.contains(role));
        let gone = own.filter(|role| !roles.contains(&role.as_str())).cloned();
        let changes: Vec<_> = gone
            .map(UserChange::RemoveRole)
            .chain(roles.iter().map(|role| UserChange::AddRole((*role).to_owned())))
            .collect();
        for change in changes {
            user = accounts.change(user.id, change).await?.ok_or_else(taken)?;
        }
        Ok(user)
    }

    /// An access token of a new session of that user, as [`TestGateway::user`] has it.
    ///
    /// # Errors
    ///
    /// As [`TestGateway::user`].
    pub async fn token(&self, name: &str, roles: &[&str]) -> Result<String, TestError> {
        Ok(self.log_in(name, roles).await?.access)
    }

    /// A client with a new session of that user, as [`TestGateway::user`] has it.
    ///
    /// # Errors
    ///
    /// As [`TestGateway::user`].
    pub async fn sign_in(&self, name: &str, roles: &[&str]) -> Result<Client, TestError> {
        Ok(self.client(Some(self.log_in(name, roles).await?)))
    }

    /// A client that nobody has signed in with.
    pub fn stranger(&self) -> Client {
        self.client(None)
    }

    async fn log_in(&self, name: &str, roles: &[&str]) -> Result<Pair, TestError> {
        let user = self.user(name, roles).await?;
        let device = session::Client { device: "test".to_owned(), address: String::new() };
        Ok(self.gateway.sessions().log_in(&user, device, None).await?)
    }

    fn client(&self, tokens: Option<Pair>) -> Client {
        let (prefix, host) = (Arc::clone(&self.prefix), Arc::clone(&self.host));
        Client::new(self.service.clone(), prefix, host, tokens)
    }
}
