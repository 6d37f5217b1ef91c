//! What the operator decides about passwords.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

/// `[auth.password]`, checked.
#[derive(Clone, Debug)]
pub struct PasswordSettings {
    /// Fewest characters.
    pub min: usize,
    /// Most characters.
    pub max: usize,
    /// Whether digits alone are refused.
    pub numeric: bool,
    /// Whether those that everybody tries first are refused.
    pub common: bool,
    /// Whether likeness to the username or address is refused.
    pub similarity: bool,
    /// Argon2id memory, in KiB.
    pub memory: NonZeroU32,
    /// Argon2id passes.
    pub passes: NonZeroU32,
    /// Argon2id lanes.
    pub lanes: NonZeroU32,
    /// Hashes computed at once: the number of hashing threads.
    pub at_once: NonZeroUsize,
    /// Hashes that may wait for a thread.
    pub queue: usize,
    /// How long one may wait before it is refused.
    pub queue_wait: Duration,
}

impl Default for PasswordSettings {
    fn default() -> Self {
        Self {
            min: 8,
            max: 128,
            numeric: true,
            common: false,
            similarity: true,
            memory: NonZeroU32::MIN.saturating_add(19 * 1024 - 1),
            passes: NonZeroU32::MIN.saturating_add(1),
            lanes: NonZeroU32::MIN,
            at_once: all_cores_but_one(),
            queue: 64,
            queue_wait: Duration::from_secs(5),
        }
    }
}

/// One is left to those who do not log in. Where there is only one, they share it.
fn all_cores_but_one() -> NonZeroUsize {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    NonZeroUsize::new(cores.saturating_sub(1)).unwrap_or(NonZeroUsize::MIN)
}
