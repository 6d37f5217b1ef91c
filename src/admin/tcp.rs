//! The operator's door over the network, where an operator asks for it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};

use super::answer::Pass;
use super::serve::{self, Entrance, Visitor};
use super::{AdminTcp, Door};
use crate::audit::Origin;

/// The operator's door at a TCP address. Every request shows the token.
pub struct AdminListener {
    listener: TcpListener,
    settings: AdminTcp,
}

/// Why the operator's door is not open at an address. `Display` is for the operator.
#[derive(Debug, thiserror::Error)]
#[error("[admin] listen: cannot listen at {at}")]
pub struct AdminBindError {
    /// Where.
    pub at: SocketAddr,
    /// The operating system's answer.
    #[source]
    pub source: io::Error,
}

impl AdminListener {
    /// Listens at the address.
    ///
    /// # Errors
    ///
    /// [`AdminBindError`]: free the address, or choose another.
    pub async fn bind(settings: AdminTcp) -> Result<Self, AdminBindError> {
        let at = settings.addr;
        let listener = TcpListener::bind(at).await;
        let listener = listener.map_err(|source| AdminBindError { at, source })?;
        Ok(Self { listener, settings })
    }

    /// Where it listens: with the real port where 0 was asked for.
    pub fn addr(&self) -> SocketAddr {
        self.listener.local_addr().unwrap_or(self.settings.addr)
    }

    /// Lets commands in until `shutdown` resolves, then lets running ones end.
    pub async fn serve(self, door: Arc<Door>, shutdown: impl Future<Output = ()> + Send) {
        serve::serve(&self, &door, shutdown).await;
    }
}

impl Entrance for AdminListener {
    type Stream = TcpStream;

    async fn next(&self) -> io::Result<Option<(TcpStream, Visitor)>> {
        let (stream, peer) = self.listener.accept().await?;
        let origin = Origin::remote_operator(peer.ip());
        let AdminTcp { token, feed_token, .. } = &self.settings;
        let pass = Pass::Token { operator: token.clone(), service: feed_token.clone() };
        Ok(Some((stream, Visitor { origin, pass })))
    }
}

impl fmt::Debug for AdminListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminListener").field("addr", &self.addr()).finish_non_exhaustive()
    }
}
