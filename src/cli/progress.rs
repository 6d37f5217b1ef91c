//! How far a long reading has come.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar for so many bytes, or whatever is counted; on a terminal only.
pub(super) fn progress(length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length);
    let style = "{bar:40} {percent}% {eta}";
    bar.with_style(
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
    )
}
