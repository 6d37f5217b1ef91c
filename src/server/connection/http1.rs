//! HTTP/1.1 on a connection.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::doze::doze;
use super::ending::Ending;
use super::hangup::Hangup;
use super::judged::Judged;
use super::pulse::Pulse;
use super::socket::Watched;
use super::timed::{End, Timed};
use super::{Connection, report};
use crate::server::{Bounds, Handler, Walker};
use crate::web::{Takeover, Upgradable};

/// Most bytes of a body that are read at once, and held unsent. The walker bounds the head.
const BUFFER: usize = 256 * 1024;

/// Serves requests one after the other, and what takes the connection over.
pub(super) async fn serve<H: Handler, S>(
    connection: Connection<'_, '_, H, Watched<S>>,
    pulse: Arc<Pulse>,
) where
    S: AsyncRead + AsyncWrite + Hangup + Unpin + Send + 'static,
{
    let Connection { stream, peer, serving, mut drained, mut alarm } = connection;
    let (handler, limits) = (&serving.handler, &serving.limits);
    let peer = Arc::new(peer);
    let takeover = OnceLock::new();
    let service = service_fn(|mut request: Request<Incoming>| {
        pulse.request(!http_body::Body::is_end_stream(request.body()));
        if let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>() {
            request.extensions_mut().insert(Upgradable::Connection(upgrade));
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
    http.header_read_timeout(None).max_buf_size(limits.head.max(BUFFER)).half_close(false);
    if limits.headers != 100 {
        // hyper keeps 100 on the stack and any other number on the heap.
        http.max_headers(limits.headers);
    }
    let walker = Walker::new(Bounds { head: limits.head, fields: limits.headers });
    let mut stream = Judged::new(stream, walker, Arc::clone(&pulse));
    let ended = loop {
        let mut connection = http.serve_connection(TokioIo::new(stream), &service).with_upgrades();
        let ended = {
            let connection = Pin::new(&mut connection);
            let drained = drained.as_mut();
            let mut timed =
                Timed { connection, alarm, pulse: &*pulse, limits, drained, draining: false };
            let ended = (&mut timed).await;
            alarm = timed.alarm;
            ended
        };
        let Some(parts) = connection.into_parts().filter(|_| matches!(ended, End::Dozing)) else {
            break ended;
        };
        stream = parts.io.into_inner();
        stream.put_back(&parts.read_buf);
        drop(parts.read_buf);
        if let Some(ended) = doze(&mut stream, &pulse, &mut alarm, limits, drained.as_mut()).await {
            break ended;
        }
    };
    if matches!(ended, End::Closed(Ok(())))
        && let Some(takeover) = takeover.get()
    {
        serving.drain.bound(takeover).await;
        return;
    }
    report(ended, &peer, &**handler);
}
