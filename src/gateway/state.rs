//! What a gateway does, for its operators.

use std::sync::Arc;

use super::Gateway;
use super::census::Sum;
use super::history::micros;
use super::metrics::Sources;
use crate::admin::{
    CertificateView, LoadView, PolicyState, RouteView, ServerView, StateView, UpstreamView,
};
use crate::clock::Timestamp;
use crate::metrics::Spread;
use crate::policy::{Route, words};
use crate::proxy::UpstreamState;

/// Milliseconds of a day.
const DAY: i64 = 24 * 60 * 60 * 1000;

/// What a gateway does, for the operators' door. Clones are one.
///
/// ```
/// use std::path::Path;
/// use std::sync::Arc;
///
/// use portcullis::rooms::admin::{LoadView, PolicyState, RouteView, StateView, UpstreamView};
/// use portcullis::store::RedbStore;
/// use portcullis::{Config, Gateway};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let builder = Gateway::builder(Config::built_in(Path::new("."))?.config);
/// let gateway = builder.store(Arc::new(RedbStore::in_memory()?)).ephemeral_keys().build()?;
/// let StateView { policy, load, routes, upstreams, .. } = gateway.overview().state();
/// let first: &RouteView = &routes[0];
/// assert_eq!(first.key, "/*");
/// assert!(matches!(policy, PolicyState { last_was_good: true, .. }));
/// assert!(matches!(load, LoadView { requests: 0, .. }));
/// assert!(matches!(&upstreams[..], [UpstreamView { waiting: 0, .. }]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Overview(Arc<Sources>);

#[doc(hidden)]
impl Gateway {
    /// What it does while it serves.
    pub fn overview(&self) -> Overview {
        Overview(Arc::new(self.sources()))
    }
}

impl Overview {
    /// All of it as it is now. It takes as long as there are routes.
    pub fn state(&self) -> StateView {
        let Sources { ground, plans, census, slots, tls, .. } = &*self.0;
        let (now, plan) = (ground.clock.now(), plans.current());
        let sums = census.sums();
        let route = |route: &Arc<Route>| {
            let key = route.key.to_string();
            let counted = sums.get(&key).into_iter().flatten();
            told(route, key, counted.map(|(class, sum)| (*class, sum)))
        };
        StateView {
            policy: PolicyState {
                fingerprint: plan.fingerprint.clone(),
                since: ground.reloads.since().to_string(),
                last_was_good: ground.reloads.last_was_good(),
                said: ground.reloads.said(),
            },
            load: LoadView {
                requests: census.under_way(),
                most_requests: plan.shared.in_flight,
                connections: slots.open(),
                most_connections: slots.most(),
            },
            lately: census.lately(now),
            routes: plan.shared.routes.iter().map(route).collect(),
            upstreams: plan.upstreams.states().map(upstream).collect(),
            certificates: tls
                .iter()
                .flat_map(|tls| tls.ends())
                .map(|(file, ends)| CertificateView {
                    file: file.display().to_string(),
                    ends: ends.to_string(),
                    days: days(now, ends),
                })
                .collect(),
        }
    }
}

fn told<'s>(
    route: &Route,
    key: String,
    counted: impl Iterator<Item = (&'static str, &'s Sum)>,
) -> RouteView {
    let (mut all, mut refused, mut failed) = (Spread::default(), 0, 0);
    for (class, sum) in counted {
        all = all.plus(&sum.durations);
        match class {
            "4xx" => refused += sum.durations.count(),
            "5xx" => failed += sum.durations.count(),
            _ => {}
        }
    }
    RouteView {
        key,
        line: route.line,
        to: words::leads_to(route).into_owned(),
        allow: route.allow.to_string(),
        from: words::networks(route),
        limits: words::limits(route),
        requests: all.count(),
        refused,
        failed,
        p50: all.at_most(50).map(micros),
        p99: all.at_most(99).map(micros),
    }
}

fn upstream(state: UpstreamState) -> UpstreamView {
    let servers = state.servers.into_iter();
    UpstreamView {
        name: state.name,
        servers: servers
            .map(|server| ServerView {
                address: server.address,
                up: server.is_up,
                requests: server.in_flight,
            })
            .collect(),
        waiting: state.waiting,
        failures: state.failures.values().sum(),
    }
}

/// Whole days until then.
fn days(now: Timestamp, ends: Timestamp) -> i64 {
    let millis = |at: Timestamp| i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    (millis(ends) - millis(now)).div_euclid(DAY)
}
