//! Sends a request to a server of an upstream and brings its response head back.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Poll, ready};
use std::time::Duration;

use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version, header};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use tokio::time::{Instant, timeout};

use super::connect::{Stream, connect};
use super::lease::{Hold, Lease, LeasedBody};
use super::pool::{Connection, Pool, Shelf};
use super::progress::{Progress, Tracked};
use super::upstream::{Server, Upstream};
use super::{Rejection, UpstreamSettings, http1, http2};
use crate::clock::{Alarm, Clock};
use crate::web::{Body, BodyFault, RequestBody, lists};

/// The request body on its way out.
pub(super) type Outgoing = Tracked<RequestBody>;

/// A request to be sent, and what is needed to send it once more.
pub(super) struct Sending<'a> {
    pub(super) pool: &'a Arc<Pool>,
    pub(super) number: usize,
    pub(super) upstream: &'a Arc<Upstream>,
    /// Longest wait for the response head.
    pub(super) patience: Duration,
    /// Whether it asks for a WebSocket, so that 101 is an answer to it.
    pub(super) handshake: bool,
    pub(super) clock: &'a dyn Clock,
    /// How the upstream is spoken to in HTTP/2, if it is.
    pub(super) http2: Option<http2::Way<'a>>,
}

impl Sending<'_> {
    /// Sends the request to the server that shall have it; to another one if that refuses the
    /// connection.
    ///
    /// A request is sent twice only if nothing of it can have been acted upon: when the
    /// connection was closed before it was written, or, for methods that are idempotent and
    /// without a body, when a connection that had been waiting turned out to be closed; the
    /// latter only where the operator did not forbid it.
    pub(super) async fn send(
        &self,
        parts: Parts,
        body: RequestBody,
    ) -> Result<Response<Body>, Rejection> {
        let flight = self.upstream.enter().await?;
        let fault = body.fault();
        let (hold, progress) = if body.is_end_stream() {
            (Hold::Response(flight), None)
        } else {
            let progress = Arc::new(Progress::new(flight));
            (Hold::Both(Arc::clone(&progress)), Some(progress))
        };
        let mut request = Request::from_parts(parts, Tracked::new(body, progress.clone()));
        let mut last = Rejection::UpstreamDown;
        let mut tried = Vec::new();
        while let Some(trial) = self.upstream.next(&tried, self.clock) {
            let (number, server) = (trial.number, trial.server);
            hold.flight().go_to(number);
            let one = Turn { sending: self, number, server, progress: &progress };
            let sent = match &self.http2 {
                Some(way) => one.call(way, request).await,
                None => one.run(request).await,
            };
            match sent {
                Ok(Came::Http2(answer)) => {
                    trial.succeeded();
                    return Ok(answer.finish(hold));
                }
                Ok(Came::Http1(response, connection)) => {
                    trial.succeeded();
                    let pool = Arc::clone(self.pool);
                    let is_last = is_last(&response);
                    let lease = Lease::new(connection, pool, self.number, number, hold, is_last);
                    return finish(response, lease, self.handshake);
                }
                Err(Failure::Unsent(unsent, why)) => {
                    trial.failed();
                    request = *unsent;
                    last = why;
                    tried.push(number);
                }
                Err(Failure::Stale(why)) => return Err(blame(why, fault)),
                Err(Failure::Final(why)) => {
                    let why = blame(why, fault);
                    if !matches!(why, Rejection::Body(_)) {
                        trial.failed();
                    }
                    return Err(why);
                }
            }
        }
        Err(last)
    }
}

/// What the client did wrong comes first: the upstream only saw its end.
fn blame(why: Rejection, fault: Option<Arc<OnceLock<BodyFault>>>) -> Rejection {
    let fault = fault.and_then(|fault| fault.get().copied());
    fault.map_or(why, |fault: BodyFault| fault.into())
}

/// Whether the server closes the connection after this response (RFC 9112 section 9.3).
fn is_last(response: &Response<Incoming>) -> bool {
    response.version() == Version::HTTP_10
        || lists(response.headers(), &header::CONNECTION, &["close"])
}

fn finish(
    response: Response<Incoming>,
    lease: Lease,
    handshake: bool,
) -> Result<Response<Body>, Rejection> {
    let (parts, body) = response.into_parts();
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        if !handshake {
            return Err(Rejection::UpstreamSwitched);
        }
        // Its body is empty, and keeps the place at the upstream.
        return Ok(Response::from_parts(parts, Body::stream(LeasedBody::new(body, lease))));
    }
    let body = if body.is_end_stream() {
        lease.give_back();
        Body::empty()
    } else {
        Body::stream(LeasedBody::new(body, lease))
    };
    Ok(Response::from_parts(parts, body))
}

/// A response head, and where its body comes from.
enum Came<'a> {
    Http1(Response<Incoming>, Connection),
    Http2(http2::Answer<'a>),
}

/// Why there is no response head.
pub(super) enum Failure {
    /// Nothing of the request was sent: it may go elsewhere.
    Unsent(Box<Request<Outgoing>>, Rejection),
    /// It may have been acted upon.
    Final(Rejection),
    /// It as well; but the connection had been waiting, and that it ended says little about the
    /// server.
    Stale(Rejection),
}

