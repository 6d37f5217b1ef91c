//! HTTP/2 by hand: frames of any kind, and heads of fields that no client library would send.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::soon;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0x0;
pub(crate) const HEADERS: u8 = 0x1;
pub(crate) const PRIORITY: u8 = 0x2;
pub(crate) const RST_STREAM: u8 = 0x3;
pub(crate) const SETTINGS: u8 = 0x4;
pub(crate) const PING: u8 = 0x6;
pub(crate) const GOAWAY: u8 = 0x7;
pub(crate) const WINDOW_UPDATE: u8 = 0x8;
pub(crate) const CONTINUATION: u8 = 0x9;

pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const ACK: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;
pub(crate) const PADDED: u8 = 0x8;

/// A frame that came.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// What became of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// A status and a body.
    Answer(u16, Vec<u8>),
    /// The stream was reset, with that error.
    Reset(u32),
    /// The connection was closed.
    Closed,
}

impl Outcome {
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Answer(status, _) => Some(*status),
            Self::Reset(_) | Self::Closed => None,
        }
    }
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A head as HPACK has it, every field literal and none indexed (RFC 7541 section 6.2.2).
pub(crate) fn head(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            string(&mut block, text.as_bytes());
        }
    }
    block
}

fn string(block: &mut Vec<u8>, text: &[u8]) {
    if text.len() < 127 {
        block.push(u8::try_from(text.len()).unwrap());
    } else {
        block.push(127);
        let mut rest = text.len() - 127;
        while rest >= 128 {
            block.push(u8::try_from(rest % 128).unwrap() | 128);
            rest /= 128;
        }
        block.push(u8::try_from(rest).unwrap());
    }
    block.extend_from_slice(text);
}

/// The head of a GET.
pub(crate) fn get(path: &str) -> Vec<(&str, &str)> {
    vec![(":method", "GET"), (":scheme", "http"), (":authority", "a.test"), (":path", path)]
}

/// A connection of raw frames.
pub(crate) struct H2Conn<S = TcpStream> {
    pub(crate) stream: S,
    buffer: Vec<u8>,
    next: u32,
}

