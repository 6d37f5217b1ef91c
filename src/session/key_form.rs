//! How a key that a user makes looks: `pck_`, 30 random letters and digits, and a checksum of them
//! in six more.
//!
//! The prefix lets a scanner that looks for secrets know one wherever it was left, and the checksum
//! tells one from a text that only looks so. It keeps nobody out: it costs a mistyped key no look
//! into the store, and an attacker nothing.

use zeroize::Zeroizing;

/// Random signs of a key: 62 to the 30th are 178 bits, which nobody guesses, so that the hash of a
/// key needs neither salt nor time.
const RANDOM: usize = 30;
/// Signs of the checksum: 62 to the sixth are more than 2 to the 32nd.
const CHECK: usize = 6;
/// Random signs that are told of a key later.
const HINT: usize = 4;

const SIGNS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// How keys begin, before the `_`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyPrefix(String);

/// Why a text is no prefix of keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyPrefixFault {
    /// It has another form.
    #[error("a small letter and 1 to 15 small letters and digits after it, such as \"pck\"")]
    Form,
    /// What begins so may be a JSON Web Token.
    #[error("something that does not begin as signed tokens do, with `ew` or `ey`")]
    Token,
}

impl KeyPrefix {
    /// Checks a prefix.
    ///
    /// # Errors
    ///
    /// What it must be instead.
    pub fn new(text: &str) -> Result<Self, KeyPrefixFault> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        if !begins || !(2..=16).contains(&text.len()) || !text.bytes().all(plain) {
            return Err(KeyPrefixFault::Form);
        }
        // Base64 of a brace, and of white space or a quotation mark after it.
        if text.starts_with("ew") || text.starts_with("ey") {
            return Err(KeyPrefixFault::Token);
        }
        Ok(Self(text.to_owned()))
    }

    /// The signs of a credential after the prefix, if it begins as a key: it is one then, or
    /// nothing.
    pub(super) fn rest<'c>(&self, credential: &'c [u8]) -> Option<&'c [u8]> {
        credential.strip_prefix(self.0.as_bytes())?.strip_prefix(b"_")
    }

    /// A new key, and what it is known by later.
    pub(super) fn draw(&self) -> Result<(Zeroizing<String>, String), getrandom::Error> {
        let mut random = Zeroizing::new(Vec::with_capacity(RANDOM));
        let mut bits = Zeroizing::new([0; RANDOM]);
        while random.len() < RANDOM {
            getrandom::fill(bits.as_mut_slice())?;
            // 248 is the last multiple of 62: beyond it some signs would come more often.
            let drawn = bits.iter().filter(|byte| **byte < 248);
            let signs = drawn.filter_map(|byte| SIGNS.get(usize::from(byte % 62)));
            let missing = RANDOM - random.len();
            random.extend(signs.take(missing));
        }
        let key = self.whole(&random);
        let hint = key.chars().take(self.0.len() + 1 + HINT).collect();
        Ok((key, hint))
    }

    fn whole(&self, random: &[u8]) -> Zeroizing<String> {
        let mut key = Zeroizing::new(String::with_capacity(self.0.len() + 1 + RANDOM + CHECK));
        key.push_str(&self.0);
        key.push('_');
        key.extend(random.iter().chain(&checksum(random)).map(|sign| char::from(*sign)));
        key
    }
}

impl Default for KeyPrefix {
    fn default() -> Self {
        Self("pck".to_owned())
    }
}

/// Whether what follows the prefix is a key, as far as that can be told without looking for it.
pub(super) fn is_sound(rest: &[u8]) -> bool {
    let Some((random, check)) = rest.split_at_checked(RANDOM) else { return false };
    random.iter().all(u8::is_ascii_alphanumeric) && checksum(random) == *check
}

/// CRC-32 as six signs.
fn checksum(random: &[u8]) -> [u8; CHECK] {
    let mut number = crc32(random);
    let mut signs = [b'0'; CHECK];
    for place in signs.iter_mut().rev() {
        let digit = usize::try_from(number % 62).unwrap_or_default();
        *place = SIGNS.get(digit).copied().unwrap_or(b'0');
        number /= 62;
    }
    signs
}

/// The CRC-32 of ISO/IEC 3309, bit by bit: a key has few of them.
fn crc32(bytes: &[u8]) -> u32 {
    let whole = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _bit| {
            if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 }
        })
    });
    !whole
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sound(key: &str) -> bool {
        KeyPrefix::default().rest(key.as_bytes()).is_some_and(is_sound)
    }

    #[test]
    fn the_checksum_is_the_one_that_scanners_compute() {
        assert_eq!(crc32(b""), 0);
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        // 0xCBF43926 is 3421780262 in base 10.
        assert_eq!(checksum(b"123456789"), *b"3jZRME");
        let whole = KeyPrefix::default().whole(&[b'0'; RANDOM]);
        assert!(whole.starts_with("pck_000000000000000000000000000000"));
        assert!(sound(&whole));
    }

    #[test]
    fn a_prefix_is_short_and_plain_and_begins_no_token() {
        for good in ["pck", "ab", "a0123456789abcde", "e2e", "exy"] {
            assert!(KeyPrefix::new(good).is_ok(), "{good}");
        }
        for bad in ["", "a", "Pck", "1ab", "p_k", "p-k", "pück", "a0123456789abcdef", "pck "] {
            assert_eq!(KeyPrefix::new(bad), Err(KeyPrefixFault::Form), "{bad}");
        }
        for token in ["ey", "eyj", "ewo"] {
            assert_eq!(KeyPrefix::new(token), Err(KeyPrefixFault::Token), "{token}");
        }
    }

    #[test]
    fn keys_are_drawn_anew_and_are_sound() {
        let prefix = KeyPrefix::new("acme").unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let (key, hint) = prefix.draw().unwrap();
            assert_eq!((key.len(), hint.len()), (4 + 1 + 36, 4 + 1 + 4));
            assert!(key.starts_with(&hint));
            assert!(prefix.rest(key.as_bytes()).is_some_and(is_sound));
            assert!(KeyPrefix::default().rest(key.as_bytes()).is_none());
            // What is drawn, and not what is computed of it.
            seen.extend(key.bytes().skip(5).take(RANDOM));
        }
        assert_eq!(seen.len(), 62, "every sign comes");
    }

    proptest! {
        /// A key with one sign changed, left out or added is none.
        #[test]
        fn a_mistyped_key_is_noticed(at in 4..40_usize, sign in "[0-9A-Za-z_ ~é]") {
            let (key, _hint) = KeyPrefix::default().draw().unwrap();
            let (before, after) = key.split_at(at);
            let rest = after.get(1..).unwrap_or_default();
            prop_assume!(!after.starts_with(&sign));
            let with = |middle: &str, rest: &str| format!("{before}{middle}{rest}");
            prop_assert!(!sound(&with(&sign, rest)));
            prop_assert!(!sound(&with(&sign, after)));
            prop_assert!(!sound(&with("", rest)));
        }

        #[test]
        fn anything_can_be_asked(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            is_sound(&bytes);
        }
    }
}
