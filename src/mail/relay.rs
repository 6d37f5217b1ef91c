//! A connection to the server that takes our letters.

use std::error::Error;
use std::fmt;
use std::io::{self, Cursor};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use lettre::transport::smtp;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::extension::ClientId;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::compose::Sealed;
use super::{Login, MailError, MailSettings, Security, starttls};

/// Replies of the server that are about us and not about a letter: it wants a login, or a
/// better one (RFC 4954 section 6, RFC 5248).
const ABOUT_US: [u16; 4] = [530, 534, 535, 538];

/// A server that is ready to take letters.
pub(super) struct Relay {
    connection: AsyncSmtpConnection,
    wait: Duration,
}

impl Relay {
    /// Connects, agrees on TLS, and logs in.
    /// `hello` is who we say that we are.
    pub(super) async fn connect(settings: &MailSettings, hello: &str) -> Result<Self, MailError> {
        let opened = timeout(settings.timeout, open(settings, hello)).await;
        let connection = opened.unwrap_or_else(|_late| Err("no answer in time".into()));
        let connection = connection.map_err(MailError::Unreachable)?;
        Ok(Self { connection, wait: settings.timeout })
    }

    /// Hands a letter over. After an error the connection is of no more use.
    pub(super) async fn send(&mut self, letter: &Sealed) -> Result<(), MailError> {
        let sent = self.connection.send(&letter.envelope, &letter.bytes);
        match timeout(self.wait, sent).await {
            Ok(sent) => sent.map(|_| ()).map_err(judge),
            Err(_late) => Err(MailError::Slow),
        }
    }

    /// Says good-bye, for a moment.
    pub(super) async fn quit(mut self) {
        const MOMENT: Duration = Duration::from_secs(2);
        drop(timeout(self.wait.min(MOMENT), self.connection.quit()).await);
    }
}

fn judge(error: smtp::Error) -> MailError {
    let code = error.status().map(u16::from);
    if error.is_permanent() && !code.is_some_and(|code| ABOUT_US.contains(&code)) {
        return MailError::Refused(error.into());
    }
    MailError::NotNow(error.into())
}

async fn open(
    settings: &MailSettings,
    hello: &str,
) -> Result<AsyncSmtpConnection, Box<dyn Error + Send + Sync>> {
    let relay = &settings.relay;
    let tcp = TcpStream::connect((relay.host.as_str(), relay.port)).await?;
    tcp.set_nodelay(true)?;
    let peer = tcp.peer_addr()?;
    let stream: Box<dyn AsyncTokioStream> = match &relay.security {
        Security::Clear => Box::new(tcp),
        Security::Implicit(tls) => {
            Box::new(Stream { inner: tls.connect(&relay.host, tcp).await?, peer })
        }
        Security::StartTls(tls) => {
            let tcp = starttls::ask(tcp, hello).await?;
            let (reader, writer) = tokio::io::split(tls.connect(&relay.host, tcp).await?);
            // The server greets once, and it has; the client waits for a greeting.
            let reader = Cursor::new(&b"220 TLS\r\n"[..]).chain(reader);
            Box::new(Stream { inner: tokio::io::join(reader, writer), peer })
        }
    };
    let hello = ClientId::Domain(hello.to_owned());
    let mut connection = AsyncSmtpConnection::connect_with_transport(stream, &hello).await?;
    if let Some(Login { user, password }) = &relay.login {
        let password = String::from_utf8_lossy(password.expose()).into_owned();
        let credentials = Credentials::new(user.clone(), password);
        connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await?;
    }
    Ok(connection)
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Relay(..)")
    }
}

/// A stream of ours, as the client wants it.
struct Stream<S> {
    inner: S,
    peer: SocketAddr,
}

impl<S> fmt::Debug for Stream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> AsyncTokioStream for Stream<S> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
