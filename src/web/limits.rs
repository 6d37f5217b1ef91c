//! What the operator decides about messages.

use std::time::Duration;

/// The message part of `[limits]`, checked.
#[derive(Clone, Debug)]
pub struct MessageLimits {
    /// Most bytes of a request target (414).
    pub target: usize,
    /// Most bytes of a request body on routes that say nothing else (413).
    pub body: u64,
    /// Most bytes of a request body at the gateway's own endpoints (413).
    pub auth_body: u64,
    /// Longest silence inside a request body (408).
    pub body_timeout: Duration,
    /// Fewest bytes a second, averaged over `body_timeout` (408). Zero: no such limit.
    pub body_rate: u64,
}

impl Default for MessageLimits {
    fn default() -> Self {
        Self {
            target: 8 * 1024,
            body: 10 * 1024 * 1024,
            auth_body: 64 * 1024,
            body_timeout: Duration::from_secs(30),
            body_rate: 256,
        }
    }
}
