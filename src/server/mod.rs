//! Listeners and connections: from an accepted socket to a request and back.

mod connection;
mod given;
mod head;
mod listener;
mod preamble;
mod proxied;
mod serve;
mod settings;

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;

use crate::web::{Body, Peer};

pub use given::{Given, GivenError};
pub use head::{Bounds, Stop, Violation, Walked, Walker};
pub(crate) use listener::SocketFile;
pub use listener::{BindError, Bound, Sockets};
pub use preamble::Preamble;
pub(crate) use serve::FIRST_WORDS;
pub use serve::{Acceptor, Slots};
pub use settings::{ConnectionLimits, ListenAddr, ListenerSettings, MemoryLimit};

/// What answers requests.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. Dropped when the client goes away.
    fn handle(
        &self,
        request: Request<Incoming>,
        peer: Arc<Peer>,
    ) -> impl Future<Output = Response<Body>> + Send;

    /// Answers in place of a request that is none. The connection ends with it.
    fn refuse(&self, violation: Violation, peer: &Peer) -> Response<Body>;

    /// Whether a peer's word about where its connections come from counts.
    fn trusts(&self, peer: IpAddr) -> bool;

    /// Hears of a connection that ended otherwise than it should: malformed bytes, a reset. The
    /// client was answered 400, 414 or 431 where it could be.
    fn broken(&self, peer: &Peer, error: &hyper::Error);
}
