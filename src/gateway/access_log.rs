//! One line for every request, also for those that were refused.

use std::error::Error;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::uri::Authority;
use http::{Method, Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::Instant;
use tracing::Level;

use super::causes::chain;
use crate::policy::Would;
use crate::proxy::Rejection;
use crate::web::{Body, BodyError, Takeover, Traffic};

/// Where access lines go: a filter can name it, and `[log] access = false` switches it off.
///
/// An embedder's subscriber tells access lines from the rest by it:
///
/// ```
/// use portcullis::ACCESS_LOG;
///
/// fn is_access_line(event: &tracing::Metadata<'_>) -> bool {
///     event.target() == ACCESS_LOG
/// }
/// # let _ = is_access_line;
/// assert_eq!(ACCESS_LOG, "portcullis::access");
/// ```
pub const TARGET: &str = "portcullis::access";

/// What the line of a request will say. Nothing is gathered while nobody listens.
#[derive(Debug)]
pub(super) struct Record {
    request_id: HeaderValue,
    line: Option<Box<Line>>,
    status: StatusCode,
    code: Option<&'static str>,
    received: Option<u64>,
}

#[derive(Debug)]
struct Line {
    started: Instant,
    client: IpAddr,
    method: Method,
    /// Without the query, which may hold secrets.
    path: String,
    host: String,
    route: Option<String>,
    user: Option<String>,
    key: Option<u64>,
    would: Option<&'static str>,
}

impl Record {
    pub(super) fn start(parts: &Parts, request_id: HeaderValue, peer: IpAddr) -> Self {
        let wanted = tracing::enabled!(target: TARGET, Level::INFO);
        let line = wanted.then(|| {
            Box::new(Line {
                started: Instant::now(),
                client: peer,
                method: parts.method.clone(),
                path: parts.uri.path().to_owned(),
                host: host(parts).to_owned(),
                route: None,
                user: None,
                key: None,
                would: None,
            })
        });
        let status = StatusCode::OK;
        Self { request_id, line, status, code: None, received: None }
    }

    pub(super) const fn request_id(&self) -> &HeaderValue {
        &self.request_id
    }

    pub(super) fn keep_id(&mut self, id: HeaderValue) {
        self.request_id = id;
    }

    pub(super) fn client(&mut self, client: IpAddr) {
        if let Some(line) = &mut self.line {
            line.client = client;
        }
    }

    /// The route, as the operator wrote it.
    pub(super) fn route(&mut self, key: &impl ToString) {
        if let Some(line) = &mut self.line {
            line.route = Some(key.to_string());
        }
    }

    /// The id of the caller.
    pub(super) fn user(&mut self, user: &str) {
        if let Some(line) = &mut self.line {
            line.user = Some(user.to_owned());
        }
    }

    /// The number of the key that the caller showed.
    pub(super) fn key(&mut self, key: Option<u64>) {
        if let Some(line) = &mut self.line {
            line.key = key;
        }
    }

    /// What a rule on trial would have changed.
    pub(super) fn would(&mut self, would: Option<Would>) {
        if let Some(line) = &mut self.line {
            line.would = would.map(Would::as_str);
        }
    }

    /// Why the request was refused. What the operator should mend gives a line of its own, with
    /// its causes; a client's mistake only where it is asked for.
    pub(super) fn refused(
        &mut self,
        status: StatusCode,
        code: &'static str,
        error: Option<&(dyn Error + 'static)>,
    ) {
        self.code = Some(code);
        let Some(error) = error else { return };
        let id = self.request_id.to_str().unwrap_or_default();
        if status.is_server_error() {
            tracing::warn!(request_id = id, code, error = chain(error), "request failed");
        } else {
            tracing::debug!(request_id = id, code, error = chain(error), "request refused");
        }
    }

    /// Writes the line when the response is over: at once if it is whole, at its end if it is
    /// a stream or takes the connection over.
    pub(super) fn finish(mut self, mut response: Response<Body>) -> Response<Body> {
        self.status = response.status();
        if self.line.is_none() {
            return response;
        }
        if let Some(takeover) = response.extensions_mut().remove::<Takeover>() {
            let traffic = takeover.traffic();
            let ending = Tunnelled { record: self, traffic };
            response.extensions_mut().insert(takeover.keeping(ending));
            return response;
        }
        let (parts, body) = response.into_parts();
        let body = match body.size_hint().exact() {
            // The server sends the head alone, and never asks such a body for its end.
            _ if body.is_end_stream() => {
                self.write(0, true);
                body
            }
            Some(length) if !body.is_stream() => {
                self.write(length, true);
                body
            }
            _ => Body::stream(Recorded { body, record: self, sent: 0, whole: false }),
        };
        Response::from_parts(parts, body)
    }

    fn write(&mut self, bytes: u64, whole: bool) {
        let Some(line) = self.line.take() else { return };
        let micros = u64::try_from(line.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        tracing::info!(
            target: TARGET,
            {
                request_id = self.request_id.to_str().unwrap_or_default(),
                client = %line.client,
                method = line.method.as_str(),
                host = line.host,
                path = line.path,
                status = self.status.as_u16(),
                code = self.code,
                route = line.route,
                user = line.user,
                key = line.key,
                would = line.would,
                bytes,
                received = self.received,
                complete = whole,
                duration_us = micros,
            },
            "request"
        );
    }
}

impl Drop for Record {
    /// A request whose client went away before there was an answer: an upstream may have acted
    /// on it all the same. 499 is what nginx writes then.
    fn drop(&mut self) {
        if self.line.is_some() {
            self.status = StatusCode::from_u16(499).unwrap_or(self.status);
            self.code = Some("client_gone");
            self.write(0, false);
        }
    }
}

/// The host that a request names: HTTP/2 has it in the target. Without user information, which
/// no request may have there, but which would be a secret.
fn host(parts: &Parts) -> &str {
    let field = || parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let named = parts.uri.authority().map(Authority::as_str).or_else(field).unwrap_or_default();
    named.rsplit('@').next().unwrap_or_default()
}

/// A connection that broke off. Where its bytes were no HTTP, it has been answered, if it could.
pub(super) fn broken(peer: IpAddr, error: &hyper::Error) {
    if error.is_parse() {
        let too_large = error.is_parse_too_large();
        let status = if too_large {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
        } else {
            StatusCode::BAD_REQUEST
        };
        malformed(peer, None, status, "malformed", error);
    } else {
        tracing::debug!(peer = %peer, error = chain(error), "connection ended");
    }
}

/// The line of something that is no request.
pub(super) fn malformed(
    peer: IpAddr,
    request_id: Option<&HeaderValue>,
    status: StatusCode,
    code: &'static str,
    error: &(dyn Error + 'static),
) {
    tracing::info!(
        target: TARGET,
        {
            request_id = request_id.and_then(|id| id.to_str().ok()),
            client = %peer,
            status = status.as_u16(),
            code,
            error = chain(error),
        },
        "malformed request"
    );
}

/// The line of a request that took its connection, or its stream, over.
struct Tunnelled {
    record: Record,
    traffic: Arc<Traffic>,
}

impl Drop for Tunnelled {
    fn drop(&mut self) {
        let (received, sent) = self.traffic.so_far();
        self.record.received = Some(received);
        let begun = self.traffic.begun.load(Ordering::Relaxed);
        self.record.write(sent, begun);
    }
}

/// A streamed body with the line of its request.
struct Recorded {
    body: Body,
    record: Record,
    sent: u64,
    whole: bool,
}

impl http_body::Body for Recorded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
                self.whole = self.body.is_end_stream();
            }
            Poll::Ready(None) => self.whole = true,
            Poll::Ready(Some(Err(error))) => {
                // Broken off by us, and not by one of the ends.
                self.record.code = error.downcast_ref().map(Rejection::code);
            }
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        // Also when the client goes away in the middle: that is when the line matters.
        let (sent, whole) = (self.sent, self.whole);
        self.record.write(sent, whole);
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use futures_util::FutureExt;
    use http::Request;

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::log_sink::LogSink;

    fn lines_of(work: impl FnOnce(Record)) -> Vec<String> {
        let sink = LogSink::default();
        tracing::subscriber::with_default(sink.subscriber(), || {
            let (parts, ()) = Request::new(()).into_parts();
            let id = HeaderValue::from_static("id-1");
            work(Record::start(&parts, id, Ipv4Addr::LOCALHOST.into()));
        });
        let text = sink.text();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_request_has_one_line() {
        let lines = lines_of(|record| drop(record.finish(Response::new(Body::empty()))));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("status=200") && lines[0].contains("id-1"), "{lines:?}");
    }

    /// HTTP/2 has it in the target, and there it may be beside what nobody should read.
    #[test]
    fn a_line_names_the_host_in_either_version() {
        for (uri, field, host) in [
            ("/x", Some("a.test:80"), "a.test:80"),
            ("http://a.test:81/x", None, "a.test:81"),
            ("http://a.test/x", Some("b.test"), "a.test"),
            ("http://name:secret@a.test/x", None, "a.test"),
            ("/x", Some("secret@a.test"), "a.test"),
            ("/x", None, ""),
        ] {
            let mut request = Request::get(uri);
            if let Some(field) = field {
                request = request.header("host", field);
            }
            let (parts, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(super::host(&parts), host, "{uri} {field:?}");
        }
    }

    #[tokio::test]
    async fn a_response_that_we_broke_off_says_why() {
        use http_body_util::{BodyExt, StreamBody};
        let body = |error: BodyError| {
            let frames = [Ok(Frame::data(Bytes::from_static(b"half"))), Err(error)];
            Body::stream(StreamBody::new(futures_util::stream::iter(frames)))
        };
        let lost: BodyError = Rejection::Forbidden.into();
        for (error, code) in [(lost, "code=\"forbidden\""), ("reset".into(), "complete=false")] {
            let response = Response::new(body(error));
            let mut read = None;
            let lines = lines_of(|record| {
                let body = record.finish(response).into_body();
                read = body.collect().now_or_never();
            });
            assert!(read.unwrap().is_err());
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(lines[0].contains("complete=false") && lines[0].contains(code), "{lines:?}");
            assert!(lines[0].contains("bytes=4"), "{lines:?}");
        }
    }

    #[test]
    fn what_is_no_request_has_a_line() {
        let lines = lines_of(|record| {
            drop(record.finish(Response::new(Body::empty())));
            let (peer, id) = (Ipv4Addr::LOCALHOST.into(), HeaderValue::from_static("id-2"));
            let error = io::Error::other("bare CR or LF");
            malformed(peer, Some(&id), StatusCode::BAD_REQUEST, "malformed", &error);
        });
        assert_eq!(lines.len(), 2, "{lines:?}");
        for told in ["127.0.0.1", "id-2", "status=400", "malformed", "bare CR or LF"] {
            assert!(lines[1].contains(told), "{told}: {lines:?}");
        }
    }

    #[test]
    fn a_connection_that_was_taken_over_has_its_line_at_its_end() {
        let lines = lines_of(|record| {
            let traffic = Arc::<Traffic>::default();
            traffic.received.store(3, Ordering::Relaxed);
            traffic.sent.store(7, Ordering::Relaxed);
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            response.extensions_mut().insert(Takeover::new(
                std::future::pending(),
                traffic,
                CancellationToken::new(),
            ));
            let response = record.finish(response);
            tracing::info!("it goes on");
            drop(response);
        });
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].contains("it goes on"), "{lines:?}");
        for told in ["status=101", "bytes=7", "received=3", "complete=false"] {
            assert!(lines[1].contains(told), "{told}: {lines:?}");
        }
    }

    #[test]
    fn a_response_without_content_is_complete() {
        let lines = lines_of(|record| {
            let body = Body::stream(http_body_util::Full::<Bytes>::default());
            drop(record.finish(Response::new(body)));
        });
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("complete=true"), "{lines:?}");
    }

    #[test]
    fn a_client_that_went_away_has_its_line_too() {
        let lines = lines_of(drop);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("status=499"), "{lines:?}");
        assert!(lines[0].contains("client_gone"), "{lines:?}");
        let half = |record: Record| {
            let body = Body::stream(http_body_util::Full::new(Bytes::from_static(b"half")));
            drop(record.finish(Response::new(body)));
        };
        let lines = lines_of(half);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("complete=false"), "{lines:?}");
    }
}
