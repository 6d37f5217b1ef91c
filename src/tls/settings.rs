//! What the operator decides about listeners with TLS.

use std::time::Duration;

use http::HeaderValue;

use super::files::{Authorities, Pair};

/// Whether the clients of a listener show certificates.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ClientAuth {
    /// They are not asked.
    #[default]
    Off,
    /// They are asked; who shows none is served all the same, and a bad one ends the handshake.
    Optional,
    /// Without a good one there is no connection.
    Required,
}

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum MinVersion {
    /// 1.2 and 1.3.
    #[default]
    Tls12,
    /// 1.3 alone.
    Tls13,
}

/// The table `[tls]`, checked, with what its files held.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// For clients that name no host, or an unknown one.
    pub default: Pair,
    /// For those that name a host of theirs.
    pub more: Vec<Pair>,
    /// A client that names an unknown host is refused.
    pub strict_sni: bool,
    /// The oldest version.
    pub min: MinVersion,
    /// Whose word the certificates of clients need.
    pub client_ca: Option<Authorities>,
    /// How often the files are looked at.
    pub poll: Duration,
    /// `Strict-Transport-Security` of every response (RFC 6797).
    pub hsts: Option<HeaderValue>,
}

impl TlsSettings {
    /// How often the files are looked at, if nothing else is said.
    pub const POLL: Duration = Duration::from_secs(10);

    /// Everything at its default, but for the certificate.
    pub const fn new(default: Pair) -> Self {
        Self {
            default,
            more: Vec::new(),
            strict_sni: false,
            min: MinVersion::Tls12,
            client_ca: None,
            poll: Self::POLL,
            hsts: None,
        }
    }

    /// All certificates, the default first.
    pub fn pairs(&self) -> impl Iterator<Item = &Pair> {
        std::iter::once(&self.default).chain(&self.more)
    }
}
