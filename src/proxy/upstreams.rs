//! The list of upstreams, and what there is to be seen of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::UpstreamSettings;
use super::upstream::Upstream;

/// The upstreams, as all workers share them.
#[derive(Clone, Debug)]
pub struct Upstreams(pub(super) Vec<Arc<Upstream>>);

/// What an upstream is doing.
#[derive(Clone, Debug)]
pub struct UpstreamState {
    /// Its name in the policy.
    pub name: String,
    /// Requests that wait for a place.
    pub waiting: u64,
    /// Requests that got no response head, by the code of their refusal.
    pub failures: BTreeMap<&'static str, u64>,
    /// Its servers; none where it is a folder or built in.
    pub servers: Vec<ServerState>,
}

/// What a server of an upstream is doing.
#[derive(Clone, Debug)]
pub struct ServerState {
    /// Its address, as the operator wrote it.
    pub address: String,
    /// Requests that it has now.
    pub in_flight: usize,
    /// Whether it is chosen for requests; it is not while it fails, or its health checks do.
    pub is_up: bool,
}

impl Upstreams {
    /// The upstreams of a configuration, in its order.
    pub fn new(settings: impl IntoIterator<Item = UpstreamSettings>) -> Self {
        Self(Vec::new()).successor(settings)
    }

    /// The upstreams of another configuration. Those that are in this one too go on: what is known
    /// of their servers, and what is under way there.
    #[must_use]
    pub fn successor(&self, settings: impl IntoIterator<Item = UpstreamSettings>) -> Self {
        let one = |settings: UpstreamSettings| {
            let known = self.0.iter().find(|upstream| upstream.settings == settings);
            known.cloned().unwrap_or_else(|| Arc::new(Upstream::new(settings)))
        };
        Self(settings.into_iter().map(one).collect())
    }

    /// What was decided of each, in the order that routes count them.
    pub fn settings(&self) -> impl Iterator<Item = &UpstreamSettings> {
        self.0.iter().map(|upstream| &upstream.settings)
    }

    /// What each is doing.
    pub fn states(&self) -> impl Iterator<Item = UpstreamState> {
        self.0.iter().map(|upstream| upstream.state())
    }

    pub(super) fn position(&self, upstream: &Arc<Upstream>) -> Option<usize> {
        self.0.iter().position(|known| Arc::ptr_eq(known, upstream))
    }
}

impl Upstream {
    fn state(&self) -> UpstreamState {
        let servers = self.servers.iter().map(|server| ServerState {
            address: server.address.to_string(),
            in_flight: server.in_flight.load(Ordering::Relaxed),
            is_up: server.standing.is_in(),
        });
        UpstreamState {
            name: self.settings.name.clone(),
            waiting: self.gate.waiting(),
            failures: self.failures.so_far(),
            servers: servers.collect(),
        }
    }
}
