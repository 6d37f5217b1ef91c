//! The TLS handshake of a connection.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What the handshake agreed on.
pub(super) struct Session {
    /// HTTP/2 and not HTTP/1.1 (RFC 9113 section 3.2).
    pub(super) is_http2: bool,
    /// The name that the client asked for (RFC 6066 section 3).
    pub(super) server_name: Option<String>,
}

/// Why a handshake came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoSession {
    #[error("no handshake in time")]
    Late,
    #[error("waiting connection closed for the end")]
    Drained,
    #[error("{0}")]
    Failed(#[source] io::Error),
}

/// Shakes hands with a client within `limit`.
pub(super) async fn shake<S>(
    stream: S,
    tls: Arc<ServerConfig>,
    limit: Duration,
    drained: Pin<&mut impl Future<Output = ()>>,
) -> Result<(TlsStream<S>, Session), NoSession>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let stream = tokio::select! {
        biased;
        shaken = TlsAcceptor::from(tls).accept(stream) => shaken.map_err(NoSession::Failed)?,
        () = tokio::time::sleep(limit) => return Err(NoSession::Late),
        () = drained => return Err(NoSession::Drained),
    };
    let (_, session) = stream.get_ref();
    let is_http2 = session.alpn_protocol() == Some(b"h2");
    let server_name = session.server_name().map(str::to_owned);
    Ok((stream, Session { is_http2, server_name }))
}
