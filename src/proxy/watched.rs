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
    use std::sync::Arc;

    use http_body::Body as _;
    use http_body_util::{BodyExt, Empty, Full};

    use super::super::tests::live::Live;
    use super::*;
    use crate::token::TokenSettings;

    /// Goes on as long as anybody reads it.
    struct Endless {
        _upstream: Arc<()>,
    }

    impl http_body::Body for Endless {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
        }
    }

    /// How the body of a response of that kind goes on once its caller's token has ended.
    async fn after_its_token(kind: &'static str) -> &'static str {
        let (live, upstream) = (Live::new().await, Arc::new(()));
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
        let body = Endless { _upstream: Arc::clone(&upstream) };
        let mut body = watched(body, Some(live.watch()), &headers);
        assert!(body.frame().await.unwrap().is_ok());
        live.clock.advance(TokenSettings::default().access);
        let end = match body.frame().await {
            Some(Ok(_)) => return "goes on",
            Some(Err(_)) => "breaks off",
            None => "ends",
        };
        assert_eq!(Arc::strong_count(&upstream), 1, "its upstream is let go of");
        assert!(body.frame().await.is_none());
        end
    }

    #[tokio::test]
    async fn what_a_client_opens_again_does_not_outlive_its_token() {
        for (kind, goes) in [
            ("text/html", "goes on"),
            ("text/event-stream", "ends"),
            ("application/grpc", "breaks off"),
            ("application/grpc+proto", "breaks off"),
        ] {
            assert_eq!(after_its_token(kind).await, goes, "{kind}");
        }
    }

    #[tokio::test]
    async fn a_body_that_has_ended_says_so() {
        let live = Live::new().await;
        let is_end = |body| Watched { body, watch: None, cleanly: false }.is_end_stream();
        assert!(is_end(None) && !is_end(Some(Full::<Bytes>::from("x"))));
        let (body, watch) = (Some(Empty::<Bytes>::new()), Some(live.watch()));
        assert!(Watched { body, watch, cleanly: false }.is_end_stream());
    }

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
