//! The head of a response, and how its body ends.

use bytes::BytesMut;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::Framing;
use crate::web::{Chunks, lists};

/// Most bytes of a head, with all interim ones before it.
const MOST: usize = 64 * 1024;
/// Most fields of a head.
const FIELDS: usize = 128;

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
    /// The next final head in `inbox`, which loses it; `None` if it is not whole yet. `to_head`
    /// says that it answers `HEAD`.
    pub(super) fn parse(inbox: &mut BytesMut, to_head: bool) -> Result<Option<Self>, Malformed> {
        let mut passed = 0;
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
            passed += length;
            if passed > MOST {
                return Err(Malformed::TooLarge);
            }
        }
    }
}

/// Fields and their status, before anybody asks what they mean.
struct Fields {
    status: StatusCode,
    is_old: bool,
    headers: HeaderMap,
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
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    match response.parse(&head) {
        Ok(httparse::Status::Complete(read)) if read == length => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Malformed::TooLarge),
        _ => return Err(Malformed::Syntax),
    }
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(Malformed::Syntax)?;
    let mut headers = HeaderMap::with_capacity(response.headers.len());
    for field in &*response.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let value = HeaderValue::from_maybe_shared(head.slice_ref(field.value));
        let (Ok(name), Ok(value)) = (name, value) else { return Err(Malformed::Syntax) };
        headers.append(name, value);
    }
    Ok(Some((Fields { status, is_old: response.version == Some(0), headers }, length)))
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
    fn finish(self, to_head: bool) -> Result<Head, Malformed> {
        let Self { status, is_old, headers } = self;
        let framing = framing(status, is_old, &headers, to_head)?;
        let is_last = is_old
            || matches!(framing, Framing::Close)
            || lists(&headers, &header::CONNECTION, &["close"])
            // One of the two is a lie.
            || (headers.contains_key(header::TRANSFER_ENCODING)
                && headers.contains_key(header::CONTENT_LENGTH));
        Ok(Head { status, headers, framing, is_last })
    }
}

/// RFC 9112 section 6.3.
fn framing(
    status: StatusCode,
    is_old: bool,
    headers: &HeaderMap,
    to_head: bool,
) -> Result<Framing, Malformed> {
    let length = length(headers)?;
    let is_chunked = is_chunked(headers)?;
    if to_head || matches!(status.as_u16(), 101 | 204 | 304) {
        return Ok(Framing::Over);
    }
    match (is_chunked, length) {
        // Nobody of that time would have taken the chunks off.
        (true, _) if is_old => Err(Malformed::Coding),
        (true, _) => Ok(Framing::Chunked(Chunks::default())),
        (false, Some(0)) => Ok(Framing::Over),
        (false, Some(length)) => Ok(Framing::Length(length)),
        (false, None) => Ok(Framing::Close),
    }
}

fn is_chunked(headers: &HeaderMap) -> Result<bool, Malformed> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return Ok(false) };
    // What is left under another one nobody here could take off.
    let plain = coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
    if plain { Ok(true) } else { Err(Malformed::Coding) }
}

/// The length that all fields agree upon.
fn length(headers: &HeaderMap) -> Result<Option<u64>, Malformed> {
    let mut agreed = None;
    for value in headers.get_all(header::CONTENT_LENGTH) {
        let text = value.to_str().map_err(|_| Malformed::Length)?;
        for one in text.split(',') {
            let digits = one.trim_matches([' ', '\t']);
            if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(Malformed::Length);
            }
            let length = digits.parse().map_err(|_| Malformed::Length)?;
            if agreed.replace(length).is_some_and(|before: u64| before != length) {
                return Err(Malformed::Length);
            }
        }
    }
    Ok(agreed)
}
