//! Keys that users make for their programs.

use super::trim;
use crate::printable::is_active;

/// Most characters of the name of a key.
pub const KEY_NAME_LENGTH: usize = 64;

/// Why a text is no name of a key. `Display` is told to whoever chose it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyNameFault {
    /// It says nothing.
    #[error("This field may not be blank.")]
    Blank,
    /// It has more than [`KEY_NAME_LENGTH`] characters.
    #[error("Ensure this field has no more than 64 characters.")]
    TooLong,
    /// It could change the look of what is written around it.
    #[error("Control characters are not allowed.")]
    Active,
}

/// The name of a key, without the space around it.
///
/// # Errors
///
/// What is wrong with it.
pub fn check_key_name(raw: &str) -> Result<String, KeyNameFault> {
    let name = trim(raw);
    if name.is_empty() {
        return Err(KeyNameFault::Blank);
    }
    if name.chars().count() > KEY_NAME_LENGTH {
        return Err(KeyNameFault::TooLong);
    }
    if name.chars().any(is_active) {
        return Err(KeyNameFault::Active);
    }
    Ok(name.to_owned())
}
