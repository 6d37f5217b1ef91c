//! What the operator decides about sessions.

use std::time::Duration;

/// The session part of `[auth]`, checked.
#[derive(Clone, Copy, Debug)]
pub struct SessionSettings {
    /// The absolute end of a session, however often it is refreshed.
    pub lifetime: Duration,
    /// Whether a refresh token is exchanged for a new one at each use.
    pub rotation: bool,
    /// For how long a spent refresh token yields the successor it already has.
    pub grace: Duration,
    /// Whether `Authorization: Token <key>` opens routes.
    pub token_scheme: bool,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            lifetime: Duration::from_secs(30 * 24 * 60 * 60),
            rotation: true,
            grace: Duration::from_secs(10),
            token_scheme: false,
        }
    }
}
