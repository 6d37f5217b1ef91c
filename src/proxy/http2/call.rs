//! One request over HTTP/2, up to its response head.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::ext::Protocol;
use h2::{Reason, RecvStream, SendStream};
use http::header::{self, HeaderMap};
use http::request::Parts;
use http::{Method, Request, Response, Version};
use tokio::time::Instant;

use super::channels::{Channels, Ready, Seat};
use super::received::Received;
use super::upload::{Stopped, Upload};
use super::{Pipe, Way};
use crate::clock::Alarm;
use crate::proxy::Rejection;
use crate::proxy::aside::Aside;
use crate::proxy::lease::Hold;
use crate::proxy::prepare::follow;
use crate::proxy::progress::Progress;
use crate::proxy::send::{Failure, Outgoing, Reply, Sending, Switched};
use crate::proxy::silence::Silence;
use crate::proxy::tries::Tries;
use crate::proxy::upstream::Server;
use crate::proxy::watch::Watch;
use crate::proxy::watched::watched;
use crate::trace::{self, Attempt};
use crate::web::Body;

/// How often a request is sent that no server has looked at.
const TRIES: usize = 3;
/// Of a server whose settings do not say that its streams may become tunnels.
const NO_TUNNELS: &str = "the server takes no WebSockets over HTTP/2 (its SETTINGS have no \
                          ENABLE_CONNECT_PROTOCOL); name an upstream without h2 = true";
/// Most interim responses (1xx) to one request.
const INTERIM: usize = 32;

/// A request, and how far it has come.
pub(in crate::proxy) struct Call<'a> {
    way: &'a Way<'a>,
    parts: &'a Parts,
    /// `None` when it has been answered.
    upload: Option<Upload>,
    /// Longest wait for the response head.
    patience: Duration,
    /// Whether it may be sent once more after a connection ended under it.
    send_again: bool,
    /// Whether it asks for a `WebSocket`.
    tunnel: bool,
    progress: Option<&'a Progress>,
    /// Longest silence in the middle of the response.
    idle: Duration,
    alarm: Alarm,
}

/// A response head, and what its body will come from.
pub(in crate::proxy) struct Answer<'a> {
    way: &'a Way<'a>,
    head: Response<RecvStream>,
    seat: Arc<Seat>,
    stream: SendStream<Bytes>,
    upload: Upload,
    /// For a server that takes no more of the request, once it has said all.
    patience: Duration,
    /// Whether it was asked for a `WebSocket`.
    tunnel: bool,
    alarm: Alarm,
    silence: Silence,
}

/// Why a connection brought none.
enum Broken {
    /// There is none.
    Unsent(Rejection),
    /// The server has not looked at the request (RFC 9113 sections 6.8 and 8.7).
    Untouched(Rejection),
    /// One that had been waiting is gone, and nobody knows.
    Stale(Rejection),
    /// The server is well, and not made for such a request.
    Unfit(Rejection),
    Final(Rejection),
}

impl<'a> Way<'a> {
    /// The request, on this way.
    pub(in crate::proxy) fn call(
        &'a self,
        sending: &Sending<'_>,
        parts: &'a Parts,
        body: Outgoing,
        progress: Option<&'a Progress>,
    ) -> Call<'a> {
        Call {
            way: self,
            parts,
            upload: Some(Upload::new(body, self.trailers.clone())),
            patience: sending.patience,
            send_again: sending.may_go_again(&parts.method, progress),
            tunnel: sending.handshake,
            progress,
            idle: sending.idle,
            alarm: Alarm::default(),
        }
    }
}

