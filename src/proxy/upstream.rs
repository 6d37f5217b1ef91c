//! An upstream as all workers see it: its servers, its turn, its limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::HeaderValue;

use super::resolver::Resolver;
use super::{Address, Rejection, Target, UpstreamSettings};

/// An upstream, shared by all workers.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) settings: UpstreamSettings,
    pub(super) servers: Vec<Server>,
    in_flight: Arc<AtomicUsize>,
    turn: AtomicUsize,
}

/// One server of an upstream.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: Address,
    /// `Host` for requests that come without one (HTTP/1.0).
    pub(super) host: HeaderValue,
    pub(super) resolver: Resolver,
}

/// A request's place among those that an upstream may have at once; given back when dropped.
#[derive(Debug)]
pub(super) struct Flight(Arc<AtomicUsize>);

impl Upstream {
    pub(super) fn new(settings: UpstreamSettings) -> Self {
        let servers = match &settings.target {
            Target::Http(addresses) => addresses.iter().cloned().map(Server::new).collect(),
            Target::Whoami => Vec::new(),
        };
        Self { settings, servers, in_flight: Arc::default(), turn: AtomicUsize::new(0) }
    }

    /// Takes a place, if there is one.
    pub(super) fn enter(&self) -> Result<Flight, Rejection> {
        let flight = Flight(Arc::clone(&self.in_flight));
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        // Dropping the flight takes the count back.
        if before < self.settings.in_flight { Ok(flight) } else { Err(Rejection::UpstreamFull) }
    }

    /// Every server once, beginning with the one whose turn it is.
    pub(super) fn in_turn(&self) -> impl Iterator<Item = (usize, &Server)> {
        let count = self.servers.len();
        let first = if count > 1 { self.turn.fetch_add(1, Ordering::Relaxed) % count } else { 0 };
        let numbered = || self.servers.iter().enumerate();
        numbered().skip(first).chain(numbered().take(first))
    }
}

impl Server {
    fn new(address: Address) -> Self {
        let text = match &address {
            Address::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Address::Tcp { host, port: 80 } => host.clone(),
            Address::Tcp { host, port } => format!("{host}:{port}"),
            Address::Unix(_) => "localhost".to_owned(),
        };
        let host = HeaderValue::from_str(&text);
        let host = host.unwrap_or_else(|_| HeaderValue::from_static("upstream"));
        Self { address, host, resolver: Resolver::default() }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
