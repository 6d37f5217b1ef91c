//! An upstream that writes down what it was sent, to the byte, and answers as it is told.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinHandle;

use super::soon;
use super::wire::{Conn, read_chunk, read_exactly, read_head};

/// Fields that end at the gateway (RFC 9110 section 7.6.1).
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "te",
    "trailer",
    "upgrade",
    "expect",
];

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The connection it came on, counted from 0.
    pub(crate) connection: usize,
    /// Its request line.
    pub(crate) line: String,
    /// Its field lines in order, names as sent.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the body ended as its framing says.
    pub(crate) complete: bool,
}

impl Seen {
    /// Every value of a field.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let fields = self.headers.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        fields.map(|(_, value)| value.as_str()).collect()
    }

    /// The one value of a field.
    pub(crate) fn one(&self, name: &str) -> &str {
        match self.all(name).as_slice() {
            [one] => one,
            other => panic!("{name}: {other:?} in {self:?}"),
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        !self.all(name).is_empty()
    }

    /// The request target.
    pub(crate) fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }

    fn parse(connection: usize, head: &[u8]) -> Self {
        let text = String::from_utf8_lossy(head).into_owned();
        let mut lines = text.trim_end_matches("\r\n").split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let headers = lines
            .map(|line| match line.split_once(':') {
                Some((name, value)) => (name.to_owned(), value.trim().to_owned()),
                None => (line.to_owned(), String::new()),
            })
            .collect();
        Self { connection, line, headers, body: Vec::new(), complete: false }
    }

    /// What is wrong with it whatever was sent to the gateway: anything that two servers could
    /// read in two ways.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |wrong: bool, what: &str| {
            if wrong {
                faults.push(format!("{what} in {self:?}"));
            }
        };
        let clean = |text: &str| !text.bytes().any(|byte| byte < b' ' && byte != b'\t');
        let words: Vec<_> = self.line.split(' ').collect();
        fault(!clean(&self.line) || words.len() != 3, "a bad request line");
        fault(words.last() != Some(&"HTTP/1.1"), "another version");
        fault(!self.target().starts_with('/'), "no origin form");
        for (name, value) in &self.headers {
            let token =
                |byte: u8| byte.is_ascii_alphanumeric() || b"-!#$%&'*+.^`|~_".contains(&byte);
            fault(name.is_empty() || !name.bytes().all(token), "a bad field name");
            fault(!clean(value), "a control byte");
            fault(HOP_BY_HOP.contains(&name.to_ascii_lowercase().as_str()), "a hop-by-hop field");
        }
        fault(self.all("host").len() != 1, "not one Host");
        let lengths = self.all("content-length");
        let codings = self.all("transfer-encoding");
        fault(lengths.len() + codings.len() > 1, "two framings");
        fault(lengths.iter().any(|text| !text.bytes().all(|b| b.is_ascii_digit())), "a bad length");
        fault(codings.iter().any(|coding| *coding != "chunked"), "another coding");
        faults
    }
}

/// What the upstream does with a request.
pub(crate) enum Act {
    Answer(Vec<u8>),
    AnswerAndClose(Vec<u8>),
    Close,
    /// Says nothing until the other end goes away.
    Hang,
}

impl Act {
    pub(crate) fn ok(body: &str) -> Self {
        Self::Answer(
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nX-Up: 1\r\n\r\n{body}", body.len())
                .into(),
        )
    }

    pub(crate) fn answer(text: impl Into<Vec<u8>>) -> Self {
        Self::Answer(text.into())
    }
}

type Script = dyn Fn(&Seen) -> Act + Send + Sync;

struct Shared {
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    serving: Mutex<Vec<JoinHandle<()>>>,
    script: Box<Script>,
}

/// A server on a port of its own.
pub(crate) struct Upstream {
    pub(crate) addr: SocketAddr,
    shared: Arc<Shared>,
    accepting: Vec<JoinHandle<()>>,
    by_hand: Option<TcpListener>,
}

impl Upstream {
    /// Answers `ok` to everything.
    pub(crate) async fn start() -> Self {
        Self::scripted(|_| Act::ok("ok")).await
    }

