//! Requests of our own to servers of others: one bounded exchange a connection.

use std::error::Error;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Request, Response, response};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const USER_AGENT: &str = concat!("portcullis/", env!("CARGO_PKG_VERSION"));

/// An answer, of which the body is yet to come. Its connection ends with it, whatever the other
/// side does.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: response::Parts,
    body: Incoming,
    _connection: JoinSet<hyper::Result<()>>,
}

impl Answer {
    /// What comes of it next; `None` at its end.
    ///
    /// # Errors
    ///
    /// If the body breaks off.
    pub(crate) async fn next(&mut self) -> Option<hyper::Result<Bytes>> {
        loop {
            match self.body.frame().await? {
                Err(error) => return Some(Err(error)),
                Ok(frame) => {
                    if let Ok(data) = frame.into_data() {
                        return Some(Ok(data));
                    }
                }
            }
        }
    }

    /// All of it.
    ///
    /// # Errors
    ///
    /// If the body breaks off, or has more than `most` bytes.
    pub(crate) async fn whole(
        self,
        most: usize,
    ) -> Result<Response<Bytes>, Box<dyn Error + Send + Sync>> {
        let body = Limited::new(self.body, most).collect().await?;
        Ok(Response::from_parts(self.head, body.to_bytes()))
    }
}

/// TLS with the server of that name or address, which is without brackets.
///
/// # Errors
///
/// If it is no name for a certificate, or not the server's.
pub(crate) async fn secure(
    tls: &Arc<ClientConfig>,
    host: &str,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned());
    let name = name.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    TlsConnector::from(Arc::clone(tls)).connect(name, stream).await
}

/// Asks in HTTP/1.1. The request has the target and the `Host` field that the server is to see; the
/// head of the answer may have so many bytes.
///
/// # Errors
///
/// Those of the connection, and of an answer that is none.
pub(crate) async fn ask<S, B>(
    stream: S,
    mut request: Request<B>,
    largest_head: usize,
) -> hyper::Result<Answer>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    let mut client = http1::Builder::new();
    client.max_buf_size(largest_head);
    let (mut sender, connection) = client.handshake(TokioIo::new(stream)).await?;
    let mut driven = JoinSet::new();
    driven.spawn(connection);
    let (head, body) = sender.send_request(request).await?.into_parts();
    Ok(Answer { head, body, _connection: driven })
}
