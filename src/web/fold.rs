//! Header names as the sloppiest reader sees them.
//!
//! CGI and its heirs read `X_User-Id` and `X-User-Id` as one variable (RFC 3875 section 4.1.18),
//! and some fold every other sign as well. A field that could be mistaken for one of ours, or for
//! one that steers, is treated as that one.

use http::header::HeaderName;

/// One byte of a name: letters without case, every other sign the same.
pub(super) const fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

/// Whether a name begins, folded, with `folded`, which is folded already.
pub(super) fn begins_as(name: &HeaderName, folded: &[u8]) -> bool {
    let name = name.as_str().as_bytes();
    name.len() >= folded.len() && name.iter().zip(folded).all(|(sent, ours)| fold(*sent) == *ours)
}

/// Whether a name could be read as `folded`, which is folded already: lower case, with dashes.
pub fn reads_as(name: &HeaderName, folded: &str) -> bool {
    name.as_str().len() == folded.len() && begins_as(name, folded.as_bytes())
}
