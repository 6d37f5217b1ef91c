//! An upstream as all workers see it: its servers, what they have to do, its limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::HeaderValue;

use super::choice::{Candidate, Dice, choose};
use super::resolver::Resolver;
use super::{Address, Backend, Rejection, Target, UpstreamSettings};

/// An upstream, shared by all workers.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) settings: UpstreamSettings,
    pub(super) servers: Vec<Server>,
    in_flight: AtomicUsize,
    dice: Dice,
}

/// One server of an upstream.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: Address,
    /// `Host` for requests that come without one (HTTP/1.0).
    pub(super) host: HeaderValue,
    pub(super) resolver: Resolver,
    weight: u32,
    in_flight: AtomicUsize,
}

/// A request's place among those that an upstream may have at once, and at one of its servers;
/// given back when dropped.
#[derive(Debug)]
pub(super) struct Flight {
    upstream: Arc<Upstream>,
    /// `NOWHERE` before it was sent to a server.
    server: AtomicUsize,
}

const NOWHERE: usize = usize::MAX;

impl Upstream {
    pub(super) fn new(settings: UpstreamSettings) -> Self {
        let servers = match &settings.target {
            Target::Http(backends) => backends.iter().cloned().map(Server::new).collect(),
            Target::Whoami => Vec::new(),
        };
        Self { settings, servers, in_flight: AtomicUsize::new(0), dice: Dice::new() }
    }

    /// Takes a place, if there is one.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Flight, Rejection> {
        let flight = Flight { upstream: Arc::clone(self), server: AtomicUsize::new(NOWHERE) };
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        // Dropping the flight takes the count back.
        if before < self.settings.in_flight { Ok(flight) } else { Err(Rejection::UpstreamFull) }
    }

    /// The server to be asked next, and its number, of those that were not `tried`.
    pub(super) fn next(&self, tried: &[usize]) -> Option<(usize, &Server)> {
        let number = match self.servers.len() {
            1 => Some(0).filter(|_| tried.is_empty())?,
            _ => choose(self.candidates(tried), &self.dice)?,
        };
        self.servers.get(number).map(|server| (number, server))
    }

    fn candidates(&self, tried: &[usize]) -> impl Iterator<Item = Candidate> + Clone {
        let untried = self.servers.iter().enumerate().filter(|(at, _)| !tried.contains(at));
        untried.map(|(number, server)| Candidate {
            number,
            weight: server.weight,
            in_flight: server.in_flight.load(Ordering::Relaxed),
        })
    }
}

impl Flight {
    /// From here on it is that server that has the request.
    pub(super) fn go_to(&self, server: usize) {
        let before = self.server.swap(server, Ordering::Relaxed);
        if let Some(left) = self.upstream.servers.get(before) {
            left.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
        if let Some(entered) = self.upstream.servers.get(server) {
            entered.in_flight.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Server {
    fn new(Backend { address, weight }: Backend) -> Self {
        let text = match &address {
            Address::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Address::Tcp { host, port: 80 } => host.clone(),
            Address::Tcp { host, port } => format!("{host}:{port}"),
            Address::Unix(_) => "localhost".to_owned(),
        };
        let host = HeaderValue::from_str(&text);
        let host = host.unwrap_or_else(|_| HeaderValue::from_static("upstream"));
        Self {
            address,
            host,
            resolver: Resolver::default(),
            weight: weight.get(),
            in_flight: AtomicUsize::new(0),
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.go_to(NOWHERE);
        self.upstream.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
