//! Bytes by their kind.

/// The bytes of a token (RFC 9110 section 5.6.2): methods and field names.
static TOKEN: [bool; 256] = table(b"!#$%&'*+-.^_`|~");
/// The bytes that a target in origin form is made of here, without a closer look: those that
/// every parser takes.
static TARGET: [bool; 256] = table(b"!$%&'()*+,-./:;=?@[\\]^_|~{}");

const ALPHANUMERIC: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

const fn table(others: &[u8]) -> [bool; 256] {
    mark(mark([false; 256], ALPHANUMERIC), others)
}

const fn mark(mut table: [bool; 256], mut bytes: &[u8]) -> [bool; 256] {
    while let [byte, rest @ ..] = bytes {
        #[expect(clippy::indexing_slicing, reason = "computed at compile time, and never beyond")]
        {
            table[*byte as usize] = true;
        }
        bytes = rest;
    }
    table
}

/// How many bytes of a token `bytes` begin with.
pub(super) fn token(bytes: &[u8]) -> usize {
    run(&TOKEN, bytes)
}

/// How many plain bytes of a target `bytes` begin with.
pub(super) fn target(bytes: &[u8]) -> usize {
    run(&TARGET, bytes)
}

pub(super) fn is_token(byte: u8) -> bool {
    TOKEN.get(usize::from(byte)).is_some_and(|known| *known)
}

fn run(table: &[bool; 256], bytes: &[u8]) -> usize {
    let known = |byte: &u8| table.get(usize::from(*byte)).is_some_and(|known| *known);
    bytes.iter().position(|byte| !known(byte)).unwrap_or(bytes.len())
}

/// Where the first control byte is. Blocks first, then eight bytes at a time: this looks at every
/// byte of every head, and most are those of long values.
pub(super) fn control(bytes: &[u8]) -> Option<usize> {
    let (blocks, _) = bytes.as_chunks::<32>();
    let clear = 32 * blocks.iter().take_while(|block| !has_control(block)).count();
    let (words, rest) = bytes.get(clear..).unwrap_or_default().as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let found = controls(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(clear + index * 8 + (found.trailing_zeros() / 8) as usize);
        }
    }
    let found = rest.iter().position(u8::is_ascii_control)?;
    Some(clear + words.len() * 8 + found)
}

/// No branch within, so that it becomes a few instructions on vectors.
#[expect(clippy::needless_bitwise_bool, reason = "lazy operators are branches")]
fn has_control(block: &[u8; 32]) -> bool {
    block.iter().fold(false, |found, byte| found | (*byte < b' ') | (*byte == 0x7f))
}

/// The top bit of each byte that is a control byte; no byte carries into the next.
const fn controls(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const LOW: u64 = EACH * 0x7f;
    let low = word & LOW;
    let printable = low + EACH * 0x60;
    let delete = low + EACH;
    (!printable | delete) & !word & !LOW
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_control_byte_is_found_where_it_is() {
        for byte in 0..=u8::MAX {
            for at in 0..84 {
                for fill in [b' ', b'a', b'~', 0x80, 0xff] {
                    let mut bytes = [fill; 84];
                    bytes[at] = byte;
                    bytes[83] = byte;
                    let expected = byte.is_ascii_control().then_some(at);
                    assert_eq!(control(&bytes), expected, "{byte:#x} at {at} in {fill:#x}");
                }
            }
        }
        assert_eq!(control(b""), None);
    }

    #[test]
    fn a_token_is_what_the_standard_says() {
        for byte in 0..=u8::MAX {
            let known = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            assert_eq!(is_token(byte), known, "{byte:#x}");
        }
        assert_eq!(token(b"Host: a"), 4);
    }

    #[test]
    fn a_plain_target_is_one_to_everybody() {
        for byte in 0..=u8::MAX {
            for target_of in [[b'/', byte].to_vec(), [b'/', b'?', byte].to_vec()] {
                if target(&target_of) == target_of.len() {
                    let uri = http::Uri::try_from(target_of.as_slice());
                    assert!(uri.is_ok(), "{byte:#x}");
                }
            }
        }
    }
}
