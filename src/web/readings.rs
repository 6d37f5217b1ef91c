//! The split view: a canonical path as sloppier servers read it.

use super::path::{PathError, unhex};

/// One other reading of a path.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// The path, beginning with `/`; any bytes if it is decoded.
    pub bytes: &'a [u8],
    /// What a pattern has to go through before it can be compared with it.
    pub form: Form,
}

/// How a reading treats escapes and case. A pattern is compared in the form of the reading.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// Canonical, as [`CanonicalPath`](super::CanonicalPath) has it.
    Canonical,
    /// Canonical, and case does not matter.
    Folded,
    /// Escapes decoded at least once.
    Decoded,
    /// Escapes decoded at least once, and case does not matter.
    DecodedFolded,
}

/// Which readings to look at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// Those whose text differs from the canonical path: enough for patterns that are the same
    /// in every [`Form`].
    Different,
    /// Those with the same text in another form too: `/admin` is what `/Admin` means to a
    /// server that ignores case.
    All,
}

impl Form {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Canonical, Self::Folded, Self::Decoded, Self::DecodedFolded];

    /// Brings canonical text into this form.
    pub fn of(self, canonical: &str) -> Vec<u8> {
        let mut bytes = canonical.as_bytes().to_vec();
        if matches!(self, Self::Decoded | Self::DecodedFolded) {
            bytes = decode(&bytes).unwrap_or(bytes);
        }
        if matches!(self, Self::Folded | Self::DecodedFolded) {
            fold(&mut bytes);
        }
        bytes
    }

    const fn new(decoded: bool, folded: bool) -> Self {
        match (decoded, folded) {
            (false, false) => Self::Canonical,
            (false, true) => Self::Folded,
            (true, false) => Self::Decoded,
            (true, true) => Self::DecodedFolded,
        }
    }
}

/// What a sloppy server may do to a path, as bits: each is done or not, whatever the others.
const BACKSLASH: u8 = 1; // `\` becomes `/`
const QUERY: u8 = 2; // `?` and `#`, once decoded, end the path
const PARAMS: u8 = 4; // `;params` are cut off each segment
const TRIM: u8 = 8; // dots and spaces at the end of a segment are cut
const MERGE: u8 = 16; // `//` becomes `/`
const FOLD: u8 = 32; // case does not matter
const AUTHORITY: u8 = 64; // `//name` names a host, and the path begins behind it

/// How often a path may be decoded until nothing is left to decode. Two is what a URL within
/// a path takes; a limit is needed because each level is looked at.
const DECODINGS: usize = 3;

/// How many of the bits may change one path, beside [`AUTHORITY`]: it has two to the power of this many
/// readings a level, and twice as many where it begins with two slashes.
const KINDS: u32 = 4;

/// Refuses the bytes that no reading may have.
pub(super) fn refuse_bytes(text: &[u8]) -> Result<(), PathError> {
    each_level(text, |level| {
        if level.contains(&0) {
            return Err(PathError::Nul);
        }
        if has_overlong(level) { Err(PathError::Overlong) } else { Ok(()) }
    })
}

/// Refuses a canonical path in which a server may find dot segments, or that has more readings
/// than [`all`] can look at.
pub(super) fn refuse_hidden(canonical: &[u8]) -> Result<(), PathError> {
    each_level(canonical, |level| {
        if level.split(|byte| matches!(byte, b'/' | b'\\')).any(reads_as_dots) {
            return Err(PathError::DotSegment);
        }
        if (kinds(level) & !AUTHORITY).count_ones() > KINDS {
            Err(PathError::TooManyReadings)
        } else {
            Ok(())
        }
    })
}

/// Checks a path as it is and after each decoding.
fn each_level(
    text: &[u8],
    check: impl Fn(&[u8]) -> Result<(), PathError>,
) -> Result<(), PathError> {
    check(text)?;
    let mut decoded = decode(text);
    for _ in 0..DECODINGS {
        let Some(level) = decoded else { return Ok(()) };
        check(&level)?;
        decoded = decode(&level);
    }
    if decoded.is_some() { Err(PathError::TooManyReadings) } else { Ok(()) }
}

