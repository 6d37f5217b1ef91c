//! What the operator decides about listeners with TLS.

use std::time::Duration;

use http::HeaderValue;
use rustls::version::TLS13;
use rustls::{ALL_VERSIONS, SupportedProtocolVersion};

use super::authorities::Authorities;
use super::files::{Awaited, Pair};

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

impl MinVersion {
    /// All that are spoken.
    pub(super) const fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        static TLS13_ALONE: [&SupportedProtocolVersion; 1] = [&TLS13];
        match self {
            Self::Tls12 => ALL_VERSIONS,
            Self::Tls13 => &TLS13_ALONE,
        }
    }
}

/// The table `[tls]`, checked, with what its files held.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// For clients that name no host, or an unknown one; `None` where that is the awaited one.
    pub default: Option<Pair>,
    /// For those that name a host of theirs.
    pub more: Vec<Pair>,
    /// One that is issued while the gateway runs.
    pub awaited: Option<Awaited>,
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
        Self::of(Some(default), None)
    }

    /// The same for a certificate that is yet to be issued: until then no client is shown
    /// anything.
    pub const fn awaiting(awaited: Awaited) -> Self {
        Self::of(None, Some(awaited))
    }

    const fn of(default: Option<Pair>, awaited: Option<Awaited>) -> Self {
        Self {
            default,
            more: Vec::new(),
            awaited,
            strict_sni: false,
            min: MinVersion::Tls12,
            client_ca: None,
            poll: Self::POLL,
            hsts: None,
        }
    }

    /// All certificates that there are, the default first if there is one.
    pub fn pairs(&self) -> impl Iterator<Item = &Pair> {
        let awaited = self.awaited.as_ref().and_then(Awaited::pair);
        let (first, last) = match &self.default {
            Some(default) => (Some(default), awaited),
            None => (awaited, None),
        };
        first.into_iter().chain(&self.more).chain(last)
    }

    /// Whether there is something for clients that name no host.
    pub(super) fn has_default(&self) -> bool {
        self.default.is_some() || self.awaited.as_ref().is_some_and(|one| one.pair().is_some())
    }
}
