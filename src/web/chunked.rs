//! The chunked transfer coding as its reader sees it (RFC 9112 section 7.1), strict where two
//! servers could read it differently.
//!
//! For responses. What clients send is judged by the stricter grammar of `server`, before
//! anybody reads it.

/// Most bytes that a body may spend on chunk extensions, and as many on trailers. Nobody here
/// reads either.
const MOST_ASIDE: usize = 16 * 1024;
/// Hexadecimal digits of 64 bits.
const MOST_DIGITS: u8 = 16;

/// Where a reader is in a chunked body.
#[derive(Clone, Debug)]
pub struct Chunks {
    state: State,
    /// Bytes of extensions and trailers so far.
    aside: usize,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Size {
        digits: u8,
        value: u64,
    },
    Extension(u64),
    SizeLf(u64),
    Data(u64),
    DataCr,
    DataLf,
    /// At the beginning of a trailer line, or of the empty line at the end.
    Line,
    Trailer,
    TrailerLf,
    LastLf,
    Over,
}

/// What the next bytes are: so many of framing, then so many of content.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Piece {
    /// Bytes of framing, to be passed over.
    pub skip: usize,
    /// Bytes of content after them.
    pub data: usize,
    /// Whether the body is over after these bytes.
    pub over: bool,
}

/// Bytes that are no chunked body. Nothing after them can be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("broken chunked framing")]
pub struct BadChunk;

impl Default for Chunks {
    fn default() -> Self {
        Self { state: State::Size { digits: 0, value: 0 }, aside: 0 }
    }
}

impl Chunks {
    /// Reads on in `input`, which begins where the last piece ended. A piece with neither content
    /// nor the end needs more input.
    ///
    /// # Errors
    ///
    /// [`BadChunk`]: close the connection.
    pub fn next(&mut self, input: &[u8]) -> Result<Piece, BadChunk> {
        let mut skip = 0;
        for byte in input {
            if let State::Data(left) = self.state {
                let here = input.len() - skip;
                let data = usize::try_from(left).map_or(here, |left| left.min(here));
                let rest = left - data as u64;
                self.state = if rest == 0 { State::DataCr } else { State::Data(rest) };
                return Ok(Piece { skip, data, over: false });
            }
            if matches!(self.state, State::Over) {
                break;
            }
            self.state = self.after(*byte)?;
            skip += 1;
        }
        Ok(Piece { skip, data: 0, over: matches!(self.state, State::Over) })
    }

    /// Content bytes of the current chunk that have not come yet.
    pub const fn left_in_chunk(&self) -> u64 {
        if let State::Data(left) = self.state { left } else { 0 }
    }

    fn after(&mut self, byte: u8) -> Result<State, BadChunk> {
        Ok(match (self.state, byte) {
            (State::Size { digits, value }, _) => return self.size(digits, value, byte),
            (State::Extension(size), b'\r') => State::SizeLf(size),
            (State::SizeLf(0) | State::TrailerLf, b'\n') => State::Line,
            (State::SizeLf(size), b'\n') => State::Data(size),
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size { digits: 0, value: 0 },
            (State::Line, b'\r') => State::LastLf,
            (State::LastLf, b'\n') => State::Over,
            (State::Trailer, b'\r') => State::TrailerLf,
            (State::Extension(size), byte) => self.pass(byte, State::Extension(size))?,
            (State::Line | State::Trailer, byte) => self.pass(byte, State::Trailer)?,
            _ => return Err(BadChunk),
        })
    }

    fn size(&mut self, digits: u8, value: u64, byte: u8) -> Result<State, BadChunk> {
        if let Some(digit) = char::from(byte).to_digit(16) {
            if digits == MOST_DIGITS {
                return Err(BadChunk);
            }
            return Ok(State::Size { digits: digits + 1, value: value << 4 | u64::from(digit) });
        }
        match byte {
            _ if digits == 0 => Err(BadChunk),
            b'\r' => Ok(State::SizeLf(value)),
            // White space is allowed before the semicolon of an extension.
            b';' | b' ' | b'\t' => self.pass(byte, State::Extension(value)),
            _ => Err(BadChunk),
        }
    }

