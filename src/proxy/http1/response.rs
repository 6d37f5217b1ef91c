//! The head of a response, and how its body ends.

use std::mem::MaybeUninit;

use bytes::BytesMut;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::Framing;
use crate::web::Chunks;

/// Most bytes of a head.
const MOST: usize = 64 * 1024;
/// Most bytes of all interim ones before it.
const INTERIM: usize = 256 * 1024;
/// Most fields of a head.
const FIELDS: usize = 128;

/// Fields that the gateway adds to a response in the ordinary case: room for them saves moving all.
const OURS: usize = 4;

/// The head of a final response.
#[derive(Debug)]
pub(in crate::proxy) struct Head {
    pub(in crate::proxy) status: StatusCode,
    pub(in crate::proxy) headers: HeaderMap,
    pub(in crate::proxy) framing: Framing,
    /// The server closes the connection after it (RFC 9112 section 9.3).
    pub(in crate::proxy) is_last: bool,
}

/// What an upstream sent instead of a response head.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(in crate::proxy) enum Malformed {
    #[error("no HTTP/1 response head")]
    Syntax,
    #[error("response head over 64 KiB or 128 fields")]
    TooLarge,
    #[error("content length that is no number, or several that differ")]
    Length,
    #[error("transfer coding other than chunked")]
    Coding,
}

impl Head {
    /// The next final head in `inbox`, which loses it; `None` if it is not whole yet. `interim`
    /// counts the bytes of those that are passed over; `to_head` says that it answers `HEAD`.
    pub(super) fn parse(
        inbox: &mut BytesMut,
        interim: &mut usize,
        to_head: bool,
    ) -> Result<Option<Self>, Malformed> {
        loop {
            if inbox.is_empty() {
                return Ok(None);
            }
            let Some((head, length)) = parse_one(inbox)? else {
                return if inbox.len() < MOST { Ok(None) } else { Err(Malformed::TooLarge) };
            };
            let status = head.status;
            if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
                return head.finish(to_head).map(Some);
            }
            *interim += length;
            if *interim > INTERIM {
                return Err(Malformed::TooLarge);
            }
        }
    }
}

/// Fields and their status, and what the fields say about the message. To note it as they come
/// is cheaper than to look for it afterwards.
struct Fields {
    status: StatusCode,
    /// `HTTP/1.0`
    is_old: bool,
    headers: HeaderMap,
    length: Option<u64>,
    /// How often that was said.
    lengths: usize,
    is_chunked: bool,
    closes: bool,
}

/// One head, interim or final, with its length.
fn parse_one(inbox: &mut BytesMut) -> Result<Option<(Fields, usize)>, Malformed> {
    const BEGINNING: &[u8] = b"HTTP/1.";
    let begun = inbox.len().min(BEGINNING.len());
    if inbox.get(..begun) != BEGINNING.get(..begun) {
        return Err(Malformed::Syntax);
    }
    let Some(length) = length_of(inbox)? else { return Ok(None) };
    let head = inbox.split_to(length).freeze();
    // To write over 4 KiB for every response would cost more than to read it does.
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let parser = httparse::ParserConfig::default();
    match parser.parse_response_with_uninit_headers(&mut response, &head, &mut fields) {
        Ok(httparse::Status::Complete(read)) if read == length => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Malformed::TooLarge),
        _ => return Err(Malformed::Syntax),
    }
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(Malformed::Syntax)?;
    let is_old = response.version == Some(0);
    let headers = HeaderMap::with_capacity(response.headers.len() + OURS);
    let mut read = Fields {
        status,
        is_old,
        headers,
        length: None,
        lengths: 0,
        is_chunked: false,
        closes: false,
    };
    for field in &*response.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let value = HeaderValue::from_maybe_shared(head.slice_ref(field.value));
        let (Ok(name), Ok(value)) = (name, value) else { return Err(Malformed::Syntax) };
        read.note(&name, &value)?;
        read.headers.append(name, value);
    }
    Ok(Some((read, length)))
}

/// The length of the head at the beginning of `inbox`, with the empty line at its end.
fn length_of(inbox: &[u8]) -> Result<Option<usize>, Malformed> {
    for at in memchr::memchr_iter(b'\n', inbox) {
        match inbox.get(..at) {
            Some(before) if before.ends_with(b"\r\n\r") => return Ok(Some(at + 1)),
            // An empty line all the same, and to nobody else.
            Some(before) if before.ends_with(b"\n") => return Err(Malformed::Syntax),
            _ => {}
        }
    }
    Ok(None)
}

impl Fields {
    fn note(&mut self, name: &HeaderName, value: &HeaderValue) -> Result<(), Malformed> {
        if name == header::CONTENT_LENGTH {
            let length = length(value).ok_or(Malformed::Length)?;
            if self.length.replace(length).is_some_and(|before| before != length) {
                return Err(Malformed::Length);
            }
            self.lengths += value.as_bytes().split(|byte| *byte == b',').count();
        } else if name == header::TRANSFER_ENCODING {
            // What is left under another one nobody here could take off.
            let is_plain = value.as_bytes().eq_ignore_ascii_case(b"chunked");
            if !is_plain || std::mem::replace(&mut self.is_chunked, true) {
                return Err(Malformed::Coding);
            }
        } else if name == header::CONNECTION {
            let mut options = value.as_bytes().split(|byte| *byte == b',');
            self.closes |= options.any(|one| one.trim_ascii().eq_ignore_ascii_case(b"close"));
        }
        Ok(())
    }

    fn finish(mut self, to_head: bool) -> Result<Head, Malformed> {
        let framing = self.framing(to_head)?;
        if let Some(length) = self.length.filter(|_| self.lengths > 1) {
            self.headers.insert(header::CONTENT_LENGTH, length.into());
        }
        // Of a length beside a coding, one is a lie; and of a body where there can be none, what
        // comes of it would be taken for the next response.
        let announced = self.is_chunked || self.length.is_some_and(|length| length > 0);
        let is_doubtful = self.is_chunked && self.length.is_some()
            || self.status == StatusCode::NO_CONTENT && announced;
        let ends = matches!(framing, Framing::Close);
        let is_last = self.is_old || self.closes || is_doubtful || ends;
        Ok(Head { status: self.status, headers: self.headers, framing, is_last })
    }

    /// RFC 9112 section 6.3.
    fn framing(&self, to_head: bool) -> Result<Framing, Malformed> {
        if to_head || matches!(self.status.as_u16(), 101 | 204 | 304) {
            return Ok(Framing::Over);
        }
        match (self.is_chunked, self.length) {
            // Nobody of that time would have taken the chunks off.
            (true, _) if self.is_old => Err(Malformed::Coding),
            (true, _) => Ok(Framing::Chunked(Chunks::default())),
            (false, Some(0)) => Ok(Framing::Over),
            (false, Some(length)) => Ok(Framing::Length(length)),
            (false, None) => Ok(Framing::Close),
        }
    }
}

/// A length, perhaps said more than once (RFC 9110 section 8.6).
fn length(value: &HeaderValue) -> Option<u64> {
    let mut agreed = None;
    for one in value.as_bytes().split(|byte| *byte == b',') {
        let digits = one.trim_ascii();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let length = std::str::from_utf8(digits).ok()?.parse().ok()?;
        if agreed.replace(length).is_some_and(|before: u64| before != length) {
            return None;
        }
    }
    agreed
}

#[cfg(test)]
mod tests;
