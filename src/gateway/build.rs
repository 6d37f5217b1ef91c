//! From checked settings to a gateway that can serve.

use std::sync::Arc;

use super::census::Census;
use super::front::Front;
use super::plan::{self, Ground, Plans};
use super::reload::Reloads;
use crate::acme::Acme;
use crate::audit::{self, Audit, AuditError, Event, Kind};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::config::{Config, Written};
use crate::keys::{KeyError, KeyRing};
use crate::mail::Mailer;
use crate::password::{PasswordError, Passwords};
use crate::server::{BindError, Bound, ConnectionLimits, Given, ListenerSettings, Slots};
use crate::session::{Accounts, Foundations, Sessions};
use crate::store::{OpenError, OpenMode, RedbStore, Store};
use crate::tls::{ListenerTls, ServerTls, TlsError};
use crate::token::Revisions;
use crate::web::RequestIds;

/// Why a gateway could not be built. `Display` and `source()` are for the operator.
///
/// ```
/// use std::path::Path;
///
/// use portcullis::{BuildError, Config, Gateway};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// // Something else stands where the store should be.
/// std::fs::write(folder.join("portcullis.redb"), "a letter to my aunt")?;
/// let config = Config::built_in(folder)?.config;
/// let refused = Gateway::builder(config).build();
/// assert!(matches!(refused, Err(BuildError::Store(_))));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The store cannot be opened; nothing in it was changed.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The keys cannot be used; nothing was overwritten.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The audit record cannot be kept; nothing in it was changed.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// Hashing cannot start with these parameters.
    #[error("[auth.password]: these parameters cannot be used")]
    Passwords(#[from] PasswordError),
    /// The listeners cannot speak TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A listener cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// Collects what a gateway is made of. Whatever is not given comes from the configuration.
///
/// ```
/// use std::path::Path;
/// use std::sync::Arc;
///
/// use portcullis::store::RedbStore;
/// use portcullis::{Builder, Config, Gateway};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config::built_in(Path::new("."))?.config;
/// // Nothing of this gateway reaches the disk.
/// let builder: Builder = Gateway::builder(config)
///     .store(Arc::new(RedbStore::in_memory()?))
///     .ephemeral_keys();
/// builder.build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Builder {
    config: Config,
    store: Option<Arc<dyn Store>>,
    clock: Arc<dyn Clock>,
    ephemeral_keys: bool,
}

impl Builder {
    /// Another store than the configured file.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Another clock than the machine's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Keeps the keys that the gateway makes in memory only: every token ends with it. There is
    /// no audit record then, for its lines are sealed with a key that has to last.
    #[must_use]
    pub const fn ephemeral_keys(mut self) -> Self {
        self.ephemeral_keys = true;
        self
    }

    /// Opens the store, makes or reads the keys, and starts the hashing threads. Nothing is
    /// listened at yet.
    ///
    /// # Errors
    ///
    /// [`BuildError`]: show it to the operator.
    pub fn build(self) -> Result<Gateway, BuildError> {
        let Self { config, store, clock, ephemeral_keys } = self;
        let now = clock.now();
        let tls = config.tls.as_ref().map(ServerTls::new).transpose()?.map(Arc::new);
        for listener in config.listen.iter().filter(|listener| listener.tls) {
            let tls = tls.as_ref().ok_or(TlsError::NoIdentity)?;
            ListenerTls::new(tls, listener.client_auth)?;
        }
        let acme = acme(&config, &clock)?;
        // The store first: its lock keeps a second gateway from making other keys.
        let store = match store {
            Some(store) => store,
            None => Arc::new(RedbStore::open(&config.store, OpenMode::CreateIfMissing)?),
        };
        let longest = config.tokens.longest();
        let keys = if ephemeral_keys {
            KeyRing::ephemeral(config.keys.clone(), now)?
        } else {
            KeyRing::open(config.keys.clone(), longest, now)?
        };
        let keys = Arc::new(keys);
        let audit = if ephemeral_keys {
            Audit::off()
        } else {
            Audit::start(&config.audit, &keys.derive(audit::KEY_PURPOSE), Arc::clone(&clock))?
        };
        let started = Event::new(Kind::Started).with("version", env!("CARGO_PKG_VERSION"));
        audit.record(started.with("config", format!("sha256:{}", config.fingerprint)));
        let revisions = Arc::new(Revisions::default());
        let passwords = Arc::new(Passwords::start(config.passwords.clone())?);
        // The check of the policy has seen to it that mail has links.
        let mail = config.mail.clone().zip(config.links.clone());
        let mailer = mail.map(|(settings, links)| {
            Arc::new(Mailer::new(Arc::clone(&store), Arc::clone(&clock), settings, links))
        });
        let accounts = Accounts::new(
            Arc::clone(&store),
            Arc::clone(&clock),
            passwords,
            Arc::clone(&revisions),
            plan::rules(&config),
        );
        let accounts = Arc::new(accounts.with_audit(audit.clone()).with_mail(mailer));
        let foundations = Foundations {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            keys: Arc::clone(&keys),
            revisions,
            headers: config.identity.clone(),
            issuers: config.issuers.clone(),
        };
        let sessions = Sessions::new(foundations, config.sessions.clone(), config.tokens.clone());
        let sessions = sessions.with_audit(audit).with_mail(accounts.mailer().cloned());
        let ids = Arc::new(RequestIds::new());
        let reloads = Reloads::new(now);
        let ground = Ground { acme, accounts, keys, clock, ids, store, reloads };
        let mut gateway = Gateway::assemble(config, Arc::new(sessions), ground);
        gateway.tls = tls;
        Ok(gateway)
    }
}

