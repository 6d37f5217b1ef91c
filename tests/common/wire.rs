//! Bytes out, bytes in: what no client library would send, and every reply under a check.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::soon;

/// Every field that a reply may have: the gateway's own, and those that test upstreams set.
const KNOWN: [&str; 43] = [
    "accept-ranges",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "allow",
    "cache-control",
    "connection",
    "content-encoding",
    "content-language",
    "content-length",
    "content-range",
    "content-security-policy",
    "content-type",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "date",
    "etag",
    "last-modified",
    "location",
    "ratelimit",
    "ratelimit-policy",
    "referrer-policy",
    "refresh",
    "retry-after",
    "sec-websocket-accept",
    "sec-websocket-version",
    "server",
    "server-timing",
    "set-cookie",
    "strict-transport-security",
    "transfer-encoding",
    "upgrade",
    "vary",
    "www-authenticate",
    "x-content-type-options",
    "x-frame-options",
    "x-request-id",
    "x-up",
    "x-up-connection",
    "x-up-token",
];

/// One response. Status 0: the connection was closed without one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// Without chunk framing.
    pub(crate) body: Vec<u8>,
    /// Whether the body ended as its framing says.
    pub(crate) complete: bool,
}

impl Reply {
    fn parse(head: &[u8]) -> Self {
        let text = std::str::from_utf8(head).expect("a head is text");
        let mut lines = text.trim_end_matches("\r\n").split("\r\n");
        let line = lines.next().unwrap_or_default();
        let (version, rest) = line.split_once(' ').unwrap_or_default();
        assert!(matches!(version, "HTTP/1.1" | "HTTP/1.0"), "no status line: {line:?}");
        let status = rest.get(..3).and_then(|code| code.parse().ok()).expect("no status");
        let headers = lines
            .map(|line| {
                let (name, value) = line.split_once(": ").unwrap_or_else(|| {
                    panic!("not a field line: {line:?}");
                });
                (name.to_ascii_lowercase(), value.to_owned())
            })
            .collect();
        let reply = Self { status, headers, body: Vec::new(), complete: false };
        reply.check();
        reply
    }

    /// What is true of every answer.
    fn check(&self) {
        for (name, value) in &self.headers {
            assert!(KNOWN.contains(&name.as_str()), "unexpected field {name}: {value}");
        }
        for once in ["content-length", "transfer-encoding", "x-request-id", "date"] {
            assert!(self.all(once).len() <= 1, "{once} is there twice: {self:?}");
        }
        let framings = self.all("content-length").len() + self.all("transfer-encoding").len();
        assert!(framings <= 1, "two framings: {self:?}");
    }

    /// Every value of a field.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let fields = self.headers.iter().filter(|(field, _)| field == name);
        fields.map(|(_, value)| value.as_str()).collect()
    }

    /// The one value of a field.
    pub(crate) fn one(&self, name: &str) -> &str {
        match self.all(name).as_slice() {
            [one] => one,
            other => panic!("{name}: {other:?} in {self:?}"),
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

/// A connection, of a client or of an upstream, with what was read and not looked at yet.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

impl Conn {
    pub(crate) const fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) async fn open(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.expect("nobody listens");
        stream.set_nodelay(true).expect("no TCP_NODELAY");
        Self::new(stream)
    }

    /// Sends bytes as they are. Whether the other end still takes them is for the test to see
    /// from what it answers.
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        soon("taking bytes", self.stream.write_all(bytes.as_ref())).await.ok();
    }

    /// The next response to a GET.
    pub(crate) async fn reply(&mut self) -> Reply {
        soon("a response", read_reply(&mut self.stream, &mut self.buffer, false)).await
    }

    /// The next response to a HEAD.
    pub(crate) async fn reply_to_head(&mut self) -> Reply {
        soon("a response", read_reply(&mut self.stream, &mut self.buffer, true)).await
    }

    /// Sends a request and reads its response.
    pub(crate) async fn ask(&mut self, request: impl AsRef<[u8]>) -> Reply {
        self.write(request).await;
        self.reply().await
    }

    /// Everything up to an empty line, a request's or a response's head.
    pub(crate) async fn head(&mut self) -> String {
        let head = soon("a head", read_head(&mut self.stream, &mut self.buffer)).await;
        String::from_utf8(head.expect("closed before a head")).expect("a head is text")
    }

    /// A response's head, its body not read yet.
    pub(crate) async fn reply_head(&mut self) -> Reply {
        Reply::parse(self.head().await.as_bytes())
    }

    /// The next chunk of a chunked body; empty at its end.
    pub(crate) async fn chunk(&mut self) -> Vec<u8> {
        let chunk = soon("a chunk", read_chunk(&mut self.stream, &mut self.buffer)).await;
        chunk.expect("closed before a chunk")
    }

    /// The next `count` bytes.
    pub(crate) async fn exactly(&mut self, count: usize) -> Vec<u8> {
        let bytes = soon("bytes", read_exactly(&mut self.stream, &mut self.buffer, count)).await;
        bytes.expect("closed too early")
    }

    /// Waits until the other end closes; returns what came before.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let reading = async { while fill(&mut self.stream, &mut self.buffer).await {} };
        soon("the end of the connection", reading).await;
        std::mem::take(&mut self.buffer)
    }

    /// Waits until the other end closes, and nothing may come before.
    pub(crate) async fn closed(&mut self) {
        let rest = self.rest().await;
        assert!(rest.is_empty(), "more than expected: {}", String::from_utf8_lossy(&rest));
    }
}

