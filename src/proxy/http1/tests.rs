//! A connection whose other end gives and takes its bytes in pieces of any size.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::IoSlice;
use std::sync::{Arc, Mutex};

use http::header;
use http::request::Parts;
use http::{Method, Request, StatusCode};
use http_body::{Body, Frame, SizeHint};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::proxy::progress::Tracked;
use crate::web::{BodyError, MessageLimits, RequestBody};

/// Pieces by their sizes, over and over; 0 makes the other end wait.
#[derive(Clone, Debug)]
struct Sizes(Vec<usize>, usize);

impl Sizes {
    fn next(&mut self, cx: &Context<'_>) -> Poll<usize> {
        let size = self.0.get(self.1 % self.0.len()).copied().unwrap_or(1);
        self.1 += 1;
        if size == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(size)
    }
}

fn sizes() -> impl Strategy<Value = Sizes> {
    let size = prop_oneof![2 => Just(0), 8 => 1..9_usize, 3 => 9..3000_usize];
    let sizes = prop::collection::vec(size, 1..12);
    sizes.prop_map(|mut sizes| {
        // Something has to move.
        sizes.push(1);
        Sizes(sizes, 0)
    })
}

/// The other end.
struct Far {
    says: VecDeque<u8>,
    /// Whether it closes after that.
    closes: bool,
    hears: Arc<Mutex<Vec<u8>>>,
    sizes: Sizes,
    vectored: bool,
}

impl Far {
    fn saying(says: &[u8], closes: bool, sizes: &Sizes) -> Self {
        let says = says.iter().copied().collect();
        Self { says, closes, hears: Arc::default(), sizes: sizes.clone(), vectored: true }
    }
}

