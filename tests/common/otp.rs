//! An authenticator app: codes of a secret, as RFC 6238 has them.

use aws_lc_rs::hmac;

/// The code of a secret in base32 at that second.
pub(crate) fn code(secret: &str, second: u64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &bytes(secret));
    let tag = hmac::sign(&key, &(second / 30).to_be_bytes());
    let at = tag.as_ref().last().map_or(0, |last| usize::from(last & 0xf));
    let bytes = tag.as_ref().iter().skip(at).take(4);
    let number = bytes.fold(0_u32, |number, byte| number << 8 | u32::from(*byte)) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

/// What is written so; a sign that is none of base32 makes another secret of it.
fn bytes(base32: &str) -> Vec<u8> {
    let (mut held, mut bits, mut bytes) = (0_u32, 0, Vec::new());
    for sign in base32.bytes() {
        let value = match sign {
            b'A'..=b'Z' => sign - b'A',
            b'2'..=b'7' => sign - b'2' + 26,
            _ => 0,
        };
        held = held << 5 | u32::from(value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.extend(u8::try_from(held >> bits & 0xff));
        }
    }
    bytes
}
