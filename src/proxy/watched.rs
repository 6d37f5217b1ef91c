//! A response that goes on only while its caller may.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http_body::{Frame, SizeHint};

use super::watch::Watch;
use crate::web::{Body, BodyError};

/// A body that ends when its caller may not go on, and lets go of its upstream then.
struct Watched<B> {
    body: Option<B>,
    watch: Option<Watch>,
    /// Ends as if it were whole: see [`watched`].
    cleanly: bool,
}

/// Puts a response under its caller's watch, if it has one. `headers` are its own.
///
/// A response that is broken off must not look whole, so that it ends with an error. An event
/// stream has no end of its own, and a browser that sees a proper one connects again, which tells
/// it why.
pub(super) fn watched<B>(body: B, watch: Option<Watch>, headers: &HeaderMap) -> Body
where
    B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<BodyError>,
{
    let Some(watch) = watch else { return Body::stream(body) };
    let kind = headers.get(header::CONTENT_TYPE).map_or(b"".as_slice(), |kind| kind.as_bytes());
    let cleanly = is_media_type(kind, b"text/event-stream");
    // What a client opens again by itself, with a fresh credential.
    let lasting = cleanly || kind.starts_with(b"application/grpc");
    let watch = if lasting { watch.of_a_lasting_one() } else { watch };
    Body::stream(Watched { body: Some(body), watch: Some(watch), cleanly })
}

/// Whether a `Content-Type` is that one, whatever its parameters (RFC 9110 section 8.3.1).
fn is_media_type(value: &[u8], media_type: &[u8]) -> bool {
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(media_type)
}

impl<B> http_body::Body for Watched<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BodyError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Some(watch) = &mut this.watch
            && let Err(lost) = ready!(watch.poll_look(cx))
        {
            tracing::debug!(code = lost.code(), "response broken off: its caller may not go on");
            // With it goes the upstream's connection.
            this.body = None;
            this.watch = None;
            return Poll::Ready(if this.cleanly { None } else { Some(Err(lost.into())) });
        }
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        match Pin::new(body).poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(frame.map(|frame| frame.map_err(Into::into))),
            Poll::Pending => {
                if let Some(watch) = &mut this.watch {
                    watch.rest(cx);
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_stream_is_known_by_its_media_type() {
        for (value, is) in [
            ("text/event-stream", true),
            ("Text/Event-Stream; charset=utf-8", true),
            ("text/event-stream ;x", true),
            ("text/event-streams", false),
            ("application/json; x=text/event-stream", false),
            ("", false),
        ] {
            assert_eq!(is_media_type(value.as_bytes(), b"text/event-stream"), is, "{value}");
        }
    }
}
