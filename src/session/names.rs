//! Names and addresses of accounts, as Django checks them.

use unicode_normalization::UnicodeNormalization;

/// What is wrong with a username. `Display` is Django's text.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NameFault {
    /// A sign that no username has.
    #[error(
        "Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ characters."
    )]
    Signs,
}

/// What is wrong with an address. `Display` is Django's text.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EmailFault {
    /// Not an address.
    #[error("Enter a valid email address.")]
    Shape,
}

/// The spelling of a username under which it is stored and found (NFKC).
pub fn normalize_username(raw: &str) -> String {
    raw.nfkc().collect()
}

/// stub
pub fn check_username(_raw: &str) -> Vec<NameFault> {
    Vec::new()
}

/// stub
pub fn check_email(_raw: &str) -> Vec<EmailFault> {
    Vec::new()
}
