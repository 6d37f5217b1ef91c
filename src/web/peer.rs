//! Who is at the other end of a connection, and how it came in.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::HeaderValue;

use super::identity_headers::encode_text;
use crate::clock::Timestamp;
use crate::tls::{ClientCertificate, Leaf};

/// The two ends of a connection, with what upstreams are told about them made ready once.
#[derive(Clone, Debug)]
pub struct Peer {
    addr: IpAddr,
    port: u16,
    local_port: u16,
    addr_value: HeaderValue,
    port_value: HeaderValue,
    node: Box<str>,
    https: bool,
    has_a_word: bool,
    server_name: Option<Box<str>>,
    shown: Option<Arc<Leaf>>,
    certificate: Option<Box<Certificate>>,
    told: OnceLock<(Option<HeaderValue>, Bytes)>,
}

/// The client's certificate, with what upstreams are told about it.
#[derive(Clone, Debug)]
struct Certificate {
    shown: ClientCertificate,
    name: Option<HeaderValue>,
    subject: Option<HeaderValue>,
}

impl Peer {
    /// The peer of a TCP connection that was accepted at `local`.
    pub fn tcp(peer: SocketAddr, local: Option<SocketAddr>) -> Self {
        Self::new(peer.ip().to_canonical(), peer.port(), local.map_or(0, |local| local.port()))
    }

    /// A peer on this machine: a unix socket, or a caller in this very process.
    pub fn local() -> Self {
        Self::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0, 80)
    }

    /// The same over TLS, where the client asked for `server_name` (SNI, RFC 6066 section 3).
    #[must_use]
    pub fn over_tls(mut self, server_name: Option<&str>) -> Self {
        if self.port == 0 {
            self.local_port = 443;
            self.port_value = HeaderValue::from(443_u16);
        }
        self.https = true;
        self.server_name = server_name.map(|name| name.to_ascii_lowercase().into_boxed_str());
        self
    }

    /// The same, who was shown this certificate of ours.
    #[doc(hidden)]
    #[must_use]
    pub fn shown(mut self, leaf: &Arc<Leaf>) -> Self {
        self.shown = Some(Arc::clone(leaf));
        self
    }

    /// The same, who has shown a certificate.
    #[doc(hidden)]
    #[must_use]
    pub fn certified(mut self, certificate: &ClientCertificate) -> Self {
        self.certificate = Some(Box::new(Certificate {
            shown: certificate.clone(),
            name: certificate.names().first().and_then(|name| encode_text(name)),
            subject: encode_text(certificate.subject()),
        }));
        self
    }

    /// The same, of whom it is known that it speaks for somebody else and not for whom: what comes
    /// on its connection is that one's word, and not its own.
    #[doc(hidden)]
    #[must_use]
    pub const fn for_somebody(mut self) -> Self {
        self.has_a_word = false;
        self
    }

    /// Whether what comes on the connection is its own word.
    pub const fn has_a_word(&self) -> bool {
        self.has_a_word
    }

    fn new(addr: IpAddr, port: u16, local_port: u16) -> Self {
        // An address in text is visible ASCII, so the other arm is never taken.
        let addr_value = HeaderValue::from_str(&addr.to_string());
        let addr_value = addr_value.unwrap_or_else(|_| HeaderValue::from_static("unknown"));
        let port_value = HeaderValue::from(local_port);
        let node = node(addr).into_boxed_str();
        let (https, has_a_word) = (false, true);
        let told = OnceLock::new();
        Self {
            addr,
            port,
            local_port,
            addr_value,
            port_value,
            node,
            https,
            has_a_word,
            server_name: None,
            shown: None,
            certificate: None,
            told,
        }
    }

    /// The address; IPv4 is IPv4 also on a listener for both.
    pub const fn addr(&self) -> IpAddr {
        self.addr
    }

    /// The peer's own port; 0 where there is none.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The port that was connected to.
    pub const fn local_port(&self) -> u16 {
        self.local_port
    }

    /// The address as a header value.
    pub const fn addr_value(&self) -> &HeaderValue {
        &self.addr_value
    }

    /// The port that was connected to, as a header value.
    pub const fn local_port_value(&self) -> &HeaderValue {
        &self.port_value
    }

    /// Whether the client speaks TLS to us.
    pub const fn is_https(&self) -> bool {
        self.https
    }

    /// What a host without a port means on this connection.
    pub const fn default_port(&self) -> u16 {
        if self.https { 443 } else { 80 }
    }

    /// The name that the client asked for by TLS, in lower case.
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// Whether a request for `host`, in lower case, is at the right place on this connection: it is
    /// the host that the client asked for by TLS, or both are hosts of the certificate that it was
    /// shown (RFC 9110 section 7.4, RFC 9113 section 9.1.1). Without such a name there is nothing to
    /// contradict.
    pub fn may_ask_for(&self, host: &str) -> bool {
        let Some(asked) = self.server_name() else { return true };
        let asked = asked.trim_end_matches('.');
        let both = |shown: &Arc<Leaf>| shown.covers(asked) && shown.covers(host);
        asked == host || self.shown.as_ref().is_some_and(both)
    }

    /// The certificate that the client has shown.
    #[doc(hidden)]
    pub fn certificate(&self) -> Option<&ClientCertificate> {
        self.certificate.as_deref().map(|one| &one.shown)
    }

    /// Whether what comes on the connection may be answered: the certificate that the client has
    /// shown, if it has, is good still. For others the clock is not looked at.
    #[doc(hidden)]
    pub fn is_good(&self, now: impl FnOnce() -> Timestamp) -> bool {
        self.certificate().is_none_or(|certificate| certificate.is_good(now()))
    }

    /// The first name of that certificate, for a header.
    pub(crate) fn certificate_name(&self) -> Option<&HeaderValue> {
        self.certificate.as_ref()?.name.as_ref()
    }

    /// The subject of that certificate, for a header.
    pub(crate) fn certificate_subject(&self) -> Option<&HeaderValue> {
        self.certificate.as_ref()?.subject.as_ref()
    }

    /// What an upstream is told about a client that is this peer itself and asked for `host`:
    /// lines of fields. Made once for a connection, as long as it asks for one host.
    pub(super) fn told(&self, host: Option<&HeaderValue>, make: impl Fn() -> Bytes) -> Bytes {
        let (first, lines) = self.told.get_or_init(|| (host.cloned(), make()));
        if first.as_ref() == host { lines.clone() } else { make() }
    }

    /// The address as `Forwarded` has it: `for=192.0.2.1`.
    pub(super) fn node(&self) -> &str {
        &self.node
    }
}

