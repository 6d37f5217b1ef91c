//! Whose connection it is, where a load balancer says so.

use tokio::io::AsyncRead;

use super::Serving;
use crate::server::Handler;
use crate::server::proxied::{self, Ends};
use crate::web::Peer;

/// Reads the PROXY header that `peer` begins with. `None` if the connection is to be closed:
/// without a good header from somebody who may send one, nobody knows whose it is.
pub(super) async fn learn<H: Handler>(
    stream: &mut (impl AsyncRead + Unpin),
    peer: Peer,
    serving: &Serving<H>,
) -> Option<Peer> {
    if !serving.handler.trusts(peer.addr()) {
        tracing::warn!(peer = %peer.addr(), "PROXY listener: peer not in `trust`");
        return None;
    }
    let read = tokio::time::timeout(serving.limits.head_timeout, proxied::read(stream));
    let read = tokio::select! {
        () = serving.drain.begun() => return None,
        read = read => read,
    };
    match read {
        Ok(Ok(Some(Ends { source, destination }))) => Some(Peer::tcp(source, Some(destination))),
        // The connection's own ends, as if there were no header; but the word of a load balancer
        // that has no more to say is not that of its client.
        Ok(Ok(None)) => Some(peer.for_somebody()),
        Ok(Err(error)) => {
            let error = &error as &dyn std::error::Error;
            tracing::debug!(peer = %peer.addr(), error, "connection closed");
            None
        }
        Err(_late) => {
            tracing::debug!(peer = %peer.addr(), "no PROXY header in time");
            None
        }
    }
}
