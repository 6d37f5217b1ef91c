//! What comes before HTTP on the connections of a listener.

use crate::tls::ListenerTls;

/// What a connection begins with.
#[derive(Clone, Debug, Default)]
pub struct Preamble {
    /// Whether the first line is one of the PROXY protocol.
    pub proxy_protocol: bool,
    /// The TLS that follows; `None`: HTTP in clear.
    pub tls: Option<ListenerTls>,
}