/// The `for` parameter about an address (RFC 7239 section 6).
pub(super) fn node(addr: IpAddr) -> String {
    match addr {
        IpAddr::V4(v4) => format!("for={v4}"),
        IpAddr::V6(v6) => format!("for=\"[{v6}]\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_for_the_host_that_was_named_and_for_its_certificates_others() {
        let made = rcgen::generate_simple_self_signed(["a.test".into(), "b.test".into()]).unwrap();
        let leaf = Arc::new(Leaf::of(made.cert.der()).unwrap());
        let peer = |asked| Peer::local().over_tls(asked).shown(&leaf);
        for (asked, host, may) in [
            (Some("a.test"), "a.test", true),
            (Some("A.test."), "b.test", true),
            (Some("a.test"), "c.test", false),
            // Shown for want of another, it is not for the host that was named.
            (Some("c.test"), "a.test", false),
            (Some("c.test"), "c.test", true),
            (None, "a.test", true),
            (None, "c.test", true),
        ] {
            assert_eq!(peer(asked).may_ask_for(host), may, "{asked:?} {host}");
        }
    }

    #[test]
    fn where_no_port_was_connected_to_it_is_that_of_the_scheme() {
        let tcp = Peer::tcp("[::1]:5".parse().unwrap(), Some("[::1]:8443".parse().unwrap()));
        for (peer, port) in [
            (Peer::local(), 80),
            (Peer::local().over_tls(None), 443),
            (tcp.clone(), 8443),
            (tcp.over_tls(None), 8443),
        ] {
            assert_eq!(peer.local_port(), port);
            assert_eq!(peer.local_port_value(), &*port.to_string());
        }
    }

    #[test]
    fn the_certificate_that_was_shown_is_known() {
        let certificate = ClientCertificate::named(vec!["billing".to_owned()]);
        assert_eq!(Peer::local().certified(&certificate).certificate(), Some(&certificate));
        assert_eq!(Peer::local().certificate(), None);
    }
}
