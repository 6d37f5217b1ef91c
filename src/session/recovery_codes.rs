//! Recovery codes: for the day on which the other factors are not at hand.

use zeroize::Zeroizing;

use super::authenticate::hash_of_key;
use super::totp;
use crate::keys::KeyError;
use crate::secret::unseen;

/// How many recovery codes a user is given at once.
pub const RECOVERY_CODES: usize = 10;

/// Bytes of a recovery code: too many for anybody to find one by trying, or by its hash.
const RECOVERY_CODE: usize = 10;

/// Letters of it that are written together.
const GROUP: usize = 4;

/// New recovery codes: they can be had this once, for only their hashes are kept. `Debug` does not
/// show them.
pub struct RecoveryCodes(pub Vec<Zeroizing<String>>);

unseen! { RecoveryCodes }

impl RecoveryCodes {
    pub(super) fn draw() -> Result<Self, KeyError> {
        let one = |_| {
            let mut bits = Zeroizing::new([0; RECOVERY_CODE]);
            getrandom::fill(&mut *bits).map_err(|_| KeyError::NoRandomness)?;
            let mut text = totp::base32(&*bits);
            text.make_ascii_lowercase();
            let mut grouped = Zeroizing::new(String::with_capacity(2 * text.len()));
            for (at, letter) in text.chars().enumerate() {
                if at > 0 && at % GROUP == 0 {
                    grouped.push('-');
                }
                grouped.push(letter);
            }
            Ok(grouped)
        };
        (0..RECOVERY_CODES).map(one).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn hashes(&self) -> Vec<[u8; 32]> {
        self.0.iter().map(|code| hash_of_code(code)).collect()
    }
}

/// What a recovery code is found by, however its letters were grouped.
pub(super) fn hash_of_code(code: &str) -> [u8; 32] {
    let letters = code.chars().filter(|sign| !sign.is_whitespace() && *sign != '-');
    let plain: Zeroizing<String> = Zeroizing::new(letters.flat_map(char::to_lowercase).collect());
    hash_of_key(plain.as_bytes())
}