    /// A byte that nobody reads, unless it could end a line for somebody else.
    fn pass(&mut self, byte: u8, then: State) -> Result<State, BadChunk> {
        self.aside += 1;
        if matches!(byte, b'\n' | b'\0') || self.aside > MOST_ASIDE {
            return Err(BadChunk);
        }
        Ok(then)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The content of a body that comes in reads of these sizes, and what is left after it.
    fn read(body: &[u8], sizes: &[usize]) -> Result<(Vec<u8>, bool, usize), BadChunk> {
        let (mut chunks, mut content, mut at, mut end) = (Chunks::default(), Vec::new(), 0, 0);
        let mut sizes = sizes.iter().copied().cycle();
        while end < body.len() {
            end = (end + sizes.next().unwrap_or(1)).min(body.len());
            while at < end {
                let piece = chunks.next(&body[at..end])?;
                content.extend_from_slice(&body[at + piece.skip..at + piece.skip + piece.data]);
                at += piece.skip + piece.data;
                if piece.over {
                    return Ok((content, true, body.len() - at));
                }
            }
        }
        Ok((content, false, 0))
    }

    #[test]
    fn a_body_ends_with_its_empty_line_and_nothing_before() {
        for (body, content, left) in [
            (&b"0\r\n\r\n"[..], &b""[..], 0),
            (b"5\r\nhello\r\n0\r\n\r\nGET", b"hello", 3),
            (b"5;a=b\r\nhello\r\n00\r\nX: y\r\n\r\n", b"hello", 0),
            (b"5 ; a=\"b\"\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n", b"hello0123456789", 0),
        ] {
            assert_eq!(read(body, &[usize::MAX >> 1]), Ok((content.to_vec(), true, left)));
        }
        for end in 0..b"5\r\nhello\r\n0\r\nX: y\r\n\r\n".len() {
            let (_, over, _) = read(&b"5\r\nhello\r\n0\r\nX: y\r\n\r\n"[..end], &[64]).unwrap();
            assert!(!over, "{end}");
        }
    }

    #[test]
    fn what_has_two_readings_has_none() {
        for body in [
            &b"\r\n"[..],
            b"x\r\n",
            b"0x5\r\nhello\r\n",
            b"-5\r\n",
            b"+5\r\n",
            b" 5\r\n",
            b"5\nhello\r\n",
            b"5\rhello",
            b"5\r\nhello\n0\r\n",
            b"5\r\nhelloX\r\n",
            b"5\r\nhello\rX",
            b"5;a\nb\r\n",
            b"10000000000000005\r\nhello",
            b"00000000000000005\r\nhello",
            b"0\r\nX: y\nZ: a\r\n\r\n",
            b"0\r\nX: y\rZ: a\r\n\r\n",
            b"0\r\n\rX",
            b"0\r\n\n",
            b"5;\0\r\n",
        ] {
            assert_eq!(read(body, &[64]), Err(BadChunk), "{}", body.escape_ascii());
        }
    }

    #[test]
    fn nobody_spends_more_than_a_little_on_what_is_not_content() {
        let extension = [b"1;".as_slice(), &[b'a'; 100], b"\r\nx\r\n"].concat();
        let body = extension.repeat(MOST_ASIDE / 100);
        assert_eq!(read(&body, &[1000]), Err(BadChunk));
        let trailers = [b"0\r\n".as_slice(), &b"X: y\r\n".repeat(MOST_ASIDE / 3)].concat();
        assert_eq!(read(&trailers, &[1000]), Err(BadChunk));
        // To the byte, with the semicolon.
        let aside = |most| [b"1;", "a".repeat(most - 1).as_bytes(), b"\r\nx\r\n0\r\n\r\n"].concat();
        assert_eq!(read(&aside(MOST_ASIDE), &[1000]), Ok((b"x".to_vec(), true, 0)));
        assert_eq!(read(&aside(MOST_ASIDE + 1), &[1000]), Err(BadChunk));
    }

    proptest! {
        #[test]
        fn content_is_the_same_however_it_arrives(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6),
            sizes in prop::collection::vec(1_usize..30, 1..8),
        ) {
            let mut body = Vec::new();
            for chunk in &chunks {
                body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                body.extend_from_slice(chunk);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(b"0\r\n\r\nrest");
            let (content, over, left) = read(&body, &sizes).unwrap();
            prop_assert_eq!(content, chunks.concat());
            prop_assert!(over && left <= 4);
        }

        #[test]
        fn any_bytes_are_read_alike_in_any_pieces(
            body in prop::collection::vec(prop::sample::select(b"0159af;\r\n x".to_vec()), 0..60),
            sizes in prop::collection::vec(1_usize..9, 1..8),
        ) {
            let whole = read(&body, &[body.len().max(1)]).map(|(content, over, _)| (content, over));
            let pieces = read(&body, &sizes).map(|(content, over, _)| (content, over));
            prop_assert_eq!(whole, pieces);
        }
    }
}
