//! What a worker counts of its requests, by the route that each met.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::StatusCode;

use super::access_log;
use super::plan::Plan;
use super::recent::{Edition, Recent};
use crate::causes::chain;
use crate::metrics::{Counter, Durations, Gauge, Tally};
use crate::pages::Pages;
use crate::policy::Route;

/// Classes of status codes: 1xx to 5xx.
pub(super) const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The name of what met no route.
const NOWHERE: &str = "(none)";

/// What one worker has counted. Its successor, under another policy, goes on where both have the
/// same route.
#[derive(Debug)]
pub(super) struct Meters {
    routes: Vec<Arc<Meter>>,
    endpoints: HashMap<&'static str, Arc<Meter>>,
    nowhere: Arc<Meter>,
    common: Arc<Common>,
    /// The policy that the routes are of.
    edition: Option<Arc<Edition>>,
}

/// What is counted whatever the route.
#[derive(Debug)]
pub(super) struct Common {
    /// By the stable code.
    pub(super) refusals: Tally,
    /// All answers.
    pub(super) answered: Counter,
    /// Those with 401 or 403.
    pub(super) denied: Counter,
    /// Those with 5xx.
    pub(super) failed: Counter,
    /// Those that are not over.
    pub(super) under_way: Gauge,
    /// Of those, who may yet need the store.
    pub(super) undecided: Gauge,
    /// The last of them.
    pub(super) recent: Recent,
}

/// What is counted of one route, or of one endpoint.
#[derive(Debug)]
pub(super) struct Meter {
    /// As the operator wrote it; the path of an endpoint.
    pub(super) name: String,
    /// Those that never came up take no room.
    classes: [OnceLock<Box<Class>>; CLASSES.len()],
}

/// What is counted of answers in one class of status codes.
#[derive(Debug, Default)]
pub(super) struct Class {
    pub(super) durations: Durations,
    /// Bytes of request bodies.
    pub(super) received: Counter,
    /// Bytes of response bodies.
    pub(super) sent: Counter,
}

/// What a request met.
#[derive(Clone, Copy, Debug)]
pub(super) enum Met {
    /// Nothing, or nothing yet.
    Nowhere,
    /// The route of that number.
    Route(usize),
    /// The endpoint of that path.
    Endpoint(&'static str),
}

/// A request that is over, in numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passage {
    pub(super) met: Met,
    pub(super) status: StatusCode,
    pub(super) took: Duration,
    pub(super) received: u64,
    pub(super) sent: u64,
}

impl Meters {
    /// For a listener that has no routes; the last `recent` requests are remembered.
    pub(super) fn bare(recent: usize) -> Self {
        let common = Common {
            refusals: Tally::default(),
            answered: Counter::default(),
            denied: Counter::default(),
            failed: Counter::default(),
            under_way: Gauge::default(),
            undecided: Gauge::default(),
            recent: Recent::new(recent),
        };
        Self {
            routes: Vec::new(),
            endpoints: HashMap::new(),
            nowhere: Meter::new(NOWHERE.to_owned()),
            common: Arc::new(common),
            edition: None,
        }
    }

    /// For the routes and endpoints of a plan, going on with what was counted `before`.
    pub(super) fn new(plan: &Plan, before: &Self) -> Self {
        let shared = &plan.shared;
        let known: HashMap<_, _> = before.all().map(|meter| (meter.name.as_str(), meter)).collect();
        let meter = |name: String| match known.get(name.as_str()) {
            Some(meter) => Arc::clone(meter),
            None => Meter::new(name),
        };
        let routes = shared.routes.iter().map(|route| meter(route.key.to_string())).collect();
        let paths = shared.endpoints.paths();
        let paths = paths.chain(shared.pages.iter().flat_map(Pages::names));
        let endpoints = paths.map(|(path, whole)| (path, meter(whole))).collect();
        let (nowhere, common) = (Arc::clone(&before.nowhere), Arc::clone(&before.common));
        let edition =
            Edition { routes: Arc::clone(&shared.routes), fingerprint: plan.fingerprint.clone() };
        Self { routes, endpoints, nowhere, common, edition: Some(Arc::new(edition)) }
    }

    /// Everything that was met, or can be.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Meter>> {
        self.routes.iter().chain(self.endpoints.values()).chain([&self.nowhere])
    }

    /// The policy that decides; `None` where there is none.
    pub(super) const fn edition(&self) -> Option<&Arc<Edition>> {
        self.edition.as_ref()
    }

    pub(super) fn common(&self) -> &Common {
        &self.common
    }

    /// The route that was met.
    pub(super) fn route(&self, met: Met) -> Option<&Route> {
        let Met::Route(number) = met else { return None };
        self.edition.as_ref()?.route(number)
    }

    /// The whole path of an endpoint.
    pub(super) fn path_of(&self, endpoint: &str) -> Option<&str> {
        self.endpoints.get(endpoint).map(|meter| meter.name.as_str())
    }

    /// Counts a request that is over.
    pub(super) fn note(&self, passage: Passage) {
        let Passage { met, status, took, received, sent } = passage;
        let meter = match met {
            Met::Nowhere => None,
            Met::Route(number) => self.routes.get(number),
            Met::Endpoint(path) => self.endpoints.get(path),
        };
        if let Some(class) = meter.unwrap_or(&self.nowhere).class(status) {
            class.durations.note(took);
            if received > 0 {
                class.received.add(received);
            }
            class.sent.add(sent);
        }
        self.common.answered.count();
        if status.is_server_error() {
            self.common.failed.count();
        } else if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
            self.common.denied.count();
        }
    }

    /// Counts something that is no request.
    pub(super) fn malformed(&self, status: StatusCode, code: &'static str) {
        let (met, took) = (Met::Nowhere, Duration::ZERO);
        self.note(Passage { met, status, took, received: 0, sent: 0 });
        self.common.refusals.count(code);
    }

    /// Counts and logs a connection that broke off, if its bytes were no HTTP.
    pub(super) fn broken(&self, peer: IpAddr, error: &hyper::Error) {
        let Some(status) = access_log::answer_to(error) else {
            tracing::debug!(peer = %peer, error = chain(error), "connection ended");
            return;
        };
        let code = "malformed";
        self.malformed(status, code);
        access_log::malformed(peer, None, status, code, error);
    }
}

impl Meter {
    fn new(name: String) -> Arc<Self> {
        Arc::new(Self { name, classes: Default::default() })
    }

    fn class(&self, status: StatusCode) -> Option<&Class> {
        let at = usize::from(status.as_u16() / 100).checked_sub(1)?;
        self.classes.get(at).map(|class| &**class.get_or_init(Box::default))
    }

    /// What came up, by the name of its class.
    pub(super) fn classes(&self) -> impl Iterator<Item = (&'static str, &Class)> {
        let classes = CLASSES.into_iter().zip(&self.classes);
        classes.filter_map(|(name, class)| Some((name, &**class.get()?)))
    }
}
