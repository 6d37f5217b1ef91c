//! Another policy for a gateway that runs.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Gateway;
use super::census::Census;
use super::outcomes::{Outcomes, Worse};
use super::plan::{Earlier, Ground, Plans};
use crate::clock::Timestamp;
use crate::config::{Config, Written};
use crate::metrics::Tally;

/// Keys that are read at the start and never again. A file may change them; the gateway goes on as
/// it is.
const AT_THE_START: [&str; 31] = [
    "listen",
    "workers",
    "tls.cert",
    "tls.key",
    "tls.certificates",
    "tls.strict_sni",
    "tls.min",
    "tls.client_ca",
    "tls.client_crl",
    "tls.client_auth",
    "tls.poll",
    "tls.acme",
    "store",
    "admin",
    "audit",
    "log",
    "mail",
    "otlp",
    "auth.signing",
    "auth.password",
    "limits.connections",
    "limits.head",
    "limits.headers",
    "limits.head_timeout",
    "limits.tls_timeout",
    "limits.idle_timeout",
    "limits.h2_streams",
    "limits.memory",
    "limits.drain",
    "limits.drain_delay",
    "limits.linger",
];

/// Puts another policy in force while a gateway runs. Clones are one.
///
/// Requests that have begun go on as they were; every later one meets the new policy. Live
/// connections (`WebSocket`s, responses and uploads that go on) are asked anew whether their
/// caller may use their route, and closed where it may not, or where the route is gone.
///
/// ```
/// use std::path::Path;
/// use std::sync::Arc;
///
/// use http::{Request, StatusCode};
/// use portcullis::store::RedbStore;
/// use portcullis::{Config, Gateway, Reloaded, Reloader, Worse};
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let policy = |allow: &str| {
///     let route = format!("\"/*\" = {{ to = \"echo\", allow = \"{allow}\" }}");
///     let text = format!("[upstreams]\necho = {{ whoami = true }}\n[routes]\n{route}\n");
///     Config::parse("policy", &text, Path::new(".")).map(|checked| checked.config)
/// };
/// let builder = Gateway::builder(policy("user")?);
/// let builder = builder.store(Arc::new(RedbStore::in_memory()?)).ephemeral_keys();
/// let gateway = builder.build()?;
/// let reloader: Reloader = gateway.reloader();
/// let service = gateway.service();
/// let ask = || Request::get("/").header("host", "localhost").body(String::new());
///
/// let refused = service.clone().oneshot(ask()?).await?;
/// assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
/// let reloaded: Reloaded = reloader.reload(policy("anyone")?);
/// assert_eq!(service.oneshot(ask()?).await?.status(), StatusCode::OK);
///
/// // Later, when there were requests: whether more of them fail, or are refused, than before.
/// let worse: Option<Worse> = reloader.worse_since(&reloaded);
/// assert!(reloaded.at_next_start.is_empty() && worse.is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Reloader(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    ground: Arc<Ground>,
    plans: Arc<Plans>,
    census: Arc<Census>,
    at_the_start: Written,
    /// One reload at a time.
    turn: Mutex<()>,
}

/// What came of policy files that were read again.
#[derive(Debug)]
pub(super) struct Reloads {
    pub(super) outcomes: Tally,
    refused: AtomicBool,
    /// In milliseconds since 1970.
    since: AtomicU64,
    /// About the file that was read last.
    said: Mutex<Vec<String>>,
}

const TAKEN: &str = "taken";
const REFUSED: &str = "refused";
const UNDONE: &str = "undone";

impl Reloads {
    /// None so far.
    pub(super) fn new(now: Timestamp) -> Self {
        let outcomes = Tally::of([TAKEN, REFUSED, UNDONE]);
        let since = AtomicU64::new(now.as_millis());
        Self { outcomes, refused: AtomicBool::default(), since, said: Mutex::default() }
    }

    /// Whether the file that was read last is in force, or none was refused.
    pub(super) fn last_was_good(&self) -> bool {
        !self.refused.load(Ordering::Relaxed)
    }

    /// What there was to say about the file that was read last.
    pub(super) fn said(&self) -> Vec<String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn say(&self, said: Vec<String>) {
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = said;
    }

    /// Since when what is in force is so.
    pub(super) fn since(&self) -> Timestamp {
        Timestamp::from_millis(self.since.load(Ordering::Relaxed))
    }

    fn note(&self, outcome: &'static str, now: Timestamp) {
        self.outcomes.count(outcome);
        self.refused.store(outcome == REFUSED, Ordering::Relaxed);
        if outcome != REFUSED {
            self.since.store(now.as_millis(), Ordering::Relaxed);
        }
    }
}

/// What a reload did not change, and the way back from it.
#[derive(Clone, Debug)]
pub struct Reloaded {
    /// Keys and tables that are not as they were at the start: they count from the next start on.
    pub at_next_start: Vec<&'static str>,
    before: Earlier,
    /// How requests had ended until then.
    outcomes: Outcomes,
}

impl Gateway {
    /// What puts another policy in force.
    pub fn reloader(&self) -> Reloader {
        Reloader(Arc::new(Inner {
            ground: Arc::clone(&self.ground),
            plans: Arc::clone(&self.plans),
            census: Arc::clone(&self.census),
            at_the_start: self.written.clone(),
            turn: Mutex::default(),
        }))
    }
}

impl Reloader {
    /// Puts a policy in force. It was checked, so nothing can be wrong with it.
    pub fn reload(&self, config: Config) -> Reloaded {
        let Inner { ground, plans, census, at_the_start, turn } = &*self.0;
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        let written = config.written.clone();
        let changed = |key: &&str| written.differs(at_the_start, key);
        let at_next_start = AT_THE_START.into_iter().filter(changed).collect();
        let outcomes = census.outcomes();
        let before = ground.replace(plans, config);
        ground.reloads.note(TAKEN, ground.clock.now());
        Reloaded { at_next_start, before, outcomes }
    }

    /// What that reload has made worse, if that can be told yet: many more requests fail, or are
    /// denied, than before it.
    pub fn worse_since(&self, reloaded: &Reloaded) -> Option<Worse> {
        let before = &reloaded.outcomes;
        self.0.census.outcomes().since(before).worse_than(before)
    }

    /// SHA-256 of the file in force, in hex.
    pub fn fingerprint(&self) -> String {
        self.0.plans.current().fingerprint.clone()
    }

    /// Puts back what was in force before that reload.
    pub fn undo(&self, reloaded: &Reloaded) {
        let Inner { ground, plans, turn, .. } = &*self.0;
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        ground.go_back(plans, &reloaded.before);
        ground.reloads.note(UNDONE, ground.clock.now());
    }

    /// Counts a policy that could not be put in force, for whoever watches over the gateway.
    pub fn refused(&self) {
        let ground = &self.0.ground;
        ground.reloads.note(REFUSED, ground.clock.now());
    }

    /// What operators are told about the file that was read last: warnings, or why it was refused.
    pub fn say(&self, about_it: Vec<String>) {
        self.0.ground.reloads.say(about_it);
    }
}
