//! The gateway under test.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use portcullis::clock::{ManualClock, Timestamp};
use portcullis::config::Config;
use portcullis::rooms::keys::KeyRing;
use portcullis::rooms::server::ListenAddr;
use portcullis::rooms::session::Accounts;
use portcullis::store::{RedbStore, Store};
use portcullis::{Gateway, GatewayService, Metrics, Reloaded, Reloader};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::tokens::{NOW, SECRET};
use super::wire::{Conn, Reply, exchange};
use super::{LIMIT, Upstream, soon};

/// A policy file: three routes to one upstream, cheap hashes, no throttles, a shared secret.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    top: String,
    to: String,
    upstream: String,
    signing: String,
    throttle: String,
    rest: String,
}

impl Policy {
    pub(crate) fn to(upstream: &Upstream) -> Self {
        Self::at(&format!("http://{}", upstream.addr))
    }

    /// To a server as the policy names it, such as `https://localhost:1234`.
    pub(crate) fn at(to: &str) -> Self {
        Self {
            top: String::new(),
            to: format!("\"{to}\""),
            upstream: String::new(),
            signing: format!("algorithm = \"HS256\"\nsecret = \"{SECRET}\""),
            throttle: "off".to_owned(),
            rest: String::new(),
        }
    }

    /// Keys before all tables.
    pub(crate) fn top(mut self, keys: &str) -> Self {
        self.top.push_str(keys);
        self
    }

    /// Other servers than the one that it was made for.
    pub(crate) fn servers(mut self, servers: &[SocketAddr]) -> Self {
        let list: Vec<_> = servers.iter().map(|addr| format!("\"http://{addr}\"")).collect();
        self.to = format!("[{}]", list.join(", "));
        self
    }

    /// A unix socket in place of the address.
    pub(crate) fn socket(mut self, path: &Path) -> Self {
        self.to = format!("\"unix:{}\"", path.display());
        self
    }

    /// More keys of the upstream.
    pub(crate) fn upstream(mut self, keys: &str) -> Self {
        self.upstream = format!(", {keys}");
        self
    }

    /// Other keys of `[auth.signing]`.
    pub(crate) fn signing(mut self, keys: &str) -> Self {
        keys.clone_into(&mut self.signing);
        self
    }

    /// How many failed logins an account may have, in place of any number.
    pub(crate) fn account_throttle(mut self, quota: &str) -> Self {
        quota.clone_into(&mut self.throttle);
        self
    }

    /// More tables.
    pub(crate) fn and(mut self, tables: &str) -> Self {
        self.rest.push_str(tables);
        self.rest.push('\n');
        self
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { top, to, upstream, signing, throttle, rest } = self;
        write!(
            f,
            r#"{top}
[upstreams]
up = {{ to = {to}{upstream} }}
[routes]
"/app/*" = {{ to = "up" }}
"/public/*" = {{ to = "up", allow = "anyone" }}
"/admin-area/*" = {{ to = "up", allow = "role:admin" }}
[auth.signing]
{signing}
[auth.password]
memory = "8KiB"
passes = 1
at_once = 1
[auth.throttle]
account = "{throttle}"
address = "off"
register = "off"
{rest}"#
        )
    }
}

/// What a gateway is started from, and what outlives it.
#[derive(Clone)]
pub(crate) struct Setup {
    policy: String,
    dir: Arc<TempDir>,
    store: Arc<dyn Store>,
    clock: Arc<ManualClock>,
    keeps_keys: bool,
    binds: bool,
}

impl Setup {
    pub(crate) fn new(policy: &Policy) -> Self {
        Self::of_text(&policy.to_string())
    }

    /// From the text of a whole policy file.
    pub(crate) fn of_text(policy: &str) -> Self {
        Self {
            policy: policy.to_owned(),
            dir: Arc::new(tempfile::tempdir().expect("no directory")),
            store: Arc::new(RedbStore::in_memory().expect("no store")),
            clock: Arc::new(ManualClock::new(Timestamp::from_secs(NOW))),
            keeps_keys: false,
            binds: false,
        }
    }

    /// The same under another policy.
    pub(crate) fn under(mut self, policy: &Policy) -> Self {
        self.policy = policy.to_string();
        self
    }

    /// Over a store that others may have as well.
    pub(crate) fn over(mut self, store: Arc<dyn Store>) -> Self {
        self.store = store;
        self
    }

    /// A file beside the policy.
    pub(crate) fn file(self, name: &str, content: &str) -> Self {
        std::fs::write(self.dir.path().join(name), content).expect("no file");
        self
    }

    /// Where the policy and its files are.
    pub(crate) fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// Keys of its own making are kept in a file, and so can be rotated.
    pub(crate) fn keeps_keys(mut self) -> Self {
        self.keeps_keys = true;
        self
    }

    /// Listens as the policy says, with a thread for each worker: each entry of `listen` has to
    /// be of port 0 on this machine.
    pub(crate) const fn binds(mut self) -> Self {
        self.binds = true;
        self
    }

