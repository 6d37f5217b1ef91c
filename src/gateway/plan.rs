//! What the policy file makes of a gateway: all that a reload replaces, and what stays.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::hearing::Ears;
use super::intake::Hosts;
use super::load::Load;
use super::operators::Operators;
use super::reload::Reloads;
use super::shared::Shared;
use super::traces::Traces;
use crate::acme::Acme;
use crate::audit::{Event, Kind};
use crate::clock::Clock;
use crate::config::Config;
use crate::endpoints::Endpoints;
use crate::keys::KeyRing;
use crate::pages::Pages;
use crate::policy::Routes;
use crate::proxy::{InForce, Upstreams};
use crate::session::{Accounts, Rules, Sessions};
use crate::store::Store;
use crate::token::Revisions;
use crate::web::{RequestIds, Trust};

/// What stays for the life of a gateway.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) acme: Option<Arc<Acme>>,
    pub(super) accounts: Arc<Accounts>,
    pub(super) keys: Arc<KeyRing>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<RequestIds>,
    pub(super) load: Arc<Load>,
    pub(super) operators: Arc<Operators>,
    pub(super) revisions: Arc<Revisions>,
    pub(super) store: Arc<dyn Store>,
    pub(super) reloads: Reloads,
    pub(super) ears: Arc<Ears>,
    pub(super) traces: Option<Traces>,
}

/// What one policy file decides.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) shared: Arc<Shared>,
    pub(super) upstreams: Upstreams,
    /// SHA-256 of the file.
    pub(super) fingerprint: String,
}

/// What was in force before a reload.
#[derive(Clone, Debug)]
pub(super) struct Earlier {
    plan: Arc<Plan>,
    rules: Arc<Rules>,
}

/// The plan in force.
#[derive(Debug)]
pub(super) struct Plans {
    current: ArcSwap<Plan>,
    /// What live connections are held to, those of earlier plans too.
    pub(super) in_force: Arc<ArcSwap<InForce>>,
    changes: watch::Sender<()>,
}

impl Ground {
    /// The plan that a file decides. What `before` knows goes on where both agree.
    pub(super) fn plan(
        &self,
        config: Config,
        sessions: Arc<Sessions>,
        before: Option<&Plan>,
    ) -> Plan {
        let hosts = Hosts::new(&config);
        let routes = match before {
            Some(before) => config.routes.inherit(&before.shared.routes),
            None => config.routes,
        };
        let routes = Arc::new(routes);
        let mut endpoints = Endpoints::new(
            config.endpoints,
            Arc::clone(&sessions),
            Arc::clone(&self.accounts),
            Arc::clone(&self.keys),
            Arc::clone(&self.clock),
            Arc::clone(&routes),
            config.messages.clone(),
        );
        if let Some(before) = before {
            endpoints = endpoints.inherit(&before.shared.endpoints);
        }
        let pages = config.pages;
        let pages = pages.map(|it| Pages::new(it, Arc::clone(&sessions), config.messages.clone()));
        let shared = Shared {
            challenges: self.acme.as_ref().map(|acme| Arc::clone(acme.challenges())),
            clock: Arc::clone(&self.clock),
            endpoints,
            endpoint_cors: config.endpoint_cors,
            fields: config.connections.headers,
            forward_auth: config.forward_auth,
            hosts,
            hsts: config.tls.and_then(|tls| tls.hsts),
            ids: Arc::clone(&self.ids),
            in_flight: config.connections.in_flight,
            load: Arc::clone(&self.load),
            messages: config.messages,
            operators: Arc::clone(&self.operators),
            pages,
            public: config.public,
            routes,
            sessions,
            tracer: self.traces.as_ref().map(|traces| Arc::clone(traces.tracer())),
            trust: Trust::new(config.trust, config.trust_headers),
        };
        let upstreams = match before {
            Some(before) => before.upstreams.successor(config.upstreams),
            None => Upstreams::new(config.upstreams),
        };
        Plan { shared: Arc::new(shared), upstreams, fingerprint: config.fingerprint }
    }

    /// Puts what a file decides in force, for every request that begins from then on, and returns
    /// what was in force until then.
    pub(super) fn replace(&self, plans: &Plans, config: Config) -> Earlier {
        let before = plans.current();
        let sessions = before.shared.sessions.successor(
            config.identity.clone(),
            config.issuers.clone(),
            config.sessions.clone(),
            config.tokens.clone(),
        );
        self.keys.serve_tokens_of(config.tokens.longest());
        let earlier = self.accounts.set_rules(Arc::new(rules(&config)));
        let plan = self.plan(config, Arc::new(sessions), Some(&before));
        self.set(plans, Arc::new(plan));
        Earlier { plan: before, rules: earlier }
    }

    /// Puts an earlier plan in force again.
    pub(super) fn go_back(&self, plans: &Plans, earlier: &Earlier) {
        self.accounts.set_rules(Arc::clone(&earlier.rules));
        self.set(plans, Arc::clone(&earlier.plan));
    }

    fn set(&self, plans: &Plans, plan: Arc<Plan>) {
        let fingerprint = format!("sha256:{}", plan.fingerprint);
        plans.set(plan);
        self.accounts.audit().record(Event::new(Kind::Reloaded).with("config", fingerprint));
    }
}

/// What a file decides about accounts.
pub(super) fn rules(config: &Config) -> Rules {
    Rules::new(named(&config.routes), config.accounts.clone(), config.links.clone())
        .with_user_keys(config.sessions.user_keys.clone())
}

/// Names that rules of the policy speak of.
fn named(routes: &Routes) -> Vec<String> {
    routes.iter().flat_map(|route| route.allow.user_names().map(str::to_owned)).collect()
}

impl Plan {
    fn in_force(&self) -> InForce {
        let (sessions, routes) =
            (Arc::clone(&self.shared.sessions), Arc::clone(&self.shared.routes));
        InForce { sessions, routes }
    }
}

impl Plans {
    pub(super) fn new(plan: Plan) -> Self {
        let in_force = Arc::new(ArcSwap::from_pointee(plan.in_force()));
        Self { current: ArcSwap::from_pointee(plan), in_force, changes: watch::Sender::new(()) }
    }

    /// The plan in force.
    pub(super) fn current(&self) -> Arc<Plan> {
        self.current.load_full()
    }

    /// Whether that one is in force.
    pub(super) fn is_current(&self, plan: &Arc<Plan>) -> bool {
        Arc::ptr_eq(&self.current.load(), plan)
    }

    /// Hears of each change from now on.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    fn set(&self, plan: Arc<Plan>) {
        let in_force = Arc::new(plan.in_force());
        let sessions = Arc::clone(&in_force.sessions);
        self.current.store(plan);
        // In this order: whoever is in doubt finds the new rules.
        self.in_force.store(in_force);
        sessions.doubt_everybody();
        self.changes.send_replace(());
    }
}