/// Sends bytes on a connection of their own and reads one final response, also while the other
/// end does not take all of them.
pub(crate) async fn exchange(addr: SocketAddr, bytes: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(addr).await.expect("nobody listens");
    let (mut reader, mut writer) = stream.split();
    let mut buffer = Vec::new();
    let to_head = bytes.starts_with(b"HEAD ");
    let reading = async {
        loop {
            let reply = read_reply(&mut reader, &mut buffer, to_head).await;
            if !(100..200).contains(&reply.status) || reply.status == 101 {
                return reply;
            }
        }
    };
    let writing = async {
        writer.write_all(bytes).await.ok();
        std::future::pending::<()>().await;
    };
    let both = async {
        tokio::select! {
            reply = reading => reply,
            () = writing => Reply::default(),
        }
    };
    soon("a response", both).await
}

async fn read_reply(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    to_head: bool,
) -> Reply {
    let Some(head) = read_head(stream, buffer).await else {
        return Reply::default();
    };
    let mut reply = Reply::parse(&head);
    if to_head || reply.status < 200 || matches!(reply.status, 204 | 304) {
        reply.complete = true;
    } else if !reply.all("transfer-encoding").is_empty() {
        assert_eq!(reply.one("transfer-encoding"), "chunked");
        while let Some(chunk) = read_chunk(stream, buffer).await {
            if chunk.is_empty() {
                reply.complete = true;
                break;
            }
            reply.body.extend(chunk);
        }
    } else if let [length] = reply.all("content-length").as_slice() {
        let length: usize = length.parse().expect("no length");
        while buffer.len() < length && fill(stream, buffer).await {}
        reply.complete = buffer.len() >= length;
        reply.body = buffer.drain(..length.min(buffer.len())).collect();
    } else {
        while fill(stream, buffer).await {}
        reply.body = std::mem::take(buffer);
        reply.complete = true;
    }
    reply
}

/// `None` if the connection is closed before the whole of it.
pub(super) async fn read_head(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
) -> Option<Vec<u8>> {
    loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            return Some(buffer.drain(..at + 4).collect());
        }
        if !fill(stream, buffer).await {
            return None;
        }
    }
}

/// One chunk, with nothing in its framing that need not be there.
pub(super) async fn read_chunk(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
) -> Option<Vec<u8>> {
    let line = loop {
        if let Some(at) = buffer.windows(2).position(|two| two == b"\r\n") {
            break buffer.drain(..at + 2).collect::<Vec<u8>>();
        }
        if !fill(stream, buffer).await {
            return None;
        }
    };
    let size = std::str::from_utf8(&line[..line.len() - 2]).expect("a chunk size is text");
    assert!(size.bytes().all(|byte| byte.is_ascii_hexdigit()), "a chunk size of {size:?}");
    let size = usize::from_str_radix(size, 16).expect("a chunk size is a number");
    let mut chunk = read_exactly(stream, buffer, size + 2).await?;
    assert_eq!(chunk.split_off(size), b"\r\n", "a chunk longer than it says, or a trailer");
    Some(chunk)
}

pub(super) async fn read_exactly(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    count: usize,
) -> Option<Vec<u8>> {
    while buffer.len() < count {
        if !fill(stream, buffer).await {
            return None;
        }
    }
    Some(buffer.drain(..count).collect())
}

/// Reads what there is; `false` at the end, also a rude one.
async fn fill(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> bool {
    stream.read_buf(buffer).await.is_ok_and(|count| count > 0)
}