impl H2Conn {
    /// Connects, with the preface and empty settings.
    pub(crate) async fn open(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.expect("nobody listens");
        stream.set_nodelay(true).expect("no TCP_NODELAY");
        Self::with(stream, &[]).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> H2Conn<S> {
    /// Over a stream on which the preface was sent.
    pub(crate) const fn over(stream: S) -> Self {
        Self { stream, buffer: Vec::new(), next: 1 }
    }

    /// Over that stream, with these settings.
    pub(crate) async fn with(stream: S, settings: &[(u16, u32)]) -> Self {
        let mut conn = Self::over(stream);
        let mut payload = Vec::new();
        // No dynamic table, so that `status_of` need not follow it.
        for (name, value) in [(1, 0)].iter().chain(settings) {
            payload.extend(name.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        conn.write([PREFACE.to_vec(), frame(SETTINGS, 0, 0, &payload)].concat()).await;
        conn
    }

    /// Writes; a connection that is closed swallows it.
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let writing = async { self.stream.write_all(bytes.as_ref()).await.is_ok() };
        let written = soon("somebody who reads", writing).await;
        written && soon("a flush", self.stream.flush()).await.is_ok()
    }

    pub(crate) async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        self.write(frame(kind, flags, stream, payload)).await
    }

    /// Opens a stream with that head; returns its number.
    pub(crate) async fn request(&mut self, fields: &[(&str, &str)], flags: u8) -> u32 {
        let stream = self.next;
        self.next += 2;
        self.send(HEADERS, END_HEADERS | flags, stream, &head(fields)).await;
        stream
    }

    /// The next frame; settings and pings are answered on the way. `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let frame = self.raw().await?;
        if matches!(frame.kind, SETTINGS | PING) && frame.flags & ACK == 0 {
            let payload = if frame.kind == PING { &frame.payload[..] } else { &[] };
            let payload = payload.to_vec();
            self.send(frame.kind, ACK, 0, &payload).await;
        }
        Some(frame)
    }

    /// The next frame, whatever it is.
    pub(crate) async fn raw(&mut self) -> Option<Frame> {
        soon("a frame", async {
            while self.buffer.len() < 9 {
                self.fill().await?;
            }
            let length = u32::from_be_bytes([0, self.buffer[0], self.buffer[1], self.buffer[2]]);
            let whole = 9 + length as usize;
            while self.buffer.len() < whole {
                self.fill().await?;
            }
            let bytes: Vec<u8> = self.buffer.drain(..whole).collect();
            let stream = u32::from_be_bytes(bytes[5..9].try_into().unwrap());
            Some(Frame { kind: bytes[3], flags: bytes[4], stream, payload: bytes[9..].to_vec() })
        })
        .await
    }

    async fn fill(&mut self) -> Option<()> {
        let read = self.stream.read_buf(&mut self.buffer).await.ok()?;
        (read > 0).then_some(())
    }

    /// What becomes of a stream.
    pub(crate) async fn outcome(&mut self, stream: u32) -> Outcome {
        let (mut status, mut body) = (None, Vec::new());
        while let Some(frame) = self.next().await {
            if frame.stream != stream {
                continue;
            }
            match frame.kind {
                HEADERS if status.is_none() => status = Some(status_of(&frame.payload)),
                DATA => body.extend(frame.payload),
                RST_STREAM if status.is_none() => {
                    return Outcome::Reset(u32::from_be_bytes(frame.payload.try_into().unwrap()));
                }
                _ => {}
            }
            if matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM != 0 {
                return Outcome::Answer(status.expect("a body without a head"), body);
            }
        }
        Outcome::Closed
    }

    /// The next frame of a stream. `None` at the end of the connection.
    pub(crate) async fn next_of(&mut self, stream: u32) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.stream == stream {
                return Some(frame);
            }
        }
    }

    /// The status of a stream's response, of which no more is read.
    pub(crate) async fn status(&mut self, stream: u32) -> u16 {
        let frame = self.next_of(stream).await.expect("closed before a head");
        assert_eq!(frame.kind, HEADERS, "no head: {frame:?}");
        status_of(&frame.payload)
    }

    /// The next bytes of a stream, so many.
    pub(crate) async fn data(&mut self, stream: u32, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            let frame = self.next_of(stream).await.expect("closed before its data");
            assert_eq!(frame.kind, DATA, "no data: {frame:?}");
            bytes.extend(frame.payload);
        }
        assert_eq!(bytes.len(), count, "more than expected");
        bytes
    }

    /// A request without a body, and what becomes of it.
    pub(crate) async fn ask(&mut self, fields: &[(&str, &str)]) -> Outcome {
        let stream = self.request(fields, END_STREAM).await;
        self.outcome(stream).await
    }

    /// Reads until the other end closes; the frames before that.
    pub(crate) async fn rest(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            frames.push(frame);
        }
        frames
    }
}

/// The status of a response's head: the first field, indexed (RFC 7541 appendix A) or, of
/// another number, literal with an indexed name.
fn status_of(block: &[u8]) -> u16 {
    // The size of the dynamic table, as asked for.
    let block = block.strip_prefix(&[0x20]).unwrap_or(block);
    match block[0] {
        0x88 => 200,
        0x89 => 204,
        0x8a => 206,
        0x8b => 304,
        0x8c => 400,
        0x8d => 404,
        0x8e => 500,
        // The name is that of entry 8; the value three digits, by Huffman's code or plain.
        0x48 | 0x08 if block[1] & 0x80 == 0 => {
            std::str::from_utf8(&block[2..5]).unwrap().parse().unwrap()
        }
        0x48 | 0x08 => {
            let length = usize::from(block[1] & 0x7f);
            digits(&block[2..2 + length])
        }
        other => panic!("no status begins with {other:#x}"),
    }
}

/// Digits by the code of RFC 7541 appendix B: 0 to 2 have five bits, the others six.
fn digits(bytes: &[u8]) -> u16 {
    let bits: Vec<u8> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)).collect();
    let (mut at, mut number) = (0, 0);
    for _ in 0..3 {
        let five = bits[at..at + 5].iter().fold(0, |sum, bit| sum << 1 | bit);
        if five < 3 {
            number = number * 10 + u16::from(five);
            at += 5;
        } else {
            let six = five << 1 | bits[at + 5];
            number = number * 10 + u16::from(six - 0x19 + 3);
            at += 6;
        }
    }
    number
}
