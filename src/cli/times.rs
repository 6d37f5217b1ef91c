//! Times as they stand in arguments.

use std::num::NonZeroU32;
use std::time::Duration;

/// A duration in whole seconds.
pub(super) fn seconds(text: &str) -> Result<NonZeroU32, String> {
    let read = humantime::parse_duration(text).as_ref().map(Duration::as_secs).ok();
    let whole = read.and_then(|seconds| u32::try_from(seconds).ok()).and_then(NonZeroU32::new);
    whole.ok_or_else(|| "write a duration of a second or more such as \"7d\"".to_owned())
}