impl<'a> Call<'a> {
    /// Sends the request to that server; again where it was not looked at, or where the rule of
    /// `retries` allows it.
    pub(in crate::proxy) async fn run(
        &mut self,
        number: usize,
        server: &Server,
        tries: Option<&Tries<'_>>,
    ) -> Result<Answer<'a>, Failure> {
        let unreachable = || Rejection::UpstreamUnreachable(None);
        let channels =
            self.way.channels.get(number).ok_or_else(|| Failure::Unsent(unreachable()))?;
        let mut upload = self.upload.take().ok_or_else(|| Failure::Final(unreachable()))?;
        for turn in 1.. {
            let attempt = tries.and_then(|tries| tries.begin(server, Version::HTTP_2));
            let span = attempt.as_ref().map(Attempt::context);
            let turned = self.turn(channels, &mut upload, span).await;
            if let Some(attempt) = attempt {
                match &turned {
                    Ok((head, ..)) => attempt.answered(head.status()),
                    Err(broken) => attempt.failed(broken.code()),
                }
            }
            let failed = match turned {
                Ok((head, seat, stream)) => {
                    upload.forget();
                    return Ok(Answer {
                        way: self.way,
                        head,
                        seat,
                        stream,
                        upload,
                        patience: self.patience,
                        tunnel: self.tunnel,
                        alarm: std::mem::take(&mut self.alarm),
                        silence: Silence::new(self.idle),
                    });
                }
                Err(failed) => failed,
            };
            match failed {
                Broken::Unsent(why) if upload.is_untouched() => {
                    self.upload = Some(upload);
                    return Err(Failure::Unsent(why));
                }
                Broken::Untouched(_) if turn < TRIES && upload.rewind() => {}
                Broken::Stale(_) if self.send_again && upload.rewind() => self.send_again = false,
                Broken::Stale(why) | Broken::Unfit(why) => return Err(Failure::Stale(why)),
                Broken::Unsent(why) | Broken::Untouched(why) | Broken::Final(why) => {
                    return Err(Failure::Final(why));
                }
            }
        }
        Err(Failure::Final(unreachable()))
    }

    /// Sends it on one connection.
    async fn turn(
        &mut self,
        channels: &Arc<Channels>,
        upload: &mut Upload,
        span: Option<trace::Context>,
    ) -> Result<(Response<RecvStream>, Arc<Seat>, SendStream<Bytes>), Broken> {
        let Ready { mut sender, seat, waited } = channels.ready().await.map_err(Broken::Unsent)?;
        if self.tunnel && !sender.is_extended_connect_protocol_enabled() {
            return Err(Broken::Unfit(Rejection::UpstreamFailed(NO_TUNNELS.into())));
        }
        let whole = upload.is_over() && !self.tunnel;
        let mut head = head(self.parts, self.tunnel);
        if let Some(span) = span {
            follow(span, head.headers_mut());
        }
        let opened = sender.send_request(head, whole);
        let (response, mut stream) = opened.map_err(|error| {
            seat.load.close();
            Broken::Untouched(Rejection::UpstreamFailed(error.into()))
        })?;
        let answered = self.answered(response, &mut stream, upload, waited).await;
        answered.map(|head| (head, Arc::new(seat), stream))
    }

    async fn answered(
        &mut self,
        mut response: ResponseFuture,
        stream: &mut SendStream<Bytes>,
        upload: &mut Upload,
        waited: bool,
    ) -> Result<Response<RecvStream>, Broken> {
        let (patience, progress) = (self.patience, self.progress);
        let alarm = &mut self.alarm;
        let mut deadline = Instant::now() + patience;
        let (mut interim, mut uploading) = (0, !upload.is_over());
        poll_fn(|cx| {
            if uploading {
                match upload.poll(stream, cx) {
                    Poll::Ready(Err(Stopped::Client)) => {
                        stream.send_reset(Reason::CANCEL);
                        let why = Rejection::UpstreamFailed("request body broken off".into());
                        return Poll::Ready(Err(Broken::Final(why)));
                    }
                    // What the server has to say follows.
                    Poll::Ready(_) => uploading = false,
                    Poll::Pending => {}
                }
            }
            if let Poll::Ready(answered) = poll_head(&mut response, &mut interim, waited, cx) {
                return Poll::Ready(answered);
            }
            poll_late(patience, progress, alarm, &mut deadline, cx)
                .map(|()| Err(Broken::Final(Rejection::UpstreamTimeout(patience))))
        })
        .await
    }
}

