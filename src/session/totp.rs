//! Time-based one-time passwords (RFC 6238), in the one form that every authenticator app knows:
//! HMAC-SHA-1, six digits, a step of 30 seconds.

use aws_lc_rs::hmac;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::keys::KeyError;
use crate::secret::Secret;

/// Seconds of a time step (RFC 6238 section 4.1).
const STEP: u64 = 30;

/// Codes of so many steps before and after the present one are taken: clocks differ, and typing
/// takes its time (RFC 6238 section 5.2).
const TOLERANCE: u64 = 1;

/// Bytes of a secret: as many as the hash has (RFC 4226 section 4).
const SECRET: usize = 20;

/// All codes are below it, and have a digit for each of its zeros.
const MODULUS: u32 = 1_000_000;

/// How many digits a code has.
const DIGITS: usize = 6;

/// RFC 4648 section 6; in small letters it is what recovery codes are made of.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// What may stand in a label as it is (RFC 3986 section 2.3).
const LABEL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A new secret.
pub(super) fn draw() -> Result<Secret, KeyError> {
    let mut bits = Zeroizing::new([0; SECRET]);
    getrandom::fill(&mut *bits).map_err(|_| KeyError::NoRandomness)?;
    Ok(bits.to_vec().into())
}

/// Bytes in base32, without padding.
pub(super) fn base32(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(5) * 8));
    let (mut held, mut bits) = (0_u32, 0);
    for byte in bytes {
        held = held << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(digit(held >> bits));
        }
    }
    if bits > 0 {
        text.push(digit(held << (5 - bits)));
    }
    text
}

fn digit(value: u32) -> char {
    let at = usize::try_from(value % 32).unwrap_or_default();
    BASE32.get(at).copied().map_or('A', char::from)
}

/// What an authenticator app reads: whose account it is, where, and the secret.
pub(super) fn uri(issuer: &str, username: &str, secret: &str) -> Zeroizing<String> {
    let issuer = utf8_percent_encode(issuer, LABEL);
    let username = utf8_percent_encode(username, LABEL);
    Zeroizing::new(format!(
        "otpauth://totp/{issuer}:{username}?secret={secret}&issuer={issuer}\
         &algorithm=SHA1&digits={DIGITS}&period={STEP}"
    ))
}

/// Whether a text can be a code of an app at all.
pub(super) fn is_code(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The time step that a code is of, of those that are taken `now`. Every one of them is looked at,
/// whichever it is.
pub(super) fn step_of(secret: &Secret, code: &str, now: Timestamp) -> Option<u64> {
    let present = now.as_secs() / STEP;
    let typed = Secret::from(code.to_owned());
    let steps = present.saturating_sub(TOLERANCE)..=present.saturating_add(TOLERANCE);
    let mut found = None;
    for step in steps {
        if typed.matches(self::code(secret, step).as_bytes()) {
            found = Some(step);
        }
    }
    found
}

/// The code of a step (RFC 4226 section 5.3).
pub(super) fn code(secret: &Secret, step: u64) -> Zeroizing<String> {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.expose());
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let offset = tag.as_ref().last().map_or(0, |last| usize::from(last & 0xf));
    let bytes = tag.as_ref().get(offset..).and_then(|rest| rest.first_chunk::<4>());
    let number = bytes.map_or(0, |bytes| u32::from_be_bytes(*bytes) & 0x7fff_ffff);
    Zeroizing::new(format!("{:0width$}", number % MODULUS, width = DIGITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "12345678901234567890";

    fn key() -> Secret {
        KEY.to_owned().into()
    }

    /// The last six digits of the eight of RFC 6238 appendix B, for SHA-1.
    #[test]
    fn codes_are_those_of_the_rfc() {
        for (second, expected) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            let expected = expected.get(2..).unwrap();
            assert_eq!(*code(&key(), second / STEP), expected, "{second}");
            let now = Timestamp::from_secs(second);
            assert_eq!(step_of(&key(), expected, now), Some(second / STEP));
        }
        // RFC 4226 appendix D.
        let hotp = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583"];
        for (count, expected) in (0..).zip(hotp) {
            assert_eq!(*code(&key(), count), expected);
        }
    }

    #[test]
    fn a_code_is_taken_a_step_early_or_late_and_no_more() {
        let now = Timestamp::from_secs(1_111_111_111);
        let present = now.as_secs() / STEP;
        for (step, taken) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let step = present.checked_add_signed(step).unwrap();
            let found = step_of(&key(), &code(&key(), step), now);
            assert_eq!(found, taken.then_some(step), "{step}");
        }
        for wrong in ["", "05047", "0050471", "14050471", "05O471", "٠٥٠٤٧١"] {
            assert_eq!(step_of(&key(), wrong, now), None, "{wrong}");
            assert!(!is_code(wrong), "{wrong}");
        }
        assert!(is_code("050471"));
        // At the beginning of time there is no step before.
        assert_eq!(step_of(&key(), "755224", Timestamp::default()), Some(0));
    }

    /// RFC 4648 section 10, without the padding.
    #[test]
    fn base32_is_that_of_the_rfc() {
        for (plain, expected) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(*base32(plain.as_bytes()), expected);
        }
    }

    #[test]
    fn a_secret_is_drawn_anew_each_time() {
        let (one, other) = (draw().unwrap(), draw().unwrap());
        assert_eq!(one.expose().len(), SECRET);
        assert!(!one.matches(other.expose()));
    }

    #[test]
    fn a_name_cannot_say_more_than_a_name() {
        let uri = uri("a.test & Co", "eve?secret=X:&issuer=b#é", "JBSWY3DP");
        let told = "otpauth://totp/a.test%20%26%20Co:eve%3Fsecret%3DX%3A%26issuer%3Db%23%C3%A9\
                    ?secret=JBSWY3DP&issuer=a.test%20%26%20Co&algorithm=SHA1&digits=6&period=30";
        assert_eq!(*uri, told);
    }
}
