//! A chunked body (RFC 9112 section 7.1): sizes, extensions, trailers; data is skipped.
//!
//! Not the reader of `web::chunked`, which is for what an upstream sends: whoever pads a size
//! with spaces there is an old server and no attacker, and nobody reads its trailers. Here each
//! field of a trailer is read again by the parser behind, and a refusal has a reason.

use super::scan;
use super::{Bounds, Violation};

/// Most hexadecimal digits of a size: 64 bits.
const DIGITS: u8 = 16;
/// Most bytes of the extensions of one chunk.
const EXTENSIONS: u32 = 1024;
/// Most bytes of all trailers together.
const TRAILERS: u32 = 8 * 1024;

/// A chunked body as far as it was walked.
#[derive(Clone, Debug, Default)]
pub(super) struct Chunks {
    place: Place,
    /// Bytes of these extensions, or of the trailers.
    overhead: u32,
    fields: usize,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Size {
        size: u64,
        digits: u8,
    },
    Extension(u64),
    /// Behind the CR of a size.
    SizeEnd(u64),
    Data(u64),
    DataEnd,
    DataLf,
    /// At the beginning of a trailer, or of the empty line.
    Trailer,
    Name,
    Value,
    ValueLf,
    LastLf,
    Over,
}

impl Default for Place {
    fn default() -> Self {
        Self::Size { size: 0, digits: 0 }
    }
}

/// What a body begins with that was walked.
pub(super) struct Part {
    /// Bytes that are well formed.
    pub(super) bytes: usize,
    /// Whether the body is over, goes on, or is broken behind them.
    pub(super) over: Result<bool, Violation>,
}

impl Chunks {
    /// Walks on. `bytes` begins where the last part ended.
    pub(super) fn walk(&mut self, bytes: &[u8], bounds: &Bounds) -> Part {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if let Place::Data(left) = &mut self.place {
                let there = bytes.len() - at;
                let skipped = usize::try_from(*left).map_or(there, |left| left.min(there));
                at += skipped;
                *left -= skipped as u64;
                if *left == 0 {
                    self.place = Place::DataEnd;
                }
                continue;
            }
            match self.step(*byte, bounds) {
                Ok(place) => self.place = place,
                Err(violation) => return Part { bytes: at, over: Err(violation) },
            }
            at += 1;
            if matches!(self.place, Place::Over) {
                return Part { bytes: at, over: Ok(true) };
            }
        }
        Part { bytes: at, over: Ok(false) }
    }

    /// Where one byte of the framing leads.
    fn step(&mut self, byte: u8, bounds: &Bounds) -> Result<Place, Violation> {
        match (self.place, byte) {
            (Place::Size { size, digits }, _) if byte.is_ascii_hexdigit() => {
                if digits == DIGITS {
                    return Err(Violation::ChunkSize);
                }
                let digit = char::from(byte).to_digit(16).map_or(0, u64::from);
                Ok(Place::Size { size: size << 4 | digit, digits: digits + 1 })
            }
            (Place::Size { digits: 0, .. }, _) => Err(Violation::ChunkSize),
            (Place::Size { size, .. }, b';') => {
                self.overhead = 0;
                Ok(Place::Extension(size))
            }
            (Place::Size { size, .. } | Place::Extension(size), b'\r') => Ok(Place::SizeEnd(size)),
            (Place::Size { .. }, _) => Err(Violation::ChunkSize),
            (Place::Extension(size), _) => self.overhead(EXTENSIONS, byte, Place::Extension(size)),
            (Place::SizeEnd(0), b'\n') => {
                self.overhead = 0;
                Ok(Place::Trailer)
            }
            (Place::SizeEnd(size), b'\n') => Ok(Place::Data(size)),
            (Place::DataEnd, b'\r') => Ok(Place::DataLf),
            (Place::DataEnd | Place::Data(_), _) => Err(Violation::ChunkEnd),
            (Place::DataLf, b'\n') => Ok(Place::default()),
            (Place::ValueLf, b'\n') => Ok(Place::Trailer),
            (Place::Trailer, b'\r') => Ok(Place::LastLf),
            (Place::Trailer, b' ' | b'\t') => Err(Violation::Folded),
            (Place::Trailer, _) if scan::is_token(byte) => {
                self.fields += 1;
                if self.fields > bounds.fields {
                    return Err(Violation::TooManyFields);
                }
                self.overhead(TRAILERS, byte, Place::Name)
            }
            (Place::Name, b':') => self.overhead(TRAILERS, byte, Place::Value),
            (Place::Name, _) if scan::is_token(byte) => self.overhead(TRAILERS, byte, Place::Name),
            (Place::Trailer | Place::Name, _) => Err(Violation::FieldName),
            (Place::Value, b'\r') => Ok(Place::ValueLf),
            (Place::Value, b'\t') => self.overhead(TRAILERS, b' ', Place::Value),
            (Place::Value, _) => self.overhead(TRAILERS, byte, Place::Value),
            (Place::LastLf, b'\n') | (Place::Over, _) => Ok(Place::Over),
            (Place::SizeEnd(_) | Place::DataLf | Place::ValueLf | Place::LastLf, _) => {
                Err(Violation::LineEnd)
            }
        }
    }

    /// One more byte of what nobody needs.
    fn overhead(&mut self, most: u32, byte: u8, next: Place) -> Result<Place, Violation> {
        self.overhead += 1;
        match byte {
            b'\n' => Err(Violation::LineEnd),
            _ if byte.is_ascii_control() => Err(Violation::Control),
            _ if self.overhead > most => Err(Violation::ChunkOverhead),
            _ => Ok(next),
        }
    }
}