impl Answer<'_> {
    /// The response: the tunnel that was asked for, or a body. Either keeps its places here and
    /// at the upstream.
    pub(in crate::proxy) fn finish(mut self, hold: Hold, watch: Option<Watch>) -> Reply {
        if self.tunnel && self.head.status().is_success() {
            let (parts, from) = self.head.into_parts();
            let pipe = Box::new(Pipe::new(from, self.stream, hold, self.seat));
            let response = Response::from_parts(parts, Body::empty());
            return Reply { response, switched: Some(Switched::Stream(pipe)) };
        }
        if self.tunnel {
            // Nothing follows the handshake. A server that is gone sees no end of it.
            self.stream.send_data(Bytes::new(), true).ok();
        }
        Reply { response: self.respond(hold, watch), switched: None }
    }

    fn respond(self, hold: Hold, watch: Option<Watch>) -> Response<Body> {
        let Answer { way, head, seat, stream, upload, patience, alarm, silence, .. } = self;
        let (parts, incoming) = head.into_parts();
        let upload = (!upload.is_over()).then(|| {
            let rest = upload.go_on(stream, Arc::clone(&seat));
            Aside::send(rest, &hold, patience, watch.as_ref())
        });
        if incoming.is_end_stream() && upload.is_none() {
            return Response::from_parts(parts, Body::empty());
        }
        let length = length(&parts.headers);
        let trailers = way.trailers.clone().filter(|_| way.client_takes_trailers);
        let body = Received {
            stream: incoming,
            length,
            trailers,
            at_trailers: false,
            ended: false,
            broken: None,
            upload,
            pulse: way.pulse.clone(),
            alarm,
            silence,
            hold,
            _seat: seat,
        };
        let body = watched(body, watch, &parts.headers);
        Response::from_parts(parts, body)
    }
}

/// An extended CONNECT (RFC 8441 section 4) for a `tunnel`.
fn head(parts: &Parts, tunnel: bool) -> Request<()> {
    let mut head = Request::new(());
    *head.method_mut() = parts.method.clone();
    if tunnel {
        *head.method_mut() = Method::CONNECT;
        head.extensions_mut().insert(Protocol::from_static("websocket"));
    }
    *head.uri_mut() = parts.uri.clone();
    *head.headers_mut() = parts.headers.clone();
    *head.version_mut() = parts.version;
    head
}

/// Ready when the server had its time, which counts from the last byte that it took, and not
/// while it is the client that is waited for.
fn poll_late(
    patience: Duration,
    progress: Option<&Progress>,
    alarm: &mut Alarm,
    deadline: &mut Instant,
    cx: &mut Context<'_>,
) -> Poll<()> {
    loop {
        ready!(alarm.poll_past(*deadline, cx));
        match progress.map(|progress| progress.waiting_since() + patience) {
            Some(later) if later > Instant::now() => *deadline = later,
            _ => return Poll::Ready(()),
        }
    }
}

fn poll_head(
    response: &mut ResponseFuture,
    interim: &mut usize,
    waited: bool,
    cx: &mut Context<'_>,
) -> Poll<Result<Response<RecvStream>, Broken>> {
    while let Poll::Ready(Some(Ok(_))) = response.poll_informational(cx) {
        *interim += 1;
        if *interim > INTERIM {
            let why = Rejection::UpstreamFailed("too many interim responses".into());
            return Poll::Ready(Err(Broken::Final(why)));
        }
    }
    Pin::new(response).poll(cx).map_err(|error| Broken::of(error, waited))
}

impl Broken {
    fn code(&self) -> &'static str {
        match self {
            Self::Unsent(why)
            | Self::Untouched(why)
            | Self::Stale(why)
            | Self::Unfit(why)
            | Self::Final(why) => why.code(),
        }
    }

    fn of(error: h2::Error, waited: bool) -> Self {
        let refused = error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM);
        let untouched = error.is_remote() && refused;
        let stale = waited && (error.is_io() || error.is_go_away());
        let why = Rejection::UpstreamFailed(error.into());
        match (untouched, stale) {
            (true, _) => Self::Untouched(why),
            (false, true) => Self::Stale(why),
            (false, false) => Self::Final(why),
        }
    }
}

/// What h2 holds the response to.
fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
