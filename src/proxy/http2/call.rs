//! One request over HTTP/2, up to its response head.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::header::{self, HeaderMap};
use http::request::Parts;
use http::{Request, Response};
use tokio::time::Instant;

use super::Way;
use super::channels::{Channels, Seat};
use super::received::Received;
use super::upload::{Stopped, Upload};
use crate::clock::Alarm;
use crate::proxy::Rejection;
use crate::proxy::lease::Hold;
use crate::proxy::progress::Progress;
use crate::proxy::send::{Failure, Outgoing};
use crate::web::Body;

/// How often a request is sent that no server has looked at.
const TRIES: usize = 3;
/// Most interim responses (1xx) to one request.
const INTERIM: usize = 32;

/// A request to one server, and how it is treated.
pub(in crate::proxy) struct Call<'a> {
    pub(in crate::proxy) way: &'a Way<'a>,
    pub(in crate::proxy) channels: &'a Arc<Channels>,
    /// Longest wait for the response head.
    pub(in crate::proxy) patience: Duration,
    /// Whether it may be sent once more after a connection ended under it.
    pub(in crate::proxy) send_again: bool,
    pub(in crate::proxy) progress: &'a Option<Arc<Progress>>,
}

/// A response head, and what its body will come from.
pub(in crate::proxy) struct Answer<'a> {
    way: &'a Way<'a>,
    head: Response<RecvStream>,
    seat: Arc<Seat>,
    stream: SendStream<Bytes>,
    upload: Upload,
}

/// Why a connection brought none.
enum Broken {
    /// The server has not looked at the request (RFC 9113 sections 6.8 and 8.7).
    Untouched(Rejection),
    /// The connection is gone, and nobody knows.
    Lost(Rejection),
    Final(Rejection),
}

impl<'a> Call<'a> {
    /// Sends the request; again where the server has not looked at it, or where the rule of
    /// `retries` allows it.
    pub(in crate::proxy) async fn run(
        &self,
        request: Request<Outgoing>,
    ) -> Result<Answer<'a>, Failure> {
        let (parts, body) = request.into_parts();
        let mut upload = Upload::new(body, self.way.trailers.clone());
        let mut again = self.send_again;
        for turn in 1.. {
            let room = match self.channels.ready().await {
                Ok(room) => room,
                Err(why) => return Err(unsent(parts, upload, why)),
            };
            let (mut sender, seat, waited) = (room.sender, Arc::new(room.seat), room.waited);
            let opened = sender.send_request(head(&parts), upload.is_over());
            let (response, mut stream) = match opened {
                Ok(opened) => opened,
                Err(error) => {
                    seat.load.close();
                    let why = Rejection::UpstreamUnreachable(Some(error.into()));
                    if turn < TRIES {
                        continue;
                    }
                    return Err(unsent(parts, upload, why));
                }
            };
            match self.answered(response, &mut stream, &mut upload).await {
                Ok(head) => {
                    upload.forget();
                    return Ok(Answer { way: self.way, head, seat, stream, upload });
                }
                Err(Broken::Untouched(_)) if turn < TRIES && upload.rewind() => {}
                Err(Broken::Lost(_)) if waited && again && upload.rewind() => again = false,
                Err(Broken::Lost(why)) if waited => return Err(Failure::Stale(why)),
                Err(Broken::Untouched(why) | Broken::Lost(why) | Broken::Final(why)) => {
                    return Err(Failure::Final(why));
                }
            }
        }
        Err(Failure::Final(Rejection::UpstreamUnreachable(None)))
    }

    async fn answered(
        &self,
        mut response: ResponseFuture,
        stream: &mut SendStream<Bytes>,
        upload: &mut Upload,
    ) -> Result<Response<RecvStream>, Broken> {
        let mut alarm = Alarm::default();
        let mut deadline = Instant::now() + self.patience;
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
            if let Poll::Ready(answered) = poll_head(&mut response, &mut interim, cx) {
                return Poll::Ready(answered);
            }
            self.poll_late(&mut alarm, &mut deadline, cx)
                .map(|()| Err(Broken::Final(Rejection::UpstreamTimeout(self.patience))))
        })
        .await
    }

    /// Ready when the server had its time, which counts from the last byte that it took, and not
    /// while it is the client that is waited for.
    fn poll_late(
        &self,
        alarm: &mut Alarm,
        deadline: &mut Instant,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            std::task::ready!(alarm.poll_past(*deadline, cx));
            let since = self.progress.as_ref().map(|progress| progress.waiting_since());
            match since.map(|since| since + self.patience) {
                Some(later) if later > Instant::now() => *deadline = later,
                _ => return Poll::Ready(()),
            }
        }
    }
}

impl Answer<'_> {
    /// The response, whose body keeps its places here and at the upstream.
    pub(in crate::proxy) fn finish(self, hold: Hold) -> Response<Body> {
        let Answer { way, head, seat, stream, upload } = self;
        let (parts, incoming) = head.into_parts();
        let upload = (!upload.is_over()).then(|| {
            let going_on = upload.go_on(stream, Arc::clone(&seat));
            tokio::spawn(going_on).abort_handle()
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
            _hold: hold,
            _seat: seat,
        };
        Response::from_parts(parts, Body::stream(body))
    }
}

fn head(parts: &Parts) -> Request<()> {
    let mut head = Request::new(());
    *head.method_mut() = parts.method.clone();
    *head.uri_mut() = parts.uri.clone();
    *head.headers_mut() = parts.headers.clone();
    *head.version_mut() = parts.version;
    head
}

fn unsent(parts: Parts, upload: Upload, why: Rejection) -> Failure {
    match upload.untouched() {
        Some(body) => Failure::Unsent(Box::new(Request::from_parts(parts, body)), why),
        None => Failure::Final(why),
    }
}

fn poll_head(
    response: &mut ResponseFuture,
    interim: &mut usize,
    cx: &mut Context<'_>,
) -> Poll<Result<Response<RecvStream>, Broken>> {
    while let Poll::Ready(Some(Ok(_))) = response.poll_informational(cx) {
        *interim += 1;
        if *interim > INTERIM {
            let why = Rejection::UpstreamFailed("too many interim responses".into());
            return Poll::Ready(Err(Broken::Final(why)));
        }
    }
    Pin::new(response).poll(cx).map_err(Broken::of)
}

impl Broken {
    fn of(error: h2::Error) -> Self {
        let refused = error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM);
        let untouched = error.is_remote() && refused;
        let lost = error.is_io() || error.is_go_away();
        let why = Rejection::UpstreamFailed(error.into());
        match (untouched, lost) {
            (true, _) => Self::Untouched(why),
            (false, true) => Self::Lost(why),
            (false, false) => Self::Final(why),
        }
    }
}

/// What h2 holds the response to.
fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
