//! A gateway with all its parts, before and after it listens.

use std::sync::Arc;

use super::census::Census;
use super::front::{Front, Reach};
use super::plan::{Ground, Plans};
use crate::admin::{Door, Feed};
use crate::clock::{Clock, Timestamp};
use crate::config::{Config, Written};
use crate::keys::{KeyError, KeyRing};
use crate::proxy::Inner;
use crate::server::{BindError, Bound, ConnectionLimits, Given, ListenerSettings, Slots};
use crate::session::{Accounts, Sessions};
use crate::tls::ServerTls;
use crate::token::WhenStale;

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
    /// The program's own handlers, if it has given any.
    pub(super) inner: Option<Inner>,
}

/// What makes fronts.
#[derive(Clone, Debug)]
pub(super) struct Fronts {
    plans: Arc<Plans>,
    clock: Arc<dyn Clock>,
    census: Arc<Census>,
}

impl Fronts {
    /// One with connections of its own, and those handlers behind it.
    pub(super) fn before(&self, inner: Option<Inner>) -> Arc<Front> {
        self.reaching(Reach::Routes, inner)
    }

    /// One that leads to the endpoints and no further.
    pub(super) fn at_endpoints(&self) -> Arc<Front> {
        self.reaching(Reach::Endpoints, None)
    }

    fn reaching(&self, reach: Reach, inner: Option<Inner>) -> Arc<Front> {
        let (plans, clock) = (Arc::clone(&self.plans), Arc::clone(&self.clock));
        let front = Arc::new(Front::new(plans, clock, self.census.room, inner, reach));
        self.census.enlist(&front);
        front
    }
}

impl Gateway {
    pub(super) fn assemble(mut config: Config, sessions: Arc<Sessions>, ground: Ground) -> Self {
        let mut limits = config.connections.clone();
        limits.websockets = config.routes.iter().any(|route| route.websocket.is_some());
        let (workers, listen) = (config.workers.get(), std::mem::take(&mut config.listen));
        let written = std::mem::take(&mut config.written);
        Self {
            plans: Arc::new(Plans::new(ground.plan(config, sessions, None))),
            census: Arc::clone(ground.load.census()),
            started: ground.clock.now(),
            ground: Arc::new(ground),
            written,
            slots: Slots::new(&limits),
            limits: Arc::new(limits),
            workers,
            tls: None,
            listen,
            bound: Vec::new(),
            inner: None,
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
    #[doc(hidden)]
    pub fn bind_with(&mut self, mut given: Given) -> Result<(), BindError> {
        for listener in std::mem::take(&mut self.listen) {
            self.bound.push(Bound::bind(&listener, self.workers, &mut given)?);
        }
        Ok(())
    }

    /// Where it listens: after [`Gateway::bind`], with the real ports.
    #[doc(hidden)]
    pub fn listeners(&self) -> impl Iterator<Item = &ListenerSettings> {
        self.bound.iter().map(|bound| &bound.settings)
    }

    /// The accounts, for an operator's door.
    pub fn accounts(&self) -> &Arc<Accounts> {
        &self.ground.accounts
    }

    /// Has the admin site use that door from now on, which may know more than accounts and keys. It
    /// is used for as long as somebody else keeps it.
    #[doc(hidden)]
    pub fn let_operators_in_by(&self, door: &Arc<Door>) {
        self.ground.operators.use_door(door);
    }

    /// The key ring, for an operator's door.
    #[doc(hidden)]
    pub fn keys(&self) -> &Arc<KeyRing> {
        &self.ground.keys
    }

    /// What services follow that verify tokens themselves, for [`Door::with_feed`](crate::admin::Door::with_feed).
    ///
    /// # Errors
    ///
    /// [`KeyError::NoRandomness`]: start again.
    #[doc(hidden)]
    pub fn feed(&self) -> Result<Feed, KeyError> {
        let (revisions, keys) = (Arc::clone(&self.ground.revisions), Arc::clone(&self.ground.keys));
        let plans = Arc::clone(&self.plans);
        let sessions = move || Arc::clone(&plans.current().shared.sessions);
        Feed::new(revisions, keys, Arc::clone(&self.ground.clock), sessions)
    }

    /// What it does because nothing was heard for too long of what others have changed in a store that
    /// they share; `None` while what it remembers can be believed. It may be asked as often as is wanted.
    #[doc(hidden)]
    pub fn stale(&self) -> impl Fn() -> Option<WhenStale> + Send + Sync + use<> {
        let revisions = Arc::clone(&self.ground.revisions);
        move || revisions.stale()
    }

    /// How its listeners speak TLS, for who knows of new certificates.
    #[doc(hidden)]
    pub const fn tls(&self) -> Option<&Arc<ServerTls>> {
        self.tls.as_ref()
    }

    /// The clock that all of it runs by.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.ground.clock
    }

    /// A front with connections of its own, for one worker.
    pub(super) fn front(&self) -> Arc<Front> {
        self.fronts().before(self.inner.clone())
    }

    pub(super) fn fronts(&self) -> Fronts {
        let (plans, clock) = (Arc::clone(&self.plans), Arc::clone(&self.ground.clock));
        Fronts { plans, clock, census: Arc::clone(&self.census) }
    }
}
