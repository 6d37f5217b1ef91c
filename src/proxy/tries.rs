//! A request's tries, each with a span of its own where its trace is recorded.

use http::Version;
use http::request::Parts;

use super::Address;
use super::upstream::Server;
use crate::trace::{Attempt, Trace, Try};

/// What the tries of a request have in common.
pub(super) struct Tries<'a> {
    trace: &'a Trace,
    /// The name of the upstream.
    upstream: &'a str,
    parts: &'a Parts,
}

impl<'a> Tries<'a> {
    /// Nothing where nothing is recorded.
    pub(super) fn of(
        trace: Option<&'a Trace>,
        upstream: &'a str,
        parts: &'a Parts,
    ) -> Option<Self> {
        let trace = trace.filter(|trace| trace.context().sampled)?;
        Some(Self { trace, upstream, parts })
    }

    /// A try at that server begins.
    pub(super) fn begin(&self, server: &Server, version: Version) -> Option<Attempt> {
        let socket;
        let (scheme, host, port) = match &server.address {
            Address::Tcp { host, port } => (Some("http"), host.as_str(), Some(*port)),
            Address::Tls { host, port } => (Some("https"), host.as_str(), Some(*port)),
            Address::Unix(path) => {
                socket = path.to_string_lossy();
                (None, &*socket, None)
            }
        };
        let (method, path) = (&self.parts.method, self.parts.uri.path());
        let upstream = self.upstream;
        self.trace.attempt(&Try { upstream, scheme, host, port, method, path, version })
    }
}
