//! Errors as the log has them.

use std::error::Error;
use std::fmt::Write;

/// An error with all its causes, in one line.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        // Writing to a String cannot fail.
        if write!(text, ": {cause}").is_err() {
            break;
        }
        next = cause.source();
    }
    text
}