    /// Answers as the script says, once a request has come completely.
    pub(crate) async fn scripted(script: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Self {
        Self::made(Box::new(script)).await.answering()
    }

    /// Answers `ok` at an address where nobody was before.
    pub(crate) async fn start_at(addr: SocketAddr) -> Self {
        let listener = TcpListener::bind(addr).await.expect("somebody else took the port");
        Self::at(listener, Box::new(|_| Act::ok("ok"))).answering()
    }

    /// From here on it answers by itself.
    pub(crate) fn answering(self) -> Self {
        let mut upstream = self;
        let listener = upstream.by_hand.take().expect("it was just made");
        let shared = Arc::clone(&upstream.shared);
        upstream.accepting.push(tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                stream.set_nodelay(true).ok();
                shared.serve(stream);
            }
        }));
        upstream
    }

    /// Answers at a unix socket as well.
    pub(crate) fn also_at(mut self, socket: &Path) -> Self {
        let listener = UnixListener::bind(socket).expect("no socket");
        let shared = Arc::clone(&self.shared);
        self.accepting.push(tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                shared.serve(stream);
            }
        }));
        self
    }

    /// Does nothing by itself: the test accepts and answers.
    pub(crate) async fn by_hand() -> Self {
        Self::made(Box::new(|_| Act::Close)).await
    }

    /// Does nothing by itself, at an address where nobody was before; `ok` once it answers.
    pub(crate) async fn by_hand_at(addr: SocketAddr) -> Self {
        let listener = TcpListener::bind(addr).await.expect("somebody else took the port");
        Self::at(listener, Box::new(|_| Act::ok("ok")))
    }

    /// Takes no connection before it answers, `ok` then: its line is full of those that are
    /// returned.
    pub(crate) fn with_a_full_line() -> (Self, Vec<std::net::TcpStream>) {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.expect("no socket");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        socket.bind(&any.into()).expect("no port");
        socket.listen(0).expect("no listener");
        socket.set_nonblocking(true).expect("a socket that blocks");
        let listener = TcpListener::from_std(socket.into()).expect("no listener");
        let addr = listener.local_addr().expect("no address");
        let mut filling = Vec::new();
        let patience = std::time::Duration::from_millis(100);
        while let Ok(stream) = std::net::TcpStream::connect_timeout(&addr, patience) {
            filling.push(stream);
        }
        (Self::at(listener, Box::new(|_| Act::ok("ok"))), filling)
    }

    async fn made(script: Box<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("no port");
        Self::at(listener, script)
    }

    fn at(listener: TcpListener, script: Box<Script>) -> Self {
        let addr = listener.local_addr().expect("no address");
        let (seen, connections) = (Mutex::default(), AtomicUsize::new(0));
        let shared = Arc::new(Shared { seen, connections, serving: Mutex::default(), script });
        Self { addr, shared, accepting: Vec::new(), by_hand: Some(listener) }
    }

    /// The next connection, for a test that answers by hand.
    pub(crate) async fn accept(&self) -> Conn {
        let listener = self.by_hand.as_ref().expect("this upstream answers by itself");
        let (stream, _) = soon("a connection", listener.accept()).await.expect("no connection");
        stream.set_nodelay(true).expect("no TCP_NODELAY");
        Conn::new(stream)
    }

    /// Nobody may wait to be accepted: the end of a test that answers by hand.
    pub(crate) fn expect_nobody(self) {
        let listener = self.by_hand.expect("this upstream answers by itself");
        let listener = listener.into_std().expect("no socket");
        let waiting = listener.accept().map_err(|error| error.kind());
        assert_eq!(waiting.err(), Some(std::io::ErrorKind::WouldBlock), "one more connection");
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// What came so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().expect("a test panicked").clone()
    }

    /// Waits until every connection is closed, and returns all that came. No request may have
    /// two readings, whatever the test is about.
    pub(crate) async fn finish(self) -> Vec<Seen> {
        for accepting in &self.accepting {
            accepting.abort();
        }
        let serving = std::mem::take(&mut *self.shared.serving.lock().expect("a test panicked"));
        for connection in serving {
            let ended = soon("the end of the upstream's connections", connection).await;
            ended.expect("the upstream was sent something unreadable");
        }
        let seen = self.seen();
        let faults: Vec<_> = seen.iter().flat_map(Seen::faults).collect();
        assert!(faults.is_empty(), "{faults:#?}");
        seen
    }
}

/// An address where nobody listens.
pub(crate) fn refusing() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("no port");
    listener.local_addr().expect("no address")
}

impl Shared {
    fn serve(self: &Arc<Self>, stream: impl Stream) {
        let number = self.connections.fetch_add(1, Ordering::SeqCst);
        let serving = tokio::spawn(serve(stream, number, Arc::clone(self)));
        self.serving.lock().expect("a test panicked").push(serving);
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

async fn serve(mut stream: impl Stream, number: usize, shared: Arc<Shared>) {
    let mut buffer = Vec::new();
    loop {
        let Some(head) = read_head(&mut stream, &mut buffer).await else {
            assert!(buffer.is_empty(), "half a head: {}", String::from_utf8_lossy(&buffer));
            return;
        };
        let mut seen = Seen::parse(number, &head);
        read_body(&mut stream, &mut buffer, &mut seen).await;
        let complete = seen.complete;
        shared.seen.lock().expect("a test panicked").push(seen.clone());
        if !complete {
            return;
        }
        let (bytes, close) = match (shared.script)(&seen) {
            Act::Answer(bytes) => (bytes, false),
            Act::AnswerAndClose(bytes) => (bytes, true),
            Act::Close => return,
            Act::Hang => {
                while stream.read_buf(&mut buffer).await.is_ok_and(|count| count > 0) {}
                return;
            }
        };
        if stream.write_all(&bytes).await.is_err() || close {
            return;
        }
    }
}

async fn read_body(stream: &mut impl Stream, buffer: &mut Vec<u8>, seen: &mut Seen) {
    if seen.has("transfer-encoding") {
        while let Some(chunk) = read_chunk(stream, buffer).await {
            if chunk.is_empty() {
                seen.complete = true;
                return;
            }
            seen.body.extend(chunk);
        }
        return;
    }
    let length = seen.all("content-length").first().and_then(|text| text.parse().ok());
    if let Some(body) = read_exactly(stream, buffer, length.unwrap_or(0)).await {
        seen.body = body;
        seen.complete = true;
    }
}
