//! The TLS handshake of a connection.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::tls::{Choice, ClientCertificate, ListenerTls, Shown, TlsError};
use crate::web::Peer;

/// A fatal alert, `unrecognized_name`, as a record (RFC 6066 section 3, RFC 8446 section 6).
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];
/// The same for `no_application_protocol` (RFC 7301 section 3.2).
const NO_APPLICATION_PROTOCOL: [u8; 7] = [21, 3, 3, 0, 2, 2, 120];

/// What the handshake agreed on.
pub(super) struct Session {
    /// HTTP/2 and not HTTP/1.1 (RFC 9113 section 3.2).
    pub(super) is_http2: bool,
    /// What the client was shown.
    shown: Arc<Shown>,
    /// The name that the client asked for (RFC 6066 section 3).
    server_name: Option<String>,
    certificate: Option<ClientCertificate>,
}

/// Why a handshake came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoSession {
    #[error("no handshake in time")]
    Late,
    #[error("waiting connection closed for the end")]
    Drained,
    #[error("no certificate for the host that the client asks for")]
    UnknownName,
    #[error("no proof for the name that an authority asks for")]
    NoProof,
    #[error("a name was proved, and nothing comes after that")]
    Proved,
    #[error("client certificate not understood")]
    Certificate(#[from] TlsError),
    #[error("{0}")]
    Failed(#[from] io::Error),
}

/// Shakes hands with a client within `limit`.
pub(super) async fn shake<S>(
    stream: S,
    tls: &ListenerTls,
    limit: Duration,
    drained: Pin<&mut impl Future<Output = ()>>,
) -> Result<(TlsStream<S>, Session), NoSession>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (stream, shown) = tokio::select! {
        biased;
        shaken = agree(stream, tls) => shaken?,
        () = tokio::time::sleep(limit) => return Err(NoSession::Late),
        () = drained => return Err(NoSession::Drained),
    };
    let (_, session) = stream.get_ref();
    let is_http2 = session.alpn_protocol() == Some(b"h2");
    let server_name = session.server_name().map(str::to_owned);
    let certificate = session.peer_certificates().map(|chain| shown.holder(chain)).transpose()?;
    Ok((stream, Session { is_http2, shown, server_name, certificate }))
}

async fn agree<S>(stream: S, tls: &ListenerTls) -> Result<(TlsStream<S>, Arc<Shown>), NoSession>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut begun = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let chosen = tls.choose(&begun.client_hello());
    let (alert, refused) = match chosen {
        Choice::Shown(shown) => return Ok((begun.into_stream(shown.config()).await?, shown)),
        Choice::Proof(config) => {
            begun.into_stream(config).await?.shutdown().await?;
            return Err(NoSession::Proved);
        }
        Choice::NoProof => (NO_APPLICATION_PROTOCOL, NoSession::NoProof),
        Choice::UnknownName => (UNRECOGNIZED_NAME, NoSession::UnknownName),
    };
    begun.io.write_all(&alert).await?;
    begun.io.shutdown().await?;
    Err(refused)
}

impl Session {
    /// The peer, with what is known of it now.
    pub(super) fn of(&self, peer: Peer) -> Peer {
        let peer = peer.over_tls(self.server_name.as_deref()).shown(self.shown.leaf());
        match &self.certificate {
            Some(certificate) => peer.certified(certificate),
            None => peer,
        }
    }
}
