//! A request head, line by line (RFC 9112 sections 2 to 6).

use super::scan;
use super::{Bounds, Violation};

/// Empty lines that may come before a request line: some clients end a body with one.
const BLANK: u8 = 2;
/// Longest target and longest field name: the `http` crate has 16 bits for either.
const LONGEST: usize = u16::MAX as usize - 1;

/// How long a body is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Length {
    Sized(u64),
    Chunked,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Version {
    Http10,
    Http11,
}

/// A head that is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole {
    /// Its bytes, with its last line end.
    pub(super) bytes: usize,
    pub(super) length: Length,
    /// Whether it asks for another protocol.
    pub(super) upgrade: bool,
}

/// A head as far as it was walked.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    /// Where the current line begins.
    line: usize,
    /// How much of the current line has no end in it.
    scanned: usize,
    blank: u8,
    /// Once there was a request line.
    version: Option<Version>,
    fields: usize,
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
}

impl Head {
    /// Walks on. `bytes` always begins where the head does.
    pub(super) fn walk(
        &mut self,
        bytes: &[u8],
        bounds: &Bounds,
    ) -> Result<Option<Whole>, Violation> {
        // What lies beyond the limit is never looked at, so that the verdict does not depend on
        // how the bytes came.
        let window = bytes.get(..bounds.head).unwrap_or(bytes);
        loop {
            let rest = window.get(self.line..).unwrap_or_default();
            let Some(line) = self.next_line(rest)? else {
                let full = window.len() >= bounds.head;
                return if full { Err(Violation::HeadTooLarge) } else { Ok(None) };
            };
            self.line += line.len() + 2;
            self.scanned = 0;
            if self.version.is_none() {
                self.begin(line)?;
            } else if line.is_empty() {
                return self.end().map(Some);
            } else {
                self.field(line, bounds)?;
            }
        }
    }

    /// The line that `rest` begins with, without its end, if it has one already.
    fn next_line<'a>(&mut self, rest: &'a [u8]) -> Result<Option<&'a [u8]>, Violation> {
        loop {
            let fresh = rest.get(self.scanned..).unwrap_or_default();
            let Some(found) = scan::control(fresh) else {
                self.scanned = rest.len();
                return Ok(None);
            };
            let at = self.scanned + found;
            match (rest.get(at), rest.get(at + 1)) {
                (Some(b'\t'), _) => self.scanned = at + 1,
                (Some(b'\r'), Some(b'\n')) => return Ok(rest.get(..at)),
                (Some(b'\r'), None) => {
                    self.scanned = at;
                    return Ok(None);
                }
                (Some(b'\r' | b'\n'), _) => return Err(Violation::LineEnd),
                _ => return Err(Violation::Control),
            }
        }
    }

    /// The request line, or an empty one before it.
    fn begin(&mut self, line: &[u8]) -> Result<(), Violation> {
        if line.is_empty() {
            self.blank += 1;
            return if self.blank > BLANK { Err(Violation::RequestLine) } else { Ok(()) };
        }
        let method = scan::token(line);
        let rest = line.get(method..).unwrap_or_default();
        let [b' ', rest @ ..] = rest else { return Err(Violation::RequestLine) };
        if method == 0 {
            return Err(Violation::RequestLine);
        }
        let plain = scan::target(rest);
        let (target, rest) = match rest.split_at_checked(plain) {
            Some((target @ [b'/', ..], [b' ', rest @ ..])) => (target, rest),
            _ => odd_target(rest, line.starts_with(b"CONNECT "))?,
        };
        if target.len() > LONGEST {
            return Err(Violation::TargetTooLong);
        }
        self.version = Some(match rest {
            b"HTTP/1.1" => Version::Http11,
            b"HTTP/1.0" => Version::Http10,
            _ if rest.contains(&b' ') => return Err(Violation::RequestLine),
            _ => return Err(Violation::Version),
        });
        Ok(())
    }

    fn field(&mut self, line: &[u8], bounds: &Bounds) -> Result<(), Violation> {
        self.fields += 1;
        if self.fields > bounds.fields {
            return Err(Violation::TooManyFields);
        }
        let length = scan::token(line);
        let Some((name, rest)) = line.split_at_checked(length) else {
            return Err(Violation::FieldName);
        };
        match (name, rest) {
            ([_, ..], [b':', value @ ..]) if length <= LONGEST => self.note(name, value),
            ([], [b' ' | b'\t', ..]) => Err(Violation::Folded),
            _ => Err(Violation::FieldName),
        }
    }

    /// Keeps what decides about the length.
    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), Violation> {
        match name.len() {
            7 if name.eq_ignore_ascii_case(b"upgrade") => self.upgrade = true,
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let length = number(trim(value)).ok_or(Violation::ContentLength)?;
                if self.length.replace(length).is_some() {
                    return Err(Violation::ContentLength);
                }
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                let known = trim(value).eq_ignore_ascii_case(b"chunked");
                if !known || self.chunked || self.version == Some(Version::Http10) {
                    return Err(Violation::TransferEncoding);
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&self) -> Result<Whole, Violation> {
        let length = match (self.length, self.chunked) {
            (Some(_), true) => return Err(Violation::TwoLengths),
            (None, true) => Length::Chunked,
            (length, false) => Length::Sized(length.unwrap_or(0)),
        };
        Ok(Whole { bytes: self.line, length, upgrade: self.upgrade })
    }
}

/// A target in another form than the usual, or with bytes in it that few have: the parser that
/// reads it later has to be asked. A fragment it would cut off.
#[cold]
fn odd_target(rest: &[u8], connect: bool) -> Result<(&[u8], &[u8]), Violation> {
    let space = rest.iter().position(|byte| *byte == b' ').ok_or(Violation::RequestLine)?;
    let (target, rest) = rest.split_at_checked(space).ok_or(Violation::RequestLine)?;
    if target.is_empty() {
        return Err(Violation::RequestLine);
    }
    if target.len() > LONGEST {
        return Err(Violation::TargetTooLong);
    }
    let uri = http::Uri::try_from(target).map_err(|_| Violation::Target)?;
    // Origin, asterisk, absolute and authority form (RFC 9112 section 3.2).
    let known = match target {
        [b'/', ..] | b"*" => true,
        _ => {
            uri.scheme_str().is_some_and(|scheme| !scheme.is_empty())
                || (connect && uri.authority().is_some())
        }
    };
    if !known || target.contains(&b'#') {
        return Err(Violation::Target);
    }
    Ok((target, rest.get(1..).unwrap_or_default()))
}

/// Without the white space around it (RFC 9110 section 5.5).
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Digits alone (RFC 9110 section 8.6), and no more than a signed reader holds.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    let number = digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })?;
    i64::try_from(number).is_ok().then_some(number)
}
