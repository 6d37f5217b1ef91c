//! What the operator decides about listeners and connections.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::tls::ClientAuth;

/// One entry of `listen`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ListenAddr {
    /// `host:port`; each worker binds it for itself (`SO_REUSEPORT`).
    Tcp(SocketAddr),
    /// `unix:/path`.
    Unix(PathBuf),
}

impl Default for ListenAddr {
    /// `127.0.0.1:8080`: reachable from this machine alone.
    fn default() -> Self {
        Self::Tcp(SocketAddr::from(([127, 0, 0, 1], 8080)))
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => addr.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// One entry of `listen` with what its connections begin with.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ListenerSettings {
    /// Where.
    pub addr: ListenAddr,
    /// Whether its connections speak TLS.
    pub tls: bool,
    /// Whether their clients show certificates.
    pub client_auth: ClientAuth,
    /// Whether its clients are sent to `https://`, and get nothing else.
    pub redirect: bool,
    /// Whether each connection begins with a line of the PROXY protocol about its client.
    pub proxy_protocol: bool,
}

impl From<ListenAddr> for ListenerSettings {
    /// In clear, and straight from the client.
    fn from(addr: ListenAddr) -> Self {
        Self { addr, ..Self::default() }
    }
}

/// How much memory there may be.
///
/// ```
/// use portcullis::config::typed::{Limits, MemoryLimit};
///
/// let _ = Limits::default().memory(MemoryLimit::Bytes(256 << 20));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum MemoryLimit {
    /// As much as there is.
    Off,
    /// What the control group of the process may have; as much as there is, where that has no
    /// limit.
    #[default]
    Group,
    /// So many bytes for what the process allocates.
    Bytes(u64),
}

/// The connection part of `[limits]`, checked.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    /// Most bytes of a request head (431).
    pub head: usize,
    /// Most header fields (431).
    pub headers: usize,
    /// From accept to the first request, and from the first byte of a head to its last.
    pub head_timeout: Duration,
    /// From accept to the end of the TLS handshake.
    pub tls_timeout: Duration,
    /// Requests at once on one HTTP/2 connection.
    pub h2_streams: u32,
    /// Whether HTTP/2 clients are told that a stream may become a `WebSocket` (RFC 8441): it may
    /// where a route says so.
    pub websockets: bool,
    /// A connection without a request is closed after this.
    pub idle_timeout: Duration,
    /// Connections at once, over all workers; further ones wait in the listener's queue.
    pub connections: usize,
    /// Requests under way at once, over all connections and workers (503): a `WebSocket` and a
    /// response that goes on are under way until their end.
    pub in_flight: usize,
    /// Shortly before it, further requests are sent away (503).
    pub memory: MemoryLimit,
    /// How long running requests may go on after the end was asked for.
    pub drain: Duration,
    /// How long streams and `WebSocket`s may go on in a process after another one has taken over.
    pub linger: Duration,
    /// How long the gateway says that it is not ready before it stops accepting, so that whoever
    /// sends it clients has time to send them elsewhere.
    pub drain_delay: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            head: 64 * 1024,
            headers: 100,
            head_timeout: Duration::from_secs(10),
            tls_timeout: Duration::from_secs(10),
            h2_streams: 100,
            websockets: false,
            idle_timeout: Duration::from_secs(75),
            connections: 10_000,
            in_flight: 10_000,
            memory: MemoryLimit::default(),
            drain: Duration::from_secs(30),
            linger: Duration::from_secs(24 * 60 * 60),
            drain_delay: Duration::ZERO,
        }
    }
}
