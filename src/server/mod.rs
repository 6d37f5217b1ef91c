//! Listeners and connections: from an accepted socket to a request and back.

mod connection;
mod listener;
mod preamble;
mod serve;
mod settings;

use std::future::Future;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;

use crate::web::{Body, Peer};

pub use listener::{BindError, Bound, Sockets};
pub use preamble::Preamble;
pub use serve::{Acceptor, Slots};
pub use settings::{ConnectionLimits, ListenAddr, ListenerSettings};

/// What answers requests.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. Dropped when the client goes away.
    fn handle(
        &self,
        request: Request<Incoming>,
        peer: Arc<Peer>,
    ) -> impl Future<Output = Response<Body>> + Send;

    /// Hears of a connection that ended otherwise than it should: malformed bytes, a reset. The
    /// client was answered 400, 414 or 431 where it could be.
    fn broken(&self, peer: &Peer, error: &hyper::Error);
}
