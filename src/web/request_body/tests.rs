//! What is read of a body, when it is over, and what is known of it then.

use std::collections::VecDeque;
use std::sync::Mutex;

use futures_util::poll;
use http::HeaderMap;
use http_body::Body as _;
use http_body_util::{Empty, Full};
use tokio::time::Instant;

use super::*;

type Piece = Result<Frame<Bytes>, BodyError>;

/// A body that comes as its client goes on; it says how long it is, if that is known.
#[derive(Clone, Default)]
struct Sent(Arc<Mutex<Wire>>);

#[derive(Default)]
struct Wire {
    pieces: VecDeque<Piece>,
    ended: bool,
    declared: Option<u64>,
}

impl Sent {
    fn of(declared: Option<u64>) -> Self {
        let sent = Self::default();
        sent.0.lock().unwrap().declared = declared;
        sent
    }

    fn data(&self, text: &'static str) {
        self.0.lock().unwrap().pieces.push_back(Ok(Frame::data(text.into())));
    }

    fn trailers(&self) {
        self.0.lock().unwrap().pieces.push_back(Ok(Frame::trailers(HeaderMap::new())));
    }

    fn broken(&self) {
        self.0.lock().unwrap().pieces.push_back(Err("reset".into()));
    }

    fn end(&self) {
        self.0.lock().unwrap().ended = true;
    }
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Piece>> {
        let mut wire = self.0.lock().unwrap();
        match wire.pieces.pop_front() {
            Some(piece) => Poll::Ready(Some(piece)),
            None if wire.ended => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        let wire = self.0.lock().unwrap();
        wire.ended && wire.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().unwrap().declared.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn received(sent: &Sent) -> RequestBody {
    RequestBody::new(sent.clone(), &MessageLimits::default())
}

/// What there is of it now: its data, `trailers`, `end`, a fault, or `None` while it is waited for.
async fn next(body: &mut RequestBody) -> Option<String> {
    match poll!(body.frame()) {
        Poll::Pending => None,
        Poll::Ready(None) => Some("end".to_owned()),
        Poll::Ready(Some(Err(fault))) => Some(fault.to_string()),
        Poll::Ready(Some(Ok(frame))) => Some(match frame.into_data() {
            Ok(data) => String::from_utf8(data.to_vec()).unwrap(),
            Err(_) => "trailers".to_owned(),
        }),
    }
}

async fn all(body: &mut RequestBody) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(piece) = next(body).await {
        let over = piece == "end";
        found.push(piece);
        if over {
            break;
        }
    }
    found
}

#[tokio::test]
async fn no_body_is_nothing_to_be_read() {
    let mut none = RequestBody::new(Empty::<Bytes>::new(), &MessageLimits::default());
    assert!(none.trace().is_none() && none.is_end_stream());
    assert_eq!(all(&mut none).await, ["end"]);
}

#[tokio::test]
async fn no_more_is_read_than_was_allowed_last() {
    for (most, read) in
        [(6, &["abc", "def", "end"][..]), (5, &["abc", "request body over the limit"])]
    {
        let sent = Sent::default();
        let mut body = received(&sent);
        body.limit(most).unwrap();
        sent.data("abc");
        sent.data("def");
        sent.end();
        assert_eq!([next(&mut body).await.unwrap(), next(&mut body).await.unwrap()], read[..2]);
        assert_eq!(body.fault().unwrap().get().is_some(), most == 5);
    }
    let mut long = RequestBody::new(Full::new(Bytes::from("abc")), &MessageLimits::default());
    assert_eq!((long.limit(3), long.limit(2)), (Ok(()), Err(BodyFault::TooLarge)));
}

/// To an upstream the last byte of the length that was declared is the end: it is not told until
/// that is sure.
#[tokio::test]
async fn a_body_is_whole_only_when_no_more_can_come() {
    let sent = Sent::of(Some(6));
    let mut body = received(&sent);
    sent.data("abc");
    assert_eq!(all(&mut body).await, ["abc"]);
    sent.data("def");
    assert_eq!(next(&mut body).await, None);
    sent.end();
    assert!(!body.is_end_stream(), "a piece is kept back");
    assert_eq!(next(&mut body).await.as_deref(), Some("def"));
    assert!(body.is_end_stream());
    assert_eq!(next(&mut body).await.as_deref(), Some("end"));

    let sent = Sent::of(Some(3));
    let mut body = received(&sent);
    sent.data("abc");
    assert_eq!(next(&mut body).await, None);
    sent.broken();
    assert_eq!(next(&mut body).await.as_deref(), Some("request body incomplete"));
}

#[tokio::test]
async fn trailers_come_last_where_they_are_asked_for() {
    for (declared, kept) in [(None, true), (Some(3), true), (None, false), (Some(3), false)] {
        let sent = Sent::of(declared);
        let mut body = received(&sent);
        if kept {
            body.keep_trailers();
        }
        sent.data("abc");
        sent.trailers();
        sent.end();
        assert_eq!(next(&mut body).await.as_deref(), Some("abc"));
        let before = body.is_end_stream();
        let rest = all(&mut body).await;
        if kept {
            assert_eq!((before, rest), (false, vec!["trailers".to_owned(), "end".to_owned()]));
        } else {
            assert_eq!(rest, ["end"]);
        }
        assert!(body.is_end_stream());
    }
}

#[tokio::test]
async fn a_body_is_abandoned_unless_it_was_read_to_its_end() {
    // One that tells of its end only when it is asked once more, and one that knows.
    let streamed = || {
        http_body_util::StreamBody::new(futures_util::stream::iter([Ok::<_, BodyError>(
            Frame::data(Bytes::from("abc")),
        )]))
    };
    let limits = MessageLimits::default();
    for (mut body, times, abandoned) in [
        (RequestBody::new(streamed(), &limits), 0, true),
        (RequestBody::new(streamed(), &limits), 1, true),
        (RequestBody::new(streamed(), &limits), 2, false),
        (RequestBody::new(Full::new(Bytes::from("abc")), &limits), 0, true),
        (RequestBody::new(Full::new(Bytes::from("abc")), &limits), 1, false),
    ] {
        let trace = body.trace().unwrap();
        for _ in 0..times {
            next(&mut body).await.unwrap();
        }
        drop(body);
        assert_eq!(trace.is_abandoned(), abandoned, "after {times}");
        assert_eq!(trace.received(), if times > 0 { 3 } else { 0 });
    }
}

#[tokio::test]
async fn with_each_piece_the_client_may_be_silent_anew() {
    let wait = Duration::from_millis(60);
    let sent = Sent::default();
    let limits = MessageLimits { body_timeout: wait, ..MessageLimits::default() };
    let mut body = RequestBody::new(sent.clone(), &limits);
    let begun = Instant::now();
    assert_eq!(next(&mut body).await, None);
    sent.data("a");
    assert_eq!(next(&mut body).await.as_deref(), Some("a"));
    assert_eq!(body.frame().await.unwrap().unwrap_err(), BodyFault::TooSlow);
    assert!(begun.elapsed() >= 2 * wait, "it was not waited for anew");
}
