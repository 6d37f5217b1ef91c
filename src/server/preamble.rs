//! What comes before HTTP on the connections of a listener.

use super::ListenerSettings;

/// What a connection begins with.
#[derive(Clone, Debug, Default)]
pub struct Preamble {
    /// Whether the first line is one of the PROXY protocol.
    pub proxy_protocol: bool,
}

impl Preamble {
    /// As `settings` have it.
    pub const fn new(settings: &ListenerSettings) -> Self {
        Self { proxy_protocol: settings.proxy_protocol }
    }
}
