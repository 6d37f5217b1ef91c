//! One connection: HTTP/1.1 under its deadlines, and its part of the drain.

mod drain;
mod ending;
mod judged;
mod origin;
mod pulse;
mod socket;
mod timed;

use std::pin::pin;
use std::sync::{Arc, OnceLock};

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Bounds, ConnectionLimits, Handler, Preamble, Walker};
use crate::clock::Alarm;
use crate::web::{Peer, Takeover, Upgradable};
use ending::Ending;
use judged::Judged;
use pulse::Pulse;
use socket::Watched;
use timed::{End, Timed};

pub(super) use drain::Drain;

/// What the connections of one listener have in common on one worker.
pub(super) struct Serving<H> {
    pub(super) handler: Arc<H>,
    pub(super) limits: Arc<ConnectionLimits>,
    pub(super) preamble: Preamble,
    pub(super) drain: Drain,
}

/// Serves one connection to its end: the peer's, a deadline's, or that of the drain.
pub(super) async fn serve<H: Handler, S>(mut stream: S, mut peer: Peer, serving: Arc<Serving<H>>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    if serving.preamble.proxy_protocol {
        // Boxed: connections of other listeners shall not make room for it.
        match Box::pin(origin::learn(&mut stream, peer, &serving)).await {
            Some(told) => peer = told,
            None => return,
        }
    }
    serve_http(stream, peer, &serving).await;
}

async fn serve_http<H: Handler, S>(stream: S, peer: Peer, serving: &Serving<H>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Serving { handler, limits, drain, .. } = serving;
    let pulse = Arc::new(Pulse::start());
    let walker = Walker::new(Bounds { head: limits.head, fields: limits.headers });
    let watched = Watched { stream, pulse: Arc::clone(&pulse) };
    let io = TokioIo::new(Judged::new(watched, walker, Arc::clone(&pulse)));
    let peer = Arc::new(peer);
    let takeover = OnceLock::new();
    let service = service_fn(|mut request: Request<Incoming>| {
        pulse.request(!http_body::Body::is_end_stream(request.body()));
        if let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>() {
            request.extensions_mut().insert(Upgradable(upgrade));
        }
        let takeover = &takeover;
        let (handler, peer, pulse) = (Arc::clone(handler), Arc::clone(&peer), Arc::clone(&pulse));
        async move {
            let mut response = match pulse.refusal() {
                Some(violation) => handler.refuse(violation, &peer),
                None => handler.handle(request, peer).await,
            };
            if let Some(next) = response.extensions_mut().remove::<Takeover>() {
                // The first: after a 101 hyper takes no further request.
                takeover.get_or_init(|| next);
                pulse.take_over();
            }
            Ok::<_, std::convert::Infallible>(response.map(|body| Ending { body, pulse }))
        }
    });
    let mut http = http1::Builder::new();
    // Its deadline would be the idle time as well; ours are in `Pulse`.
    http.header_read_timeout(None).max_buf_size(limits.head.max(8192)).half_close(false);
    if limits.headers != 100 {
        // hyper keeps 100 on the stack and any other number on the heap.
        http.max_headers(limits.headers);
    }
    let connection = pin!(http.serve_connection(io, service).with_upgrades());
    let ended = Timed {
        connection,
        alarm: Alarm::default(),
        pulse: &pulse,
        limits,
        drain: pin!(drain.begun()),
        draining: false,
    }
    .await;
    match ended {
        End::Closed(Ok(())) => {
            if let Some(work) = takeover.get().and_then(Takeover::take) {
                drain.bound(work).await;
            }
        }
        End::Closed(Err(error)) => handler.broken(&peer, &error),
        End::Deadline => tracing::debug!(peer = %peer.addr(), "connection closed at its deadline"),
        End::Drained => {
            tracing::debug!(peer = %peer.addr(), "waiting connection closed for the end");
        }
    }
}
