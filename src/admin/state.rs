//! What operators are shown of a gateway that runs.

use serde::{Deserialize, Serialize};

/// A gateway as it is now, and as it was for a while. Moments are RFC 3339, in UTC; durations
/// are microseconds.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct StateView {
    /// Whose word is in force.
    pub policy: PolicyState,
    /// What is under way.
    pub load: LoadView,
    /// How requests went lately, the oldest first.
    pub lately: Vec<SpanView>,
    /// In the order of the file.
    pub routes: Vec<RouteView>,
    /// In the order of the file.
    pub upstreams: Vec<UpstreamView>,
    /// What clients over TLS are shown.
    pub certificates: Vec<CertificateView>,
}

/// The policy in force, and what came of the file that was read last.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PolicyState {
    /// SHA-256 of the file in force, in hex.
    pub fingerprint: String,
    /// Since when.
    pub since: String,
    /// Whether the file that was read last is in force; `false` where it was refused.
    pub last_was_good: bool,
    /// What there was to say about that file: warnings, keys that wait for the next start, or why
    /// it was refused.
    pub said: Vec<String>,
}

/// What is under way, and how much of it there may be.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LoadView {
    /// Requests that are not over.
    pub requests: usize,
    /// Most of them at once.
    pub most_requests: usize,
    /// Connections of clients.
    pub connections: usize,
    /// Most of them at once.
    pub most_connections: usize,
}

/// A span of time.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SpanView {
    /// When it ended.
    pub until: String,
    /// Requests that were over in it.
    pub requests: u64,
    /// Of those, with 401 or 403.
    pub denied: u64,
    /// Of those, with 5xx.
    pub failed: u64,
    /// What 99 % of them took at most; `None` where there were none, or it was longer than is told
    /// apart.
    pub p99: Option<u64>,
}

/// A route, and what came of it since the start.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RouteView {
    /// As the operator wrote it.
    pub key: String,
    /// The line of the policy file that it begins in.
    pub line: Option<usize>,
    /// Where it leads, and what becomes of the path.
    pub to: String,
    /// Who may use it.
    pub allow: String,
    /// The networks that clients may come from; empty is any.
    pub from: Vec<String>,
    /// Its limits, as they are written.
    pub limits: Vec<String>,
    /// Requests that are over.
    pub requests: u64,
    /// Of those, with 4xx.
    pub refused: u64,
    /// Of those, with 5xx.
    pub failed: u64,
    /// What half of them took at most; `None` as for [`SpanView::p99`].
    pub p50: Option<u64>,
    /// What 99 % of them took at most.
    pub p99: Option<u64>,
}

/// An upstream.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct UpstreamView {
    /// Its name.
    pub name: String,
    /// Its servers; none where it is a folder or built in.
    pub servers: Vec<ServerView>,
    /// Requests that wait for a place.
    pub waiting: u64,
    /// Requests that got no response head, since the start.
    pub failures: u64,
}

/// A server of an upstream.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ServerView {
    /// Its address, as the operator wrote it.
    pub address: String,
    /// Whether it is chosen for requests.
    pub up: bool,
    /// Requests that it has now.
    pub requests: usize,
}

/// A certificate.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CertificateView {
    /// Its file.
    pub file: String,
    /// When it ends.
    pub ends: String,
    /// Whole days until then; negative where that was so many days ago.
    pub days: i64,
}