/// One server's turn.
struct Turn<'a> {
    sending: &'a Sending<'a>,
    number: usize,
    server: &'a Server,
    progress: &'a Option<Arc<Progress>>,
}

impl<'a> Turn<'a> {
    /// Over HTTP/2.
    async fn call(
        &self,
        way: &'a http2::Way<'a>,
        request: Request<Outgoing>,
    ) -> Result<Came<'a>, Failure> {
        let Some(channels) = way.channels.get(self.number) else {
            let why = Rejection::UpstreamUnreachable(None);
            return Err(Failure::Unsent(Box::new(request), why));
        };
        let patience = self.sending.patience;
        let send_again = self.may_be_sent_twice(request.method());
        let call = http2::Call { way, channels, patience, send_again, progress: self.progress };
        call.run(request).await.map(Came::Http2)
    }

    /// Over HTTP/1.1.
    async fn run(&self, mut request: Request<Outgoing>) -> Result<Came<'a>, Failure> {
        let idle = self.sending.pool.shelf(self.sending.number, self.number);
        // Connections that were waiting, as long as they turn out to be closed.
        while let Some(mut connection) = idle.and_then(Shelf::take) {
            if !connection.peer.as_mut().is_none_or(|to| self.server.resolver.still_means(to)) {
                continue;
            }
            let copy = self.copy(&request);
            match self.exchange(&mut connection, request).await {
                Ok(response) => return Ok(Came::Http1(response, connection)),
                Err(Failure::Unsent(unsent, _)) => request = *unsent,
                Err(Failure::Final(why @ Rejection::UpstreamFailed(_))) => match copy {
                    Some(copy) => {
                        request = copy;
                        break;
                    }
                    None => return Err(Failure::Stale(why)),
                },
                Err(final_one) => return Err(final_one),
            }
        }
        let settings = &self.sending.upstream.settings;
        let mut connection = match timeout(settings.connect, begin(settings, self.server)).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => {
                let why = Rejection::UpstreamUnreachable(Some(error.into()));
                return Err(Failure::Unsent(Box::new(request), why));
            }
            Err(_late) => {
                let late = format!("no connection in {:?}", settings.connect);
                let why = Rejection::UpstreamUnreachable(Some(late.into()));
                return Err(Failure::Unsent(Box::new(request), why));
            }
        };
        let response = self.exchange(&mut connection, request).await?;
        Ok(Came::Http1(response, connection))
    }

    /// Whether a request with that method may be sent twice (RFC 9110 section 9.2.2).
    fn may_be_sent_twice(&self, method: &Method) -> bool {
        const IDEMPOTENT: [Method; 3] = [Method::GET, Method::HEAD, Method::OPTIONS];
        let may = self.sending.upstream.settings.send_again && self.progress.is_none();
        may && IDEMPOTENT.contains(method)
    }

    /// The request again, if it may be sent twice.
    fn copy(&self, request: &Request<Outgoing>) -> Option<Request<Outgoing>> {
        if !self.may_be_sent_twice(request.method()) {
            return None;
        }
        let mut copy = Request::new(Tracked::new(RequestBody::empty(), None));
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.headers_mut() = request.headers().clone();
        Some(copy)
    }

    /// One request on one connection, up to the response head.
    async fn exchange(
        &self,
        connection: &mut Connection,
        request: Request<Outgoing>,
    ) -> Result<Response<Incoming>, Failure> {
        let patience = self.sending.patience;
        let Connection { http, alarm, .. } = connection;
        if self.progress.is_some() || self.sending.handshake {
            http.detach();
        }
        let mut answer = pin!(http.sender.try_send_request(request));
        let mut deadline = Instant::now() + patience;
        poll_fn(|cx| {
            http.drive(cx);
            if let Poll::Ready(answered) = answer.as_mut().poll(cx) {
                return Poll::Ready(answered.map_err(Failure::of));
            }
            loop {
                ready!(alarm.poll_past(deadline, cx));
                // The wait counts from the last byte that the upstream took, and not while
                // it is the client we wait for.
                let since = self.progress.as_ref().map(|progress| progress.waiting_since());
                match since.map(|since| since + patience) {
                    Some(later) if later > Instant::now() => deadline = later,
                    _ => {
                        let late = Rejection::UpstreamTimeout(patience);
                        return Poll::Ready(Err(Failure::Final(late)));
                    }
                }
            }
        })
        .await
    }
}

impl Failure {
    fn of(mut failed: TrySendError<Request<Outgoing>>) -> Self {
        match failed.take_message() {
            Some(request) => {
                let why = failed.error().to_string();
                Self::Unsent(Box::new(request), Rejection::UpstreamUnreachable(Some(why.into())))
            }
            None => Self::Final(Rejection::UpstreamFailed(failed.into_error().into())),
        }
    }
}

async fn begin(settings: &UpstreamSettings, server: &Server) -> io::Result<Connection> {
    let stream = connect(settings, server).await?;
    let peer = stream.peer()?;
    let http = match stream {
        Stream::Tcp(stream) => http1::Connection::begin(stream).await?,
        Stream::Unix(stream) => http1::Connection::begin(stream).await?,
        Stream::Tls(stream) => http1::Connection::begin(stream).await?,
    };
    Ok(Connection { http, peer, alarm: Alarm::default() })
}
