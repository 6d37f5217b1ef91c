//! Sends a request to a server of an upstream and brings its response head back.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::request::Parts;
use http::{Method, Response, StatusCode};
use http_body::Body as _;

use super::aside::Aside;
use super::http1::{Framing, Head, Message};
use super::lease::{Hold, Lease, LeasedBody};
use super::pool::Pool;
use super::prepare::Outfit;
use super::progress::{Progress, Tracked};
use super::tries::Tries;
use super::turn::{Answer, Turn};
use super::upstream::Upstream;
use super::watch::Watch;
use super::watched::watched;
use super::{Rejection, http2};
use crate::clock::Clock;
use crate::trace::Trace;
use crate::web::{Body, BodyFault, RequestBody};

/// The request body on its way out.
pub(super) type Outgoing = Tracked<RequestBody>;

/// A request to be sent.
pub(super) struct Sending<'a> {
    pub(super) pool: &'a Arc<Pool>,
    pub(super) number: usize,
    pub(super) upstream: &'a Arc<Upstream>,
    /// Longest wait for the response head.
    pub(super) patience: Duration,
    /// Longest silence in the middle of a response.
    pub(super) idle: Duration,
    /// Whether it asks for a WebSocket, so that 101 is an answer to it.
    pub(super) handshake: bool,
    pub(super) clock: &'a dyn Clock,
    /// What the gateway has to say in the request; `None` where it stands in the head already.
    pub(super) ours: Option<&'a Outfit<'a>>,
    /// Its place in a trace, where there are traces.
    pub(super) trace: Option<&'a Trace>,
    /// How the upstream is spoken to in HTTP/2, if it is.
    pub(super) http2: Option<http2::Way<'a>>,
}

/// What came of it.
pub(super) struct Reply {
    pub(super) response: Response<Body>,
    /// What speaks something else than HTTP from here on.
    pub(super) switched: Option<Switched>,
}

/// What has left HTTP at an upstream's side, with its place there.
pub(super) enum Switched {
    Connection(Lease),
    Stream(Box<http2::Pipe>),
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
        watch: Option<Watch>,
    ) -> Result<Reply, Rejection> {
        let flight = self.upstream.enter().await?;
        let fault = body.fault();
        let (hold, progress) = if body.is_end_stream() {
            (Hold::Response(flight), None)
        } else {
            let progress = Arc::new(Progress::new(flight));
            (Hold::Both(Arc::clone(&progress)), Some(progress))
        };
        let body = Tracked::new(body, progress.clone());
        let spans = Tries::of(self.trace, &self.upstream.settings.name, &parts);
        let mut outgoing = self.form(&parts, body, progress.as_deref());
        let mut last = Rejection::UpstreamDown;
        let mut tried = Vec::new();
        while let Some(trial) = self.upstream.next(&tried, self.clock) {
            let (number, server) = (trial.number, trial.server);
            hold.flight().go_to(number);
            let turn = Turn {
                sending: self,
                number,
                server,
                method: &parts.method,
                progress: progress.as_deref(),
                tries: spans.as_ref(),
            };
            let sent = match &mut outgoing {
                Form::Http1(message) => turn.run(message).await.map(Came::Http1),
                Form::Http2(call) => {
                    call.run(number, server, spans.as_ref()).await.map(Came::Http2)
                }
            };
            match sent {
                Ok(Came::Http1(answer)) => {
                    trial.succeeded();
                    return self.finish(answer, outgoing, number, hold, watch);
                }
                Ok(Came::Http2(answer)) => {
                    trial.succeeded();
                    return Ok(answer.finish(hold, watch));
                }
                Err(Failure::Unsent(why)) => {
                    if !matches!(why, Rejection::OutOfFiles(_)) {
                        trial.failed();
                    }
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

    fn form<'a>(
        &'a self,
        parts: &'a Parts,
        body: Outgoing,
        progress: Option<&'a Progress>,
    ) -> Form<'a> {
        let ours = |out: &mut _| self.ours.and_then(|ours| ours.write_ours(out));
        match &self.http2 {
            Some(way) => Form::Http2(way.call(self, parts, body, progress)),
            None => Form::Http1(Message::new(parts, ours, body)),
        }
    }

    /// Whether a request may be sent twice (RFC 9110 section 9.2.2).
    pub(super) fn may_go_again(&self, method: &Method, body: Option<&Progress>) -> bool {
        const IDEMPOTENT: [Method; 3] = [Method::GET, Method::HEAD, Method::OPTIONS];
        self.upstream.settings.send_again && body.is_none() && IDEMPOTENT.contains(method)
    }

    fn finish(
        &self,
        answer: Answer,
        outgoing: Form<'_>,
        server: usize,
        hold: Hold,
        watch: Option<Watch>,
    ) -> Result<Reply, Rejection> {
        let Answer { mut connection, head, is_sent } = answer;
        let Head { status, headers, framing, is_last } = head;
        let has_switched = status == StatusCode::SWITCHING_PROTOCOLS;
        if has_switched && !self.handshake {
            return Err(Rejection::UpstreamSwitched);
        }
        // It answered early. The rest of the request goes on, and then the connection ends.
        let rest = match outgoing {
            Form::Http1(message) if !is_sent => connection.http.rest_of(message),
            Form::Http1(_) | Form::Http2(_) => None,
        };
        let upload = rest.map(|rest| Aside::send(rest, &hold, self.patience, watch.as_ref()));
        let (pool, upstream) = (Arc::clone(self.pool), self.number);
        let lease = Lease { connection, pool, upstream, server, hold, is_last, upload };
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        if has_switched {
            return Ok(Reply { response, switched: Some(Switched::Connection(lease)) });
        }
        if matches!(framing, Framing::Over) {
            lease.give_back();
        } else {
            let body = LeasedBody::new(framing, lease, self.idle);
            *response.body_mut() = watched(body, watch, response.headers());
        }
        Ok(Reply { response, switched: None })
    }
}

/// What the client did wrong comes first: the upstream only saw its end.
fn blame(why: Rejection, fault: Option<Arc<OnceLock<BodyFault>>>) -> Rejection {
    let fault = fault.and_then(|fault| fault.get().copied());
    fault.map_or(why, |fault: BodyFault| fault.into())
}

/// A request as the upstream's version of HTTP has it.
enum Form<'a> {
    Http1(Message),
    Http2(http2::Call<'a>),
}

/// A response head.
enum Came<'a> {
    Http1(Answer),
    Http2(http2::Answer<'a>),
}

/// Why there is none.
pub(super) enum Failure {
    /// Nothing of the request was sent: it may go elsewhere.
    Unsent(Rejection),
    /// It may have been acted upon.
    Final(Rejection),
    /// It as well; but what happened says little about the server: the connection had been
    /// waiting, or the request is none for it.
    Stale(Rejection),
}
