//! From checked settings to a gateway that can serve.

use std::sync::Arc;

use super::built::Gateway;
use super::census::Census;
use super::hearing::Ears;
use super::load::Load;
use super::operators::Operators;
use super::plan::{self, Ground};
use super::reload::Reloads;
use super::traces::Traces;
use crate::acme::Acme;
use crate::admin::Door;
use crate::audit::{self, Audit, AuditError, Event, Kind};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::keys::{KeyError, KeyRing};
use crate::mail::Mailer;
use crate::password::{PasswordError, Passwords};
use crate::proxy::{Inner, InnerService};
use crate::server::BindError;
use crate::session::{Accounts, Foundations, Sessions};
use crate::store::{OpenError, OpenMode, Store};
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
    inner: Option<Inner>,
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

    /// What answers for upstreams that are `inner`: handlers of this program, which are asked
    /// what the policy lets through. They find an [`Identity`](crate::Identity) in the extensions
    /// where a caller is known.
    #[must_use]
    pub fn route_handler(mut self, handler: impl InnerService) -> Self {
        self.inner = Some(Inner::new(handler));
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
        let Self { config, store, clock, ephemeral_keys, inner } = self;
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
            None => config.store.open(OpenMode::CreateIfMissing)?,
        };
        // Before anything is read that is remembered: all that changes from here on is heard of.
        let hearing = store.hearing();
        let (keys, audit) = keys_and_audit(&config, &clock, &store, ephemeral_keys)?;
        let revisions = revisions(&config, store.is_shared());
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
            revisions: Arc::clone(&revisions),
            headers: config.identity.clone(),
            issuers: config.issuers.clone(),
        };
        let sessions = Sessions::new(foundations, config.sessions.clone(), config.tokens.clone());
        let sessions = sessions.with_audit(audit).with_mail(accounts.mailer().cloned());
        let census = Arc::new(Census::new(config.admin.recent, now));
        let load = Load::new(census, config.workers.get(), config.connections.memory);
        let traces = config.traces.clone().map(|it| Traces::new(it, Arc::clone(&clock)));
        let door = Door::new(Arc::clone(&accounts), Arc::clone(&clock));
        let operators = Arc::new(Operators::at(door.with_keys(Arc::clone(&keys))));
        let ground = Ground {
            ears: Arc::new(Ears::new(hearing, &revisions, &keys, &clock)),
            acme,
            accounts,
            keys,
            clock,
            ids: Arc::new(RequestIds::new()),
            load: Arc::new(load),
            operators,
            revisions,
            store,
            reloads: Reloads::new(now),
            traces,
        };
        let mut gateway = Gateway::assemble(config, Arc::new(sessions), ground);
        (gateway.tls, gateway.inner) = (tls, inner);
        Ok(gateway)
    }
}

/// The counters of what is remembered.
fn revisions(config: &Config, shared: bool) -> Arc<Revisions> {
    let shared = shared.then(|| Revisions::shared(config.freshness));
    Arc::new(shared.unwrap_or_default())
}

/// The keys, and the record that is sealed with them. There is none where they do not last.
fn keys_and_audit(
    config: &Config,
    clock: &Arc<dyn Clock>,
    store: &Arc<dyn Store>,
    ephemeral: bool,
) -> Result<(Arc<KeyRing>, Audit), BuildError> {
    let (settings, now) = (config.keys.clone(), clock.now());
    let (keys, audit) = if ephemeral {
        (KeyRing::ephemeral(settings, now)?, Audit::off())
    } else {
        let longest = config.tokens.longest();
        let keys = match &config.shared_keys {
            Some(shared) => KeyRing::open_shared(settings, shared, store, longest, now)?,
            None => KeyRing::open(settings, longest, now)?,
        };
        let key = keys.derive(audit::KEY_PURPOSE);
        (keys, Audit::start(&config.audit, &key, Arc::clone(clock))?)
    };
    let started = Event::new(Kind::Started).with("version", env!("CARGO_PKG_VERSION"));
    audit.record(started.with("config", format!("sha256:{}", config.fingerprint)));
    Ok((Arc::new(keys), audit))
}

/// Who orders certificates; nobody where no client would be shown one.
fn acme(config: &Config, clock: &Arc<dyn Clock>) -> Result<Option<Arc<Acme>>, TlsError> {
    let shown = config.listen.iter().any(|listener| listener.tls);
    let settings = config.acme.clone().filter(|_| shown);
    let made = settings.map(|settings| Acme::new(settings, Arc::clone(clock))).transpose()?;
    Ok(made.map(Arc::new))
}

impl Gateway {
    /// Begins to build a gateway.
    pub fn builder(config: Config) -> Builder {
        let clock = Arc::new(SystemClock);
        Builder { config, store: None, clock, ephemeral_keys: false, inner: None }
    }
}
