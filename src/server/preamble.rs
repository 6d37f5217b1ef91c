//! What comes before HTTP on the connections of a listener.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;

/// What a connection begins with.
#[derive(Clone, Default)]
pub struct Preamble {
    /// Whether the first line is one of the PROXY protocol.
    pub proxy_protocol: bool,
    /// The TLS that follows; `None`: HTTP in clear.
    pub tls: Option<Arc<ServerConfig>>,
}

impl fmt::Debug for Preamble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preamble")
            .field("proxy_protocol", &self.proxy_protocol)
            .field("tls", &self.tls.is_some())
            .finish()
    }
}
