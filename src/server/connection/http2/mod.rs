//! HTTP/2 on a connection.

mod budget;
mod frames;
mod socket;
mod stream;
mod streams;
mod tunnel;

use std::pin::pin;
use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::timed::Timed;
use super::{Connection, report};
use crate::server::{ConnectionLimits, Handler};
use crate::web::Takeover;
use socket::Counted;
use stream::{Reply, Spawn};
use tunnel::Tunnel;

pub(super) use streams::Streams;

/// Bytes of request bodies that may wait for the upstream, of all streams.
const WINDOW: u32 = 1024 * 1024;
/// And of one, so that one that is stuck leaves half of them to the others: what five megabytes a
/// second need over a tenth of a second.
const STREAM_WINDOW: u32 = WINDOW / 2;
/// Bytes of a response that wait for the client's window, of each stream.
const SEND_BUFFER: usize = 64 * 1024;
/// Streams that a client may reset before anybody looked at them (CVE-2023-44487).
const RESET_UNSEEN: usize = 20;
/// Streams that a client may make us reset (CVE-2025-8671).
const RESET_BY_FAULT: usize = 100;

/// Serves many requests at once.
pub(super) async fn serve<H: Handler, S>(
    connection: Connection<'_, '_, H, S>,
    streams: Arc<Streams>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Connection { stream, peer, serving, drained, alarm } = connection;
    let (handler, limits) = (&serving.handler, &serving.limits);
    let peer = Arc::new(peer);
    let socket = TokioIo::new(Counted::new(stream, Arc::clone(&streams)));
    let service = service_fn(|mut request: Request<Incoming>| {
        let stream = streams.open();
        let streams = Arc::clone(&streams);
        let (handler, peer) = (Arc::clone(handler), Arc::clone(&peer));
        let tunnel = Tunnel::offer(&mut request, &serving.drain);
        async move {
            let mut response = handler.handle(request, peer).await;
            if let Some(tunnel) = tunnel
                && let Some(takeover) = response.extensions_mut().remove::<Takeover>()
            {
                tunnel.begin(takeover, &streams);
            }
            Ok::<_, std::convert::Infallible>(
                response.map(|body| Reply::new(body, stream, streams)),
            )
        }
    });
    let spawn = Spawn::new(Arc::clone(&streams), limits.idle_timeout);
    let connection = pin!(builder(limits, spawn).serve_connection(socket, service));
    let timed = Timed { connection, alarm, pulse: &*streams, limits, drained, draining: false };
    let ended = timed.await;
    streams.finish();
    report(ended, &peer, &**handler);
}

fn builder(limits: &ConnectionLimits, spawn: Spawn) -> http2::Builder<Spawn> {
    let mut http = http2::Builder::new(spawn);
    http.timer(TokioTimer::new())
        .max_concurrent_streams(limits.h2_streams)
        .max_header_list_size(u32::try_from(limits.head).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(RESET_UNSEEN)
        .max_local_error_reset_streams(RESET_BY_FAULT)
        // Finds peers that are gone without a word; who answers it and asks for nothing is
        // idle all the same.
        .keep_alive_interval(limits.idle_timeout / 2)
        .keep_alive_timeout(limits.head_timeout);
    if limits.websockets {
        http.enable_connect_protocol();
    }
    http
}
