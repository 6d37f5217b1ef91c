//! The one name under which clients know the gateway.

use std::fmt;

/// `public`: scheme, host and port that links, cookies and the Host check use. Its `Display` is
/// the origin, `https://app.example.com` (RFC 6454 section 6.2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Public {
    /// Whether clients reach us over TLS, at whoever ends it.
    pub https: bool,
    /// Lower case, IPv6 in brackets, as a `Host` header has it.
    pub host: String,
    /// The port, if it is not the scheme's own.
    pub port: Option<u16>,
}

impl fmt::Display for Public {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.https { "https" } else { "http" }, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}