    fn config(&self, policy: &str) -> Config {
        let checked = Config::parse("test.toml", policy, self.dir.path());
        checked.unwrap_or_else(|error| panic!("{error}\n{policy}")).config
    }

    pub(crate) fn build(&self) -> Gateway {
        let config = self.config(&self.policy);
        let clock: Arc<ManualClock> = Arc::clone(&self.clock);
        let builder = Gateway::builder(config).store(Arc::clone(&self.store)).clock(clock);
        let builder = if self.keeps_keys { builder } else { builder.ephemeral_keys() };
        builder.build().expect("no gateway")
    }

    /// A gateway as a service, without a listener, over the same store.
    pub(crate) fn service(&self) -> GatewayService {
        self.build().service()
    }

    pub(crate) async fn start(self) -> TestGateway {
        let mut gateway = self.build();
        let (shutdown, told) = oneshot::channel::<()>();
        let told = async {
            told.await.ok();
        };
        let (accounts, keys) = (Arc::clone(gateway.accounts()), Arc::clone(gateway.keys()));
        let (reloader, metrics) = (gateway.reloader(), gateway.metrics());
        let (addrs, serving) = if self.binds {
            gateway.bind().expect("no port");
            let addrs = gateway.listeners().filter_map(|listener| match listener.addr {
                ListenAddr::Tcp(addr) => Some(addr),
                ListenAddr::Unix(_) => None,
            });
            let addrs = addrs.collect();
            let serving = async { gateway.run(told).await.expect("serving failed") };
            (addrs, tokio::spawn(serving))
        } else {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("no port");
            let addr = listener.local_addr().expect("no address");
            let serving = async { gateway.serve(listener, told).await.expect("serving failed") };
            (vec![addr], tokio::spawn(serving))
        };
        let ends = Some(Ends { shutdown, serving });
        TestGateway { addr: addrs[0], addrs, accounts, keys, metrics, reloader, setup: self, ends }
    }
}

struct Ends {
    shutdown: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

/// A gateway that serves. It has to be stopped.
pub(crate) struct TestGateway {
    /// Where it listens.
    pub(crate) addr: SocketAddr,
    /// All TCP entries of `listen`, in their order; the first is `addr`.
    pub(crate) addrs: Vec<SocketAddr>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) metrics: Metrics,
    pub(crate) reloader: Reloader,
    setup: Setup,
    ends: Option<Ends>,
}

impl TestGateway {
    pub(crate) async fn start(policy: &Policy) -> Self {
        Setup::new(policy).start().await
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.setup.store
    }

    pub(crate) fn clock(&self) -> &ManualClock {
        &self.setup.clock
    }

    /// Where its policy and its files are.
    pub(crate) fn folder(&self) -> &Path {
        self.setup.folder()
    }

    /// What it was started from; its folder lasts as long as a clone of this.
    pub(crate) const fn setup(&self) -> &Setup {
        &self.setup
    }

    pub(crate) async fn connect(&self) -> Conn {
        Conn::open(self.addr).await
    }

    /// One request on a connection of its own, and its response.
    pub(crate) async fn send(&self, request: impl AsRef<[u8]>) -> Reply {
        exchange(self.addr, request.as_ref()).await
    }

    /// Puts another policy in force.
    pub(crate) fn reload(&self, policy: &Policy) -> Reloaded {
        self.reload_text(&policy.to_string())
    }

    /// Puts the text of another policy file in force.
    pub(crate) fn reload_text(&self, policy: &str) -> Reloaded {
        self.reloader.reload(self.setup.config(policy))
    }

    /// Puts back what was in force before.
    pub(crate) fn undo(&self, reloaded: &Reloaded) {
        self.reloader.undo(reloaded);
    }

    /// Waits until the metrics have that line: a response is counted when its last byte has left,
    /// and its client may be quicker.
    pub(crate) async fn shows(&self, line: &str) {
        let shown = async {
            while !self.metrics.text().lines().any(|found| found == line) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let late = tokio::time::timeout(LIMIT, shown).await.is_err();
        assert!(!late, "no `{line}` in\n{}", self.metrics.text());
    }

    /// Asks it to end; returns what becomes ready when it has.
    pub(crate) fn begin_stop(&mut self) -> JoinHandle<()> {
        let Ends { shutdown, serving } = self.ends.take().expect("it is stopped once");
        shutdown.send(()).expect("it ended by itself");
        serving
    }

    /// Stops it. No connection may be left that has to be cut.
    pub(crate) async fn stop(mut self) {
        let serving = self.begin_stop();
        soon("a clean drain", serving).await.expect("the gateway panicked");
    }

    /// Another gateway over the same store, directory and clock.
    pub(crate) async fn restart(self) -> Self {
        let setup = self.setup.clone();
        self.stop().await;
        setup.start().await
    }
}

impl Drop for TestGateway {
    fn drop(&mut self) {
        assert!(self.ends.is_none() || std::thread::panicking(), "the gateway was not stopped");
    }
}