/// Who orders certificates; nobody where no client would be shown one.
fn acme(config: &Config, clock: &Arc<dyn Clock>) -> Result<Option<Arc<Acme>>, TlsError> {
    let shown = config.listen.iter().any(|listener| listener.tls);
    let settings = config.acme.clone().filter(|_| shown);
    let made = settings.map(|settings| Acme::new(settings, Arc::clone(clock))).transpose()?;
    Ok(made.map(Arc::new))
}

/// A gateway, ready to serve.
///
/// [`Gateway::serve`] takes a listener on the runtime that is there; [`Gateway::bind`] and
/// [`Gateway::run`] take the configured addresses, with a thread and a runtime for each worker;
/// [`Gateway::service`] leaves the connections to somebody else.
///
/// ```
/// # use std::path::Path;
/// # use std::sync::Arc;
/// # use portcullis::store::RedbStore;
/// use portcullis::{Config, Gateway};
/// use tokio::net::TcpListener;
/// use tokio::sync::oneshot;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let config = Config::built_in(Path::new("."))?.config;
/// # let builder = Gateway::builder(config);
/// # let builder = builder.store(Arc::new(RedbStore::in_memory()?)).ephemeral_keys();
/// let gateway = builder.build()?;
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let (stop, stopped) = oneshot::channel::<()>();
/// let serving = tokio::spawn(gateway.serve(listener, async { drop(stopped.await) }));
///
/// drop(stop);
/// serving.await??;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Gateway {
    pub(super) ground: Arc<Ground>,
    pub(super) plans: Arc<Plans>,
    /// What stood in the policy file at the start.
    pub(super) written: Written,
    pub(super) census: Arc<Census>,
    pub(super) started: Timestamp,
    pub(super) limits: Arc<ConnectionLimits>,
    pub(super) slots: Slots,
    pub(super) workers: usize,
    pub(super) tls: Option<Arc<ServerTls>>,
    pub(super) listen: Vec<ListenerSettings>,
    pub(super) bound: Vec<Bound>,
}

impl Gateway {
    /// Begins to build a gateway.
    pub fn builder(config: Config) -> Builder {
        Builder { config, store: None, clock: Arc::new(SystemClock), ephemeral_keys: false }
    }

    fn assemble(mut config: Config, sessions: Arc<Sessions>, ground: Ground) -> Self {
        let mut limits = config.connections.clone();
        limits.websockets = config.routes.iter().any(|route| route.websocket.is_some());
        let (workers, listen) = (config.workers.get(), std::mem::take(&mut config.listen));
        let (written, recent) = (std::mem::take(&mut config.written), config.admin.recent);
        Self {
            plans: Arc::new(Plans::new(ground.plan(config, sessions, None))),
            census: Arc::new(Census::new(recent)),
            started: ground.clock.now(),
            ground: Arc::new(ground),
            written,
            slots: Slots::new(&limits),
            limits: Arc::new(limits),
            workers,
            tls: None,
            listen,
            bound: Vec::new(),
        }
    }

    /// Listens at every configured address. Connections wait until [`Gateway::run`].
    ///
    /// # Errors
    ///
    /// [`BindError`]; addresses that were bound before it are free again when this is dropped.
    pub fn bind(&mut self) -> Result<(), BindError> {
        self.bind_with(Given::default())
    }

    /// Likewise, but takes these sockets for the listeners that they are for.
    ///
    /// # Errors
    ///
    /// As [`Gateway::bind`].
    pub fn bind_with(&mut self, mut given: Given) -> Result<(), BindError> {
        for listener in std::mem::take(&mut self.listen) {
            self.bound.push(Bound::bind(&listener, self.workers, &mut given)?);
        }
        Ok(())
    }

    /// Where it listens: after [`Gateway::bind`], with the real ports.
    pub fn listeners(&self) -> impl Iterator<Item = &ListenerSettings> {
        self.bound.iter().map(|bound| &bound.settings)
    }

    /// The accounts, for an operator's door.
    pub fn accounts(&self) -> &Arc<Accounts> {
        &self.ground.accounts
    }

    /// The key ring, for an operator's door.
    pub fn keys(&self) -> &Arc<KeyRing> {
        &self.ground.keys
    }

    /// How its listeners speak TLS, for who knows of new certificates.
    pub const fn tls(&self) -> Option<&Arc<ServerTls>> {
        self.tls.as_ref()
    }

    /// The clock that all of it runs by.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.ground.clock
    }

    /// A front with connections of its own, for one worker.
    pub(super) fn front(&self) -> Arc<Front> {
        let front =
            Front::new(Arc::clone(&self.plans), Arc::clone(&self.ground.clock), self.census.room);
        let front = Arc::new(front);
        self.census.enlist(&front);
        front
    }
}