/// Whether `holds` is true of every reading but the canonical one.
pub(super) fn all(
    canonical: &[u8],
    scope: Scope,
    mut holds: impl FnMut(Reading<'_>) -> bool,
) -> bool {
    let mut reading = Vec::with_capacity(canonical.len());
    let mut decoded = None;
    loop {
        let level = decoded.as_deref().unwrap_or(canonical);
        let kinds = kinds(level) | if scope == Scope::All { FOLD } else { 0 };
        let mut subset = kinds;
        loop {
            if subset != 0 || decoded.is_some() {
                reread(level, subset, &mut reading);
                let form = Form::new(decoded.is_some(), subset & FOLD != 0);
                if !holds(Reading { bytes: &reading, form }) {
                    return false;
                }
            }
            if subset == 0 {
                break;
            }
            // The next smaller set of bits within `kinds`.
            subset = (subset - 1) & kinds;
        }
        match decode(level) {
            Some(next) => decoded = Some(next),
            None if scope == Scope::All && decoded.is_none() => decoded = Some(level.to_vec()),
            None => return true,
        }
    }
}

/// The path with every escape decoded once; `None` if there is none.
fn decode(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.contains(&b'%') {
        return None;
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let mut decoded = byte;
        if let (b'%', [high, low, tail @ ..]) = (byte, after)
            && let Some(value) = unhex(*high, *low)
        {
            (decoded, rest) = (value, tail);
        }
        out.push(decoded);
    }
    (out.len() < bytes.len()).then_some(out)
}

/// Whether a decoder without checks would find an ASCII or otherwise shorter character in a
/// longer sequence (RFC 3629 section 3). The second byte is compared by its low six bits, for
/// such decoders look at no others. Other bytes that are no UTF-8 may be an old Latin-1 name.
fn has_overlong(bytes: &[u8]) -> bool {
    let pairs = bytes.iter().zip(bytes.iter().skip(1));
    bytes.iter().any(|byte| matches!(byte, 0xc0 | 0xc1))
        || pairs.into_iter().any(|(lead, next)| {
            let bits = next & 0x3f;
            match lead {
                0xe0 => bits < 0x20,
                0xf0 => bits < 0x10,
                0xf8 => bits < 0x08,
                0xfc => bits < 0x04,
                _ => false,
            }
        })
}

/// Whether a segment is `.` or `..` to a server that cuts parameters, dots and spaces.
fn reads_as_dots(segment: &[u8]) -> bool {
    let name = segment.split(|byte| matches!(byte, b';' | b'?' | b'#')).next().unwrap_or_default();
    name.contains(&b'.') && name.iter().all(|byte| *byte == b'.' || is_space(*byte))
}

/// Spaces, and the control characters that `trim()` of many languages takes for such.
const fn is_space(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f
}

/// Which of the bits can change this path.
fn kinds(path: &[u8]) -> u8 {
    let mut kinds = 0;
    let mut previous = b'a';
    // The end of the path ends its last segment, as a slash would.
    let bytes = path.iter().map(|byte| (byte, false)).chain([(&b'/', true)]);
    for (at, (&byte, at_end)) in bytes.enumerate() {
        let ends_name = matches!(byte, b'/' | b'\\' | b';' | b'?' | b'#');
        if ends_name && (previous == b'.' || is_space(previous)) {
            kinds |= TRIM;
        }
        // A name that is cut away as a whole leaves two slashes beside one another.
        let vanishes = matches!(byte, b'/' | b'\\' | b';') || is_space(byte);
        if matches!(previous, b'/' | b'\\') && vanishes && !at_end {
            kinds |= if at == 1 { MERGE | AUTHORITY } else { MERGE };
        }
        kinds |= match byte {
            b'\\' => BACKSLASH,
            b'?' | b'#' => QUERY,
            b';' => PARAMS,
            b'A'..=b'Z' | 0x80.. => FOLD,
            _ => 0,
        };
        previous = byte;
    }
    kinds
}

/// Writes to `out` how a server reads `path` that does what `kinds` says.
fn reread(path: &[u8], kinds: u8, out: &mut Vec<u8>) {
    out.clear();
    let mut in_params = false;
    for &byte in path {
        match byte {
            b'?' | b'#' if kinds & QUERY != 0 => break,
            b'/' => {}
            b'\\' if kinds & BACKSLASH != 0 => {}
            b';' if kinds & PARAMS != 0 => {
                in_params = true;
                continue;
            }
            _ => {
                if !in_params {
                    out.push(byte);
                }
                continue;
            }
        }
        in_params = false;
        end_segment(kinds, out);
        out.push(b'/');
    }
    end_segment(kinds, out);
    if kinds & AUTHORITY != 0 {
        drop_authority(out);
    }
    // After that: two slashes tell of a host to who merges those behind it as well.
    if kinds & MERGE != 0 {
        out.dedup_by(|next, last| (*next, *last) == (b'/', b'/'));
    }
    if kinds & FOLD != 0 {
        fold(out);
    }
}

/// Takes the host away that a parser of URLs finds behind two slashes or more (RFC 3986 section 4.2; the
/// WHATWG's also behind backslashes).
fn drop_authority(path: &mut Vec<u8>) {
    let is_slash = |byte: &&u8| matches!(byte, b'/' | b'\\');
    let slashes = path.iter().take_while(is_slash).count();
    if slashes < 2 {
        return;
    }
    let host = path.iter().skip(slashes).take_while(|byte| !is_slash(byte)).count();
    path.drain(..slashes + host);
    match path.first_mut() {
        Some(first) => *first = b'/',
        None => path.push(b'/'),
    }
}

fn end_segment(kinds: u8, out: &mut Vec<u8>) {
    while kinds & TRIM != 0 && out.pop_if(|last| *last == b'.' || is_space(*last)).is_some() {}
}

/// Takes the case out of a path. Beyond ASCII, characters that have a capital in common are
/// one: a dotless `ı` is an `i` to a server that compares capitals.
fn fold(bytes: &mut Vec<u8>) {
    bytes.make_ascii_lowercase();
    if bytes.is_ascii() {
        return;
    }
    let mut folded = Vec::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        let chars = chunk.valid().chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
        folded.extend(chars.collect::<String>().into_bytes());
        folded.extend(chunk.invalid());
    }
    *bytes = folded;
}

#[cfg(test)]
mod tests;
