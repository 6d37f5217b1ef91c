//! The one path that is matched and forwarded.

use std::borrow::Cow;
use std::fmt;

use super::readings::{self, Reading, Scope};

/// A path in canonical form (RFC 3986 section 6.2.2): unreserved escapes decoded, the others
/// upper-cased, dot segments resolved.
///
/// No server that decodes it again, any number of times, finds a dot segment, a NUL or an
/// overlong escape in it. What other readings it has, [`all_readings`](Self::all_readings)
/// tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CanonicalPath<'a> {
    text: Cow<'a, str>,
    /// Whether there is any other reading at all.
    odd: bool,
}

/// Why a path is refused with 400.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PathError {
    /// It does not begin with `/`.
    #[error("path without a leading slash")]
    Relative,
    /// A control byte, space, `#`, `?`, `\` or non-ASCII byte, which a path may only have
    /// escaped (RFC 3986 section 3.3).
    #[error("raw byte that a path cannot have")]
    Byte,
    /// A `%` without two hex digits behind it.
    #[error("invalid escape")]
    Escape,
    /// An escaped NUL, where some servers end the path.
    #[error("escaped NUL")]
    Nul,
    /// An escape that lenient decoders take for another character (RFC 3629 section 3).
    #[error("overlong UTF-8")]
    Overlong,
    /// A `..` that climbs above the root, or over an empty segment that some servers drop.
    #[error("dot segment with nothing below it")]
    Climbs,
    /// A segment that a sloppier server takes for `.` or `..`.
    #[error("hidden dot segment")]
    DotSegment,
    /// Escapes nested too deep, or too many kinds of ambiguity at once, to look at each reading.
    #[error("too many readings")]
    TooManyReadings,
}

impl<'a> CanonicalPath<'a> {
    /// Reads the path of a request target, without its query. A path that is canonical already
    /// is borrowed.
    ///
    /// Printable characters that RFC 3986 does not allow in a path and browsers send
    /// nevertheless (`|`, `[`, `{`, ...) become escapes.
    ///
    /// ```
    /// use portcullis::rooms::web::CanonicalPath;
    ///
    /// assert_eq!(CanonicalPath::parse("/%7Eann/./a%2fb")?.as_str(), "/~ann/a%2Fb");
    /// assert!(CanonicalPath::parse("/public/..%2Fadmin").is_err());
    /// # Ok::<(), portcullis::rooms::web::PathError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A [`PathError`]: answer 400, and forward nothing.
    pub fn parse(raw: &'a str) -> Result<Self, PathError> {
        if !raw.starts_with('/') {
            return Err(PathError::Relative);
        }
        let text = match scan(raw)? {
            Scan::Plain => return Ok(Self { text: Cow::Borrowed(raw), odd: false }),
            Scan::Canonical => Cow::Borrowed(raw),
            Scan::Rewrite => {
                let text = normalize_escapes(raw)?;
                // Also in segments that a `..` takes away: such bytes are never innocent.
                readings::refuse_bytes(text.as_bytes())?;
                let text = resolve_dots(&text)?;
                if text == raw { Cow::Borrowed(raw) } else { Cow::Owned(text) }
            }
        };
        readings::refuse_hidden(text.as_bytes())?;
        let odd = !matches!(scan(&text)?, Scan::Plain);
        Ok(Self { text, odd })
    }

    /// The path that is matched and forwarded.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same path, free of the request that it came from.
    pub fn into_owned(self) -> CanonicalPath<'static> {
        CanonicalPath { text: Cow::Owned(self.text.into_owned()), odd: self.odd }
    }

    /// Whether `holds` is true of every other reading of this path: the path as servers see it
    /// that decode more than they should, merge slashes, cut parameters, ignore case or trailing
    /// dots and spaces, in any combination. Stops at the first reading of which it is not.
    ///
    /// Costs nothing for a path without other readings, if only those whose text is
    /// [`Different`](Scope::Different) are asked for.
    pub fn all_readings(&self, scope: Scope, holds: impl FnMut(Reading<'_>) -> bool) -> bool {
        let plain = !self.odd && scope == Scope::Different;
        plain || readings::all(self.text.as_bytes(), scope, holds)
    }
}

impl fmt::Display for CanonicalPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What one look at a path tells.
enum Scan {
    /// It is canonical, and has no other reading.
    Plain,
    /// It is canonical.
    Canonical,
    /// It may not be canonical.
    Rewrite,
}

fn scan(text: &str) -> Result<Scan, PathError> {
    let (mut rewrite, mut odd, mut previous) = (false, false, 0);
    for byte in text.bytes() {
        match byte {
            b'/' => {
                odd |= previous == b'/';
                rewrite |= previous == b'.';
            }
            b'A'..=b'Z' | b';' => odd = true,
            _ if is_pchar(byte) => {}
            // `%` as well: what it escapes may not need it.
            _ if byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'?' | b'#') => rewrite = true,
            _ => return Err(PathError::Byte),
        }
        previous = byte;
    }
    if previous == b'.' {
        rewrite = true;
    }
    Ok(match (rewrite, odd) {
        (true, _) => Scan::Rewrite,
        (false, true) => Scan::Canonical,
        (false, false) => Scan::Plain,
    })
}

/// A character that stands for itself in a segment: `pchar` of RFC 3986 section 3.3 without
/// its escapes.
fn is_pchar(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',')
        || matches!(byte, b';' | b'=' | b':' | b'@')
}

/// RFC 3986 section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn normalize_escapes(raw: &str) -> Result<String, PathError> {
    let mut text = String::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let escaped = bytes.next().zip(bytes.next()).and_then(|(high, low)| unhex(high, low));
            let escaped = escaped.ok_or(PathError::Escape)?;
            if is_unreserved(escaped) {
                text.push(char::from(escaped));
            } else {
                push_escape(&mut text, escaped);
            }
        } else if byte == b'/' || is_pchar(byte) {
            text.push(char::from(byte));
        } else {
            push_escape(&mut text, byte);
        }
    }
    Ok(text)
}

/// The byte that two hex digits of an escape stand for.
pub(super) fn unhex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

fn push_escape(text: &mut String, byte: u8) {
    text.push('%');
    for nibble in [byte >> 4, byte & 15] {
        text.extend(
            char::from_digit(u32::from(nibble), 16).map(|digit| digit.to_ascii_uppercase()),
        );
    }
}

/// RFC 3986 section 5.2.4, but that nothing above the root is reached in silence.
fn resolve_dots(text: &str) -> Result<String, PathError> {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = text.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            // Whoever merges slashes first goes up one segment more.
            ".." if kept.pop().is_none_or(str::is_empty) => return Err(PathError::Climbs),
            "." | ".." => {}
            _ => {
                kept.push(segment);
                continue;
            }
        }
        if segments.peek().is_none() {
            kept.push("");
        }
    }
    Ok(format!("/{}", kept.join("/")))
}

#[cfg(test)]
mod tests;