impl AsyncRead for Far {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.says.is_empty() {
            return if self.closes { Poll::Ready(Ok(())) } else { Poll::Pending };
        }
        let size = ready!(self.sizes.next(cx)).min(buffer.remaining()).min(self.says.len());
        let piece: Vec<u8> = self.says.drain(..size).collect();
        buffer.put_slice(&piece);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Far {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        assert!(!bytes.is_empty(), "nothing is written");
        let size = ready!(self.sizes.next(cx)).min(bytes.len());
        self.hears.lock().unwrap().extend_from_slice(&bytes[..size]);
        Poll::Ready(Ok(size))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        self.poll_write(cx, &bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.vectored
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.sizes.next(cx).map(|_| Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A request body in pieces of any size, of a length that is known or not.
struct Given {
    left: VecDeque<u8>,
    sizes: Sizes,
    known: bool,
}

impl Body for Given {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let size = ready!(self.sizes.next(cx)).min(self.left.len());
        Poll::Ready(Some(Ok(Frame::data(self.left.drain(..size).collect()))))
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.left.len() as u64;
        if self.known { SizeHint::with_exact(left) } else { SizeHint::default() }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    Length,
    Chunked,
    Close,
}

fn way() -> impl Strategy<Value = Way> {
    prop::sample::select(vec![Way::Length, Way::Chunked, Way::Close])
}

/// A response with that body, in chunks of those sizes if in chunks.
fn response(way: Way, body: &[u8], chunks: &[usize], interim: usize) -> Vec<u8> {
    let mut bytes = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n".repeat(interim).into_bytes();
    bytes.extend_from_slice(b"HTTP/1.1 200 OK\r\nX-Up: 1\r\n");
    match way {
        Way::Length => bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes()),
        Way::Chunked => bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n"),
        Way::Close => bytes.extend_from_slice(b"\r\n"),
    }
    if way != Way::Chunked {
        bytes.extend_from_slice(body);
        return bytes;
    }
    let (mut left, mut sizes) = (body, chunks.iter().cycle());
    while !left.is_empty() {
        let (chunk, rest) = left.split_at(sizes.next().copied().unwrap_or(1).min(left.len()));
        bytes.extend(format!("{:x};a=b\r\n", chunk.len()).into_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
        left = rest;
    }
    bytes.extend_from_slice(b"0\r\nX-Trailer: 1\r\n\r\n");
    bytes
}

/// Reads a response: its body, and whether the connection may be used again.
async fn read(connection: &mut Connection) -> Result<(Vec<u8>, bool), Broken> {
    let head = poll_fn(|cx| connection.poll_head(false, cx)).await?;
    assert_eq!(head.status, StatusCode::OK);
    let (mut framing, mut body) = (head.framing, Vec::new());
    while let Some(piece) = poll_fn(|cx| connection.poll_body(&mut framing, cx)).await? {
        assert!(!piece.is_empty());
        body.extend_from_slice(&piece);
    }
    Ok((body, !head.is_last))
}

fn parts(fields: &[(&'static str, &'static str)]) -> Parts {
    let mut request = Request::post("/x?y=z").header(header::HOST, "a.test");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

/// What went out, taken apart by its own framing: the head, the content, and what is left over.
fn taken_apart(bytes: &[u8]) -> (String, Vec<u8>, usize) {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let (mut at, mut content) = (end, Vec::new());
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    if let Some(length) = length {
        let stop = end + length.parse::<usize>().unwrap();
        content.extend_from_slice(&bytes[end..stop]);
        at = stop;
    } else if head.contains("transfer-encoding: chunked\r\n") {
        let mut chunks = Chunks::default();
        loop {
            let next = chunks.next(&bytes[at..]).unwrap();
            content.extend_from_slice(&bytes[at + next.skip..at + next.skip + next.data]);
            at += next.skip + next.data;
            if next.over {
                break;
            }
            assert!(next.data > 0, "no end");
        }
    }
    (head, content, bytes.len() - at)
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

proptest! {
    /// Whole in any framing and in any pieces, and then ready for the next request unless the
    /// framing needs the end of the connection, or something is left over.
    #[test]
    fn a_response_arrives_unchanged_in_any_pieces(
        way in way(),
        body in prop::collection::vec(any::<u8>(), 0..5000),
        chunks in prop::collection::vec(1..900_usize, 1..6),
        interim in 0..3_usize,
        sizes in sizes(),
        left_over in prop_oneof![3 => Just(&b""[..]), 1 => Just(&b"HTTP/1.1 200 OK\r\n"[..])],
    ) {
        let mut bytes = response(way, &body, &chunks, interim);
        if way != Way::Close {
            bytes.extend_from_slice(left_over);
        }
        let mut connection = Connection::new(Far::saying(&bytes, way == Way::Close, &sizes));
        let (came, may_stay) = run(read(&mut connection)).unwrap();
        prop_assert_eq!(came, body);
        prop_assert_eq!(may_stay, way != Way::Close);
        let mut is_ready = connection.is_ready();
        // Where the other end is slow, it shows the next time.
        for _ in 0..sizes.0.len() {
            is_ready &= connection.is_ready();
        }
        prop_assert_eq!(is_ready, way != Way::Close && left_over.is_empty());
    }

    /// Cut off anywhere, and closed: no response, or one that breaks off, but none that is whole.
    #[test]
    fn half_a_response_never_looks_whole(
        chunked: bool,
        body in prop::collection::vec(any::<u8>(), 1..300),
        chunks in prop::collection::vec(1..90_usize, 1..6),
        sizes in sizes(),
        cut in any::<prop::sample::Index>(),
    ) {
        let way = if chunked { Way::Chunked } else { Way::Length };
        let bytes = response(way, &body, &chunks, 1);
        let bytes = &bytes[..cut.index(bytes.len())];
        let mut connection = Connection::new(Far::saying(bytes, true, &sizes));
        let came = run(read(&mut connection));
        prop_assert!(matches!(came, Err(Broken::Closed)), "{:?}", came);
        prop_assert!(!connection.is_ready());
    }

    /// Two responses one after the other on one connection, as two requests would see them.
    #[test]
    fn responses_do_not_run_into_one_another(
        ways in prop::collection::vec(any::<bool>(), 1..5),
        body in prop::collection::vec(any::<u8>(), 0..600),
        chunks in prop::collection::vec(1..90_usize, 1..6),
        sizes in sizes(),
    ) {
        let way = |chunked| if chunked { Way::Chunked } else { Way::Length };
        let of = |chunked: &bool| response(way(*chunked), &body, &chunks, 0);
        let bytes: Vec<u8> = ways.iter().flat_map(of).collect();
        let mut connection = Connection::new(Far::saying(&bytes, false, &sizes));
        for _ in &ways {
            let (came, _) = run(read(&mut connection)).unwrap();
            prop_assert_eq!(&came, &body);
        }
        prop_assert!(connection.is_ready());
    }

    /// One framing, whatever the head said before, and the body in it.
    #[test]
    fn a_request_goes_out_whole_in_any_pieces(
        // None at all, too, where the client says only later that this was all.
        body in prop_oneof![1 => Just(vec![]), 9 => prop::collection::vec(any::<u8>(), 1..5000)],
        known: bool,
        vectored: bool,
        given in sizes(),
        taken in sizes(),
        lie in prop::sample::select(vec![
            ("x-none", "1"), ("content-length", "3"), ("transfer-encoding", "gzip, chunked"),
        ]),
    ) {
        let mut far = Far::saying(b"", false, &taken);
        far.vectored = vectored;
        let hears = Arc::clone(&far.hears);
        let mut connection = Connection::new(far);
        run(async {
            let source = Given { left: body.iter().copied().collect(), sizes: given, known };
            let outgoing = RequestBody::new(source, &MessageLimits::default());
            let mut message = Message::new(&parts(&[lie]), |_| None, Tracked::new(outgoing, None));
            assert!(message.is_unsent() && message.is_whole());
            poll_fn(|cx| connection.poll_send(&mut message, cx)).await.unwrap();
            assert!(!message.is_unsent());
        });
        let (head, content, left_over) = taken_apart(&hears.lock().unwrap());
        prop_assert!(head.starts_with("POST /x?y=z HTTP/1.1\r\nhost: a.test\r\n"), "{}", head);
        let framings = head.matches("content-length: ").count() + head.matches("transfer-encoding: ").count();
        prop_assert!(framings <= 1, "{}", head);
        prop_assert_eq!((content, left_over), (body, 0));
    }

    /// A body that ends before its length leaves a request that nobody can take for whole.
    #[test]
    fn a_body_that_is_too_short_is_no_request(
        body in prop::collection::vec(any::<u8>(), 0..500),
        missing in 1..50_usize,
        sizes in sizes(),
    ) {
        struct Short(Given, usize);
        impl Body for Short {
            type Data = Bytes;
            type Error = BodyError;
            fn poll_frame(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
                Pin::new(&mut self.0).poll_frame(cx)
            }
            fn size_hint(&self) -> SizeHint {
                SizeHint::with_exact((self.0.left.len() + self.1) as u64)
            }
        }
        let far = Far::saying(b"", false, &sizes);
        let hears = Arc::clone(&far.hears);
        let mut connection = Connection::new(far);
        let sent = run(async {
            let given = Given { left: body.iter().copied().collect(), sizes: sizes.clone(), known: true };
            let outgoing = RequestBody::new(Short(given, missing), &MessageLimits::default());
            let mut message = Message::new(&parts(&[]), |_| None, Tracked::new(outgoing, None));
            poll_fn(|cx| connection.poll_send(&mut message, cx)).await
        });
        prop_assert!(matches!(sent, Err(Broken::Body)), "{:?}", sent);
        let content = hears.lock().unwrap().windows(4).position(|four| four == b"\r\n\r\n");
        let content = content.map_or(0, |at| hears.lock().unwrap().len() - at - 4);
        prop_assert!(content <= body.len());
    }
}

#[tokio::test]
async fn a_task_that_had_its_turn_sees_what_nobody_asked_for() {
    for closes in [false, true] {
        let (here, mut there) = tokio::io::duplex(64);
        let mut connection = Connection::new(here);
        assert!(connection.is_ready());
        if closes {
            drop(there);
        } else {
            there.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        }
        let is_ready = poll_fn(|cx| {
            let mut turn = std::pin::pin!(tokio::task::consume_budget());
            while turn.as_mut().poll(cx).is_ready() {
                turn.set(tokio::task::consume_budget());
            }
            Poll::Ready(connection.is_ready())
        })
        .await;
        assert!(!is_ready, "{closes}");
    }
}

#[tokio::test]
async fn interim_responses_are_bounded_however_they_come() {
    let (here, mut there) = tokio::io::duplex(64);
    let mut connection = Connection::new(here);
    let interim = async {
        while there.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    let head = poll_fn(|cx| connection.poll_head(false, cx));
    tokio::select! {
        head = tokio::time::timeout(std::time::Duration::from_secs(10), head) => {
            assert!(matches!(head, Ok(Err(Broken::Malformed(_)))), "{head:?}");
        }
        () = interim => panic!("closed"),
    }
}

#[tokio::test]
async fn after_a_switch_what_came_with_the_head_comes_first() {
    let sizes = Sizes(vec![1000], 0);
    let head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nearly";
    let mut connection = Connection::new(Far::saying(head, true, &sizes));
    let head = poll_fn(|cx| connection.poll_head(false, cx)).await.unwrap();
    assert_eq!(head.status, StatusCode::SWITCHING_PROTOCOLS);
    let mut rest = Vec::new();
    connection.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"early");
}

#[tokio::test]
async fn a_post_without_a_body_says_so() {
    for (method, says) in [(Method::POST, true), (Method::PUT, true), (Method::GET, false)] {
        let (here, mut there) = tokio::io::duplex(1024);
        let mut connection = Connection::new(here);
        let mut parts = parts(&[]);
        parts.method = method.clone();
        let body = Tracked::new(RequestBody::empty(), None);
        let mut message = Message::new(&parts, |_| None, body);
        poll_fn(|cx| connection.poll_send(&mut message, cx)).await.unwrap();
        let mut head = vec![0; 1024];
        let length = there.read(&mut head).await.unwrap();
        let head = String::from_utf8(head[..length].to_vec()).unwrap();
        assert_eq!(head.contains("\r\ncontent-length: 0\r\n"), says, "{method}: {head}");
    }
}

/// A server whose every answer comes whole, if there is room for it.
struct OneByOne;

impl AsyncRead for OneByOne {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{}", "x".repeat(500));
        assert!(buffer.remaining() >= answer.len(), "room for {} bytes", buffer.remaining());
        buffer.put_slice(answer.as_bytes());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for OneByOne {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn small_answers_cost_one_read_each_however_many_came_before() {
    let mut connection = Connection::new(OneByOne);
    for _ in 0..200 {
        let (body, _) = read(&mut connection).await.unwrap();
        assert_eq!(body.len(), 500);
    }
}
