//! What the operator decides about upstreams.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use http::StatusCode;
use http::uri::PathAndQuery;

use crate::tls::ClientTls;

/// One `[upstreams]` entry, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
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
    /// Most unused connections that each worker keeps for each server.
    pub keep_alive: usize,
    /// Requests at once, over all workers; further ones wait.
    pub in_flight: usize,
    /// Most requests that wait; further ones are refused (503).
    pub queue: usize,
    /// How long one waits before it is refused (503).
    pub queue_wait: Duration,
    /// How the servers are asked whether they are well; `None` leaves it to what they answer.
    pub health: Option<HealthSettings>,
    /// Whether a request may be sent once more when the waiting connection that it went out on
    /// ended under it: GET, HEAD and OPTIONS without a body.
    pub send_again: bool,
    /// Whether the servers speak HTTP/2, and nothing else: agreed on in the TLS handshake, known
    /// beforehand in clear.
    pub h2: bool,
    /// How to speak TLS; a server at `https://` cannot be reached without.
    pub tls: Option<ClientTls>,
}

/// How the servers of an upstream are asked whether they are well.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HealthSettings {
    /// What is asked for, by GET: an origin-form target.
    pub path: PathAndQuery,
    /// From one look to the next, give or take a tenth.
    pub interval: Duration,
    /// Longest wait for the answer, the connection included.
    pub timeout: Duration,
    /// Good looks in a row that bring a server back.
    pub healthy: NonZeroU32,
    /// Bad looks in a row that put a server out; at the start the first is enough.
    pub unhealthy: NonZeroU32,
    /// Good answers; empty for any 2xx.
    pub status: Vec<StatusCode>,
}

impl HealthSettings {
    /// Looks at a path every five seconds.
    pub const fn new(path: PathAndQuery) -> Self {
        const TWO: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);
        Self {
            path,
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            healthy: TWO,
            unhealthy: TWO.saturating_add(1),
            status: Vec::new(),
        }
    }
}

/// A folder whose files are the answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FolderSettings {
    /// The folder. Where it is a symbolic link, that is followed anew for each request.
    pub dir: PathBuf,
    /// The file in it that answers a browser for a page that is no file.
    pub spa: Option<String>,
    /// Whether `x.br`, `x.zst` and `x.gz` beside `x` are sent to those who take them.
    pub precompressed: bool,
}

/// What answers for an upstream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// Servers that speak HTTP. Never empty. Of two drawn by weight, the one with
    /// fewer requests for its weight has the next.
    Http(Vec<Backend>),
    /// Built in: answers with files.
    Folder(FolderSettings),
    /// Built in: answers with the request as an upstream sees it.
    Whoami,
    /// The program that the gateway is a part of.
    Inner,
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
            keep_alive: 256,
            in_flight: 1024,
            queue: 1024,
            queue_wait: Duration::from_secs(5),
            health: None,
            send_again: true,
            h2: false,
            tls: None,
        }
    }
}
