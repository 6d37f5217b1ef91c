//! What the operator decides about upstreams.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use crate::tls::ClientTls;

/// One `[upstreams]` entry, checked.
#[derive(Clone, Debug)]
pub struct UpstreamSettings {
    /// Its name in the routes.
    pub name: String,
    /// What answers.
    pub target: Target,
    /// Longest wait for a connection.
    pub connect: Duration,
    /// Longest wait for the response head, from the last request byte sent.
    pub timeout: Duration,
    /// How long an unused connection is kept.
    pub idle: Duration,
    /// Requests at once, over all workers; further ones are refused (503).
    pub in_flight: usize,
    /// Whether a request may be sent once more when the waiting connection that it went out on
    /// ended under it: GET, HEAD and OPTIONS without a body.
    pub send_again: bool,
    /// Whether the servers speak HTTP/2, and nothing else: agreed on in the TLS handshake, known
    /// beforehand in clear.
    pub h2: bool,
    /// How to speak TLS; a server at `https://` cannot be reached without.
    pub tls: Option<ClientTls>,
}

/// What answers for an upstream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// Servers that speak HTTP. Never empty. Of two drawn by weight, the one with
    /// fewer requests for its weight has the next.
    Http(Vec<Backend>),
    /// Built in: answers with the request as an upstream sees it.
    Whoami,
}

/// One server of an upstream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Backend {
    /// Where it is.
    pub address: Address,
    /// Its share of the requests, beside those of the others; 1 where none was written.
    pub weight: NonZeroU32,
}

/// Where one server of an upstream is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Address {
    /// `http://host:port`
    Tcp {
        /// A name or an IP address; IPv6 without brackets.
        host: String,
        /// The port, 80 if none was written.
        port: u16,
    },
    /// `https://host:port`
    Tls {
        /// A name or an IP address; IPv6 without brackets.
        host: String,
        /// The port, 443 if none was written.
        port: u16,
    },
    /// `unix:/path`: a socket on this machine.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    /// As it is written in a policy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "http://[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "http://{host}:{port}"),
            Self::Tls { host, port } if host.contains(':') => write!(f, "https://[{host}]:{port}"),
            Self::Tls { host, port } => write!(f, "https://{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl UpstreamSettings {
    /// An upstream with the default deadlines.
    pub fn new(name: impl Into<String>, target: Target) -> Self {
        Self {
            name: name.into(),
            target,
            connect: Duration::from_secs(2),
            timeout: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            in_flight: 1024,
            send_again: true,
            h2: false,
            tls: None,
        }
    }
}
