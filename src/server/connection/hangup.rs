//! Whether a client is gone, for who does not read.

use futures_util::FutureExt;
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

/// A socket that knows of its end before what came earlier was read.
pub(in crate::server) trait Hangup {
    /// Whether the client has closed, or ended what it sends. An end behind more bytes than the
    /// kernel keeps for us has not come yet.
    fn is_hung_up(&self) -> bool;
}

/// What the last event of the socket told: no system call.
macro_rules! by_readiness {
    ($socket:ty) => {
        impl Hangup for $socket {
            fn is_hung_up(&self) -> bool {
                let ready = self.ready(Interest::READABLE).now_or_never();
                // With an error the next read or write will tell.
                ready.is_some_and(|ready| ready.is_ok_and(|ready| ready.is_read_closed()))
            }
        }
    };
}

by_readiness!(TcpStream);
by_readiness!(UnixStream);

impl<S: Hangup> Hangup for TlsStream<S> {
    fn is_hung_up(&self) -> bool {
        self.get_ref().0.is_hung_up()
    }
}
