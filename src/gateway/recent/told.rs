//! What an operator is told about requests that are over.

use std::sync::Arc;

use super::{Edition, Past};
use crate::admin::{
    PastAlternative, PastCaller, PastEnd, PastIdentity, PastPolicy, PastRoute, PastView,
};
use crate::causes::chain;
use crate::clock::{Clock, Timestamp};
use crate::gateway::Gateway;
use crate::gateway::census::Census;
use crate::gateway::meters::{Met, Meters};
use crate::gateway::plan::Plans;
use crate::gateway::record::{Judged, Line};
use crate::policy::Route;
use crate::session::Authenticated;

/// The last requests of a gateway, for its operator's door.
///
/// ```
/// use std::path::Path;
///
/// use portcullis::store::RedbStore;
/// use portcullis::{Config, Gateway};
/// # use std::sync::Arc;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config::built_in(Path::new("."))?.config;
/// let builder = Gateway::builder(config).store(Arc::new(RedbStore::in_memory()?));
/// let gateway = builder.ephemeral_keys().build()?;
/// let requests = gateway.requests();
/// assert!(requests.find("0123456789abcdef").await.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Requests {
    census: Arc<Census>,
    plans: Arc<Plans>,
    clock: Arc<dyn Clock>,
}

#[doc(hidden)]
impl Gateway {
    /// Its last requests, for an operator's door.
    pub fn requests(&self) -> Requests {
        Requests {
            census: Arc::clone(&self.census),
            plans: Arc::clone(&self.plans),
            clock: Arc::clone(self.clock()),
        }
    }
}

impl Requests {
    /// How many requests each worker remembers.
    pub fn room(&self) -> usize {
        self.census.room
    }

    /// Those with that id that are remembered. Whether a credential is still good is looked up in
    /// the store.
    pub async fn find(&self, id: &str) -> Vec<PastView> {
        let plan = self.plans.current();
        let mut found = Vec::new();
        for meters in self.census.meters() {
            meters.common().recent.each(id, |past| {
                let caller = past.line.caller.known().cloned();
                found.push((past.started, self.view(past, &meters, &plan.fingerprint), caller));
            });
        }
        found.sort_by_key(|(started, ..)| *started);
        let mut views = Vec::new();
        for (_, mut view, caller) in found {
            let identity = view.caller.as_mut().and_then(|told| told.known.as_mut());
            if let Some((identity, caller)) = identity.zip(caller) {
                let good = plan.shared.sessions.is_good(&caller).await;
                identity.now = good.err().map(|error| chain(&error));
            }
            views.push(view);
        }
        views
    }

    fn view(&self, past: &Past, meters: &Meters, in_force: &str) -> PastView {
        let Past { request_id, started, met, edition, line, end } = past;
        let edition = edition.as_deref();
        let route = match met {
            Met::Route(number) => edition.and_then(|edition| edition.route(*number)),
            Met::Nowhere | Met::Endpoint(_) => None,
        };
        let endpoint = match met {
            Met::Endpoint(path) => meters.path_of(path).map(str::to_owned),
            Met::Nowhere | Met::Route(_) => None,
        };
        let ago = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let at = self.clock.now().as_millis().saturating_sub(ago);
        PastView {
            request_id: request_id.to_str().unwrap_or_default().to_owned(),
            at: Timestamp::from_millis(at).to_string(),
            client: line.client.to_string(),
            method: line.method.to_string(),
            host: line.host.clone(),
            path: line.path.clone(),
            canonical: match &line.judged {
                Judged::Not => None,
                Judged::AsWritten => Some(line.path.clone()),
                Judged::As(path) => Some(path.clone()),
            },
            end: PastEnd {
                status: end.status.as_u16(),
                code: end.code.map(str::to_owned),
                cause: line.cause.clone(),
                duration_us: end.micros,
                sent: end.sent,
                complete: end.whole,
            },
            caller: caller(line),
            route: route.map(|route| told(route, line)),
            endpoint,
            policy: edition.map(|Edition { fingerprint, .. }| PastPolicy {
                fingerprint: fingerprint.clone(),
                in_force: fingerprint == in_force,
            }),
        }
    }
}

fn caller(line: &Line) -> Option<PastCaller> {
    let known = line.caller.known().map(|caller| identity(caller));
    Some(PastCaller { user_id: line.caller.user()?.to_owned(), known, key: line.caller.key() })
}

fn identity(caller: &Authenticated) -> PastIdentity {
    PastIdentity {
        username: caller.identity.username.clone(),
        roles: caller.identity.roles.clone(),
        credential: caller.credential(),
        session: caller.identity.session.map(|session| session.to_string()),
        expires: caller.expires.to_string(),
        now: None,
    }
}

fn told(route: &Route, line: &Line) -> PastRoute {
    let identity = line.caller.known().map(|caller| &caller.identity);
    let alternatives = route.allow.alternatives(identity, line.certificate.as_ref());
    PastRoute {
        key: route.key.to_string(),
        line: route.line,
        to: route.to.clone(),
        allow: route.allow.to_string(),
        alternatives: alternatives
            .into_iter()
            .map(|one| PastAlternative { rule: one.rule, missing: one.missing })
            .collect(),
        from: route.from.iter().map(ToString::to_string).collect(),
        would_allow: route.shadow.as_ref().map(|shadow| shadow.allow().to_string()),
        would: line.would.map(str::to_owned),
    }
}
