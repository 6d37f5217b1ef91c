//! From a server's address to a stream of bytes: TCP or a unix socket, with TLS or in clear.

use std::error::Error;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::io::Errno;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use super::pool::Connection;
use super::resolver::Peer;
use super::upstream::Server;
use super::{Address, UpstreamSettings, dial, http1};
use crate::clock::Alarm;

/// An open connection to a server.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Connects to a server of an upstream, through TLS if its address says so.
pub(super) async fn connect(settings: &UpstreamSettings, server: &Server) -> io::Result<Stream> {
    match &server.address {
        Address::Tcp { .. } => tcp(server).await.map(Stream::Tcp),
        Address::Unix(path) => dial::unix(path).await.map(Stream::Unix),
        Address::Tls { host, .. } => {
            let tls = settings.tls.as_ref();
            let tls = tls.ok_or_else(|| io::Error::other("no settings for TLS"))?;
            let stream = tcp(server).await?;
            let stream = tls.connect(host, stream).await.map_err(Handshake)?;
            if settings.h2 && stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                return Err(io::Error::other("the server does not offer HTTP/2; remove `h2`"));
            }
            Ok(Stream::Tls(Box::new(stream)))
        }
    }
}

/// Connects to a server that speaks HTTP/1.1.
pub(super) async fn connect_http1(
    settings: &UpstreamSettings,
    server: &Server,
) -> io::Result<Connection> {
    let stream = connect(settings, server).await?;
    let peer = stream.peer()?;
    let http = match stream {
        Stream::Tcp(stream) => http1::Connection::new(stream),
        Stream::Unix(stream) => http1::Connection::new(stream),
        Stream::Tls(stream) => http1::Connection::new(stream),
    };
    Ok(Connection { http, peer, alarm: Alarm::default() })
}

/// Whether it was for want of something here, which says nothing about the server.
pub(super) fn is_ours(error: &(dyn Error + 'static)) -> bool {
    const WANTING: [Errno; 4] = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    let mut cause = Some(error);
    while let Some(error) = cause {
        let errno = error.downcast_ref().and_then(Errno::from_io_error);
        if errno.is_some_and(|errno| WANTING.contains(&errno)) {
            return true;
        }
        cause = error.source();
    }
    false
}

async fn tcp(server: &Server) -> io::Result<TcpStream> {
    let stream = dial::tcp(&server.resolver.resolve().await?).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Stream {
    /// Where it leads, if by TCP.
    pub(super) fn peer(&self) -> io::Result<Option<Peer>> {
        let stream = match self {
            Self::Tcp(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
            Self::Unix(_) => return Ok(None),
        };
        Ok(Some(stream.peer_addr()?.into()))
    }
}

/// A handshake that failed, for a log that would otherwise name neither side.
#[derive(Debug, thiserror::Error)]
#[error("TLS handshake with the server")]
struct Handshake(#[source] io::Error);

impl From<Handshake> for io::Error {
    fn from(failed: Handshake) -> Self {
        Self::other(failed)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Unix(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanting_here_is_told_from_what_a_server_does() {
        for (errno, ours) in [
            (Errno::MFILE, true),
            (Errno::NFILE, true),
            (Errno::NOBUFS, true),
            (Errno::NOMEM, true),
            (Errno::CONNREFUSED, false),
            (Errno::HOSTUNREACH, false),
            (Errno::TIMEDOUT, false),
        ] {
            assert_eq!(is_ours(&io::Error::from(errno)), ours, "{errno}");
            let wrapped = io::Error::from(Handshake(errno.into()));
            assert_eq!(is_ours(&wrapped), ours, "{errno}, in another one");
        }
        assert!(!is_ours(&io::Error::other("no settings for TLS")));
    }
}
