//! One request over a connection that is there, and its whole answer.

use std::time::Duration;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

/// Asks in HTTP/2 or in HTTP/1.1, waits no longer than `patience`, and reads a body of `most` bytes
/// at most; with 0 the head is all that is waited for.
pub(super) async fn exchange<S>(
    stream: S,
    request: Request<Empty<Bytes>>,
    h2: bool,
    patience: Duration,
    most: usize,
) -> anyhow::Result<Response<Bytes>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let io = TokioIo::new(stream);
    let asking = async {
        let response = if h2 {
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
            let _driven = Driven(tokio::spawn(async { drop(connection.await) }));
            whole(sender.send_request(request).await?, most).await?
        } else {
            let (mut sender, connection) = http1::handshake(io).await?;
            let _driven = Driven(tokio::spawn(async { drop(connection.await) }));
            whole(sender.send_request(request).await?, most).await?
        };
        anyhow::Ok(response)
    };
    timeout(patience, asking).await.context("no answer in time")?
}

async fn whole(
    response: Response<hyper::body::Incoming>,
    most: usize,
) -> anyhow::Result<Response<Bytes>> {
    let (parts, body) = response.into_parts();
    if most == 0 {
        return Ok(Response::from_parts(parts, Bytes::new()));
    }
    let body = Limited::new(body, most).collect().await.map_err(|error| anyhow!("{error}"))?;
    Ok(Response::from_parts(parts, body.to_bytes()))
}

/// A connection that ends with its exchange.
#[derive(Debug)]
struct Driven(tokio::task::JoinHandle<()>);

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.abort();
    }
}
