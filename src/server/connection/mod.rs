//! One connection: what it begins with, then HTTP/1.1 or HTTP/2 under its deadlines, and its part
//! of the drain.

mod doze;
mod drain;
mod ending;
mod handshake;
mod hangup;
mod http1;
mod http2;
mod judged;
mod origin;
mod pulse;
mod socket;
mod timed;

use std::pin::{Pin, pin};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::WaitForCancellationFuture;

use super::{ConnectionLimits, Handler, Preamble};
use crate::clock::Alarm;
use crate::tls::ListenerTls;
use crate::web::Peer;
use hangup::Hangup;
use http2::Streams;
use pulse::Pulse;
use socket::{Begun, Watched};
use timed::End;

pub(super) use drain::Drain;

/// What the connections of one listener have in common on one worker.
pub(super) struct Serving<H> {
    pub(super) handler: Arc<H>,
    pub(super) limits: Arc<ConnectionLimits>,
    pub(super) preamble: Preamble,
    pub(super) drain: Drain,
}

/// A connection as it goes from one step to the next.
struct Connection<'a, 's, H, S> {
    stream: S,
    peer: Peer,
    serving: &'s Serving<H>,
    drained: Pin<&'a mut WaitForCancellationFuture<'s>>,
    alarm: Alarm,
}

/// Serves one connection to its end: the peer's, a deadline's, or that of the drain.
pub(super) async fn serve<H: Handler, S>(mut stream: S, mut peer: Peer, serving: Arc<Serving<H>>)
where
    S: AsyncRead + AsyncWrite + Hangup + Unpin + Send + 'static,
{
    let serving = &*serving;
    if serving.preamble.proxy_protocol {
        match Box::pin(origin::learn(&mut stream, peer, serving)).await {
            Some(told) => peer = told,
            None => return,
        }
    }
    let drained = pin!(serving.drain.begun());
    let connection = Connection { stream, peer, serving, drained, alarm: Alarm::default() };
    match &serving.preamble.tls {
        None => connection.in_clear().await,
        // Boxed, as everything that connections in clear shall not make room for.
        Some(tls) => Box::pin(connection.over_tls(tls)).await,
    }
}

impl<H: Handler, S> Connection<'_, '_, H, S>
where
    S: AsyncRead + AsyncWrite + Hangup + Unpin + Send + 'static,
{
    /// In clear the first bytes tell the version: HTTP/2 by prior knowledge (RFC 9113 section 3.3)
    /// begins as no request of HTTP/1 may.
    async fn in_clear(mut self) {
        let pulse = Arc::new(Pulse::start());
        let mut socket = Watched::new(self.stream, Arc::clone(&pulse));
        let begun =
            socket.begin(&mut self.alarm, &self.serving.limits, self.drained.as_mut()).await;
        let connection = Connection {
            stream: socket,
            peer: self.peer,
            serving: self.serving,
            drained: self.drained,
            alarm: self.alarm,
        };
        match begun {
            Begun::Http1 => http1::serve(connection, pulse).await,
            Begun::Http2 => {
                let pulse = Arc::new(Streams::start(pulse.accepted()));
                Box::pin(http2::serve(connection, pulse)).await;
            }
            Begun::Over(end) => report(end, &connection.peer, &*connection.serving.handler),
        }
    }

    /// Over TLS the handshake has told it (ALPN, RFC 7301).
    async fn over_tls(mut self, tls: &ListenerTls) {
        let limit = self.serving.limits.tls_timeout;
        let shaken = handshake::shake(self.stream, tls, limit, self.drained.as_mut()).await;
        let (stream, session) = match shaken {
            Ok(shaken) => shaken,
            Err(error) => {
                tracing::debug!(peer = %self.peer.addr(), %error, "no TLS");
                return;
            }
        };
        let connection = Connection {
            stream,
            peer: session.of(self.peer),
            serving: self.serving,
            drained: self.drained,
            alarm: self.alarm,
        };
        // The clock of the first request begins when it can be sent.
        if session.is_http2 {
            let pulse = Arc::new(Streams::start(tokio::time::Instant::now()));
            http2::serve(connection, pulse).await;
        } else {
            let pulse = Arc::new(Pulse::start());
            let connection = connection.map(|stream| Watched::new(stream, Arc::clone(&pulse)));
            http1::serve(connection, pulse).await;
        }
    }
}

impl<'a, 's, H, S> Connection<'a, 's, H, S> {
    fn map<T>(self, next: impl FnOnce(S) -> T) -> Connection<'a, 's, H, T> {
        let Self { stream, peer, serving, drained, alarm } = self;
        Connection { stream: next(stream), peer, serving, drained, alarm }
    }
}

/// Says how a connection ended, where it matters.
fn report<H: Handler>(end: End, peer: &Peer, handler: &H) {
    match end {
        End::Closed(Ok(())) | End::Dozing => {}
        End::Closed(Err(error)) => handler.broken(peer, &error),
        End::Deadline => tracing::debug!(peer = %peer.addr(), "connection closed at its deadline"),
        End::Drained => {
            tracing::debug!(peer = %peer.addr(), "waiting connection closed for the end");
        }
    }
}
