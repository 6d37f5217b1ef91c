//! Where a request really came from, and what the next server is told about it.
//!
//! The forwarding fields are one family: all of them are taken from a trusted peer, or none.
//! From anybody else they are removed and written anew, so that no two of them ever tell
//! different stories (RFC 7239 section 8.1).

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use super::Peer;
use super::fold::{begins_as, reads_as};
use super::peer::node;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
/// Fields by which some servers take another path or method than the one we judged.
const STEERING: [&str; 6] = [
    "x-original-url",
    "x-rewrite-url",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-method",
];
/// Hops of a chain that are looked at; a longer one is none of a sane proxy's.
const CHAIN: usize = 32;

/// The peers whose word about the client counts (`trust`).
#[derive(Clone, Debug, Default)]
pub struct Trust(Vec<IpNet>);

/// Where a request came from, before its forwarding fields were removed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Origin {
    /// The client: the peer itself, or the last hop that no trusted peer vouches for.
    pub client: IpAddr,
    /// Whether the peer's word counts.
    pub trusted: bool,
    /// The hops before the peer, if they are worth passing on.
    chain: Option<String>,
    host: Option<HeaderValue>,
    proto: Option<HeaderValue>,
    port: Option<HeaderValue>,
}

impl Trust {
    /// Peers in these networks are trusted.
    pub const fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Reads the family, believes it if the peer is trusted, and removes it either way,
    /// together with every field that could steer a server to another path.
    pub fn take(&self, peer: &Peer, headers: &mut HeaderMap) -> Origin {
        let trusted = self.vouches(peer.addr());
        let origin = if trusted { self.believe(peer, headers) } else { Origin::direct(peer) };
        let family: Vec<HeaderName> =
            headers.keys().filter(|name| is_forwarding(name)).cloned().collect();
        for name in family {
            headers.remove(name);
        }
        origin
    }

    fn vouches(&self, addr: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&addr))
    }

    fn believe(&self, peer: &Peer, headers: &HeaderMap) -> Origin {
        let one = |name: &HeaderName| {
            let mut values = headers.get_all(name).iter();
            // Two of them contradict each other or pretend to.
            values.next().filter(|value| values.next().is_none() && !value.is_empty()).cloned()
        };
        let hops: Option<Vec<IpAddr>> = headers
            .get_all(FOR)
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .filter(|hop| !hop.trim_ascii().is_empty())
            .map(parse_hop)
            .collect();
        // One hop that is no address, and nothing is known about those before it.
        let hops = hops.filter(|hops| hops.len() <= CHAIN).unwrap_or_default();
        let client = hops.iter().rev().find(|hop| !self.vouches(**hop)).or_else(|| hops.first());
        let chain = hops.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        Origin {
            client: client.copied().unwrap_or_else(|| peer.addr()),
            trusted: true,
            chain: (!chain.is_empty()).then_some(chain),
            host: one(&HOST),
            proto: one(&PROTO).filter(|proto| matches!(proto.as_bytes(), b"http" | b"https")),
            port: one(&PORT).filter(|port| port.to_str().is_ok_and(|p| p.parse::<u16>().is_ok())),
        }
    }
}

impl Origin {
    fn direct(peer: &Peer) -> Self {
        let client = peer.addr();
        Self { client, trusted: false, chain: None, host: None, proto: None, port: None }
    }

    /// Writes the family for the next server. `host` is the request's own.
    pub fn write(&self, peer: &Peer, host: Option<&HeaderValue>, headers: &mut HeaderMap) {
        let last = peer.addr_value().clone();
        let real_ip = match &self.chain {
            None => {
                headers.insert(FOR, last.clone());
                last
            }
            Some(chain) => {
                let whole = HeaderValue::from_str(&format!("{chain}, {}", peer.addr()));
                headers.insert(FOR, whole.unwrap_or(last));
                let client = HeaderValue::from_str(&self.client.to_string());
                client.unwrap_or_else(|_| peer.addr_value().clone())
            }
        };
        headers.insert(REAL_IP, real_ip);
        let proto = self.proto.clone().unwrap_or_else(|| HeaderValue::from_static("http"));
        if let Some(host) = self.host.as_ref().or(host) {
            headers.insert(HOST, host.clone());
        }
        let forwarded = self.forwarded(peer, &proto, self.host.as_ref().or(host));
        headers.insert(PROTO, proto);
        headers.insert(PORT, self.port.clone().unwrap_or_else(|| peer.local_port_value().clone()));
        if let Some(forwarded) = forwarded {
            headers.insert(header::FORWARDED, forwarded);
        }
    }

    /// The same as one `Forwarded` element (RFC 7239 section 4) about the client.
    fn forwarded(
        &self,
        peer: &Peer,
        proto: &HeaderValue,
        host: Option<&HeaderValue>,
    ) -> Option<HeaderValue> {
        let mut text = Vec::with_capacity(96);
        if self.client == peer.addr() {
            text.extend_from_slice(peer.node().as_bytes());
        } else {
            text.extend_from_slice(node(self.client).as_bytes());
        }
        let plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        // What would need escaping is no host, and only a trusted peer can have sent it.
        if let Some(host) = host.map(HeaderValue::as_bytes)
            && host.iter().all(plain)
        {
            for part in [b";host=\"", host, b"\""] {
                text.extend_from_slice(part);
            }
        }
        text.extend_from_slice(b";proto=");
        text.extend_from_slice(proto.as_bytes());
        HeaderValue::from_maybe_shared(Bytes::from(text)).ok()
    }
}

/// A hop as proxies write it: an address, perhaps with a port, IPv6 perhaps in brackets.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop.trim_ascii()).ok()?;
    let bare = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hop);
    let addr = bare.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|at| at.ip()));
    addr.map(|addr: IpAddr| addr.to_canonical())
}

/// Whether a name could be read as one of the family, or as one that steers.
pub fn is_forwarding(name: &HeaderName) -> bool {
    // All of them begin with one of two letters, and few other names do.
    match name.as_str().as_bytes().first() {
        Some(b'x') => {
            begins_as(name, b"x-forwarded-")
                || reads_as(name, "x-real-ip")
                || STEERING.iter().any(|steering| reads_as(name, steering))
        }
        Some(b'f') => *name == header::FORWARDED,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let mut map = HeaderMap::new();
        for (name, value) in pairs.iter().map(pair) {
            map.append(name, value);
        }
        map
    }

    fn peer() -> Peer {
        Peer::tcp("10.0.0.9:1234".parse().unwrap(), Some("10.0.0.1:8080".parse().unwrap()))
    }

    fn told(trust: &Trust, sent: &[(&'static str, &'static str)]) -> (IpAddr, Vec<String>) {
        let mut map = headers(sent);
        let origin = trust.take(&peer(), &mut map);
        assert!(map.keys().all(|name| !is_forwarding(name)), "{map:?}");
        origin.write(&peer(), Some(&HeaderValue::from_static("a.test")), &mut map);
        let mut lines: Vec<_> = map
            .iter()
            .filter(|(name, _)| is_forwarding(name))
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort_unstable();
        (origin.client, lines)
    }

    const LIES: &[(&str, &str)] = &[
        ("x-forwarded-for", "1.1.1.1, 10.0.0.7"),
        ("x-forwarded-host", "evil.test"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-port", "443"),
        ("x-forwarded-prefix", "/evil"),
        ("x-forwarded-anything", "x"),
        ("forwarded", "for=1.1.1.1"),
        ("x-real-ip", "1.1.1.1"),
        ("x-original-url", "/admin"),
        ("x-rewrite-url", "/admin"),
        ("x-http-method-override", "DELETE"),
        ("x-http-method", "DELETE"),
        ("x-method-override", "DELETE"),
        ("x_forwarded_for", "1.1.1.1"),
        ("x.forwarded.for", "1.1.1.1"),
        ("x_http_method_override", "DELETE"),
        ("x~original~url", "/admin"),
        ("x.real.ip", "1.1.1.1"),
    ];

    #[test]
    fn an_untrusted_peer_is_believed_nothing() {
        let (client, lines) = told(&Trust::default(), LIES);
        assert_eq!(client, "10.0.0.9".parse::<IpAddr>().unwrap());
        assert_eq!(
            lines,
            [
                "forwarded: for=10.0.0.9;host=\"a.test\";proto=http",
                "x-forwarded-for: 10.0.0.9",
                "x-forwarded-host: a.test",
                "x-forwarded-port: 8080",
                "x-forwarded-proto: http",
                "x-real-ip: 10.0.0.9",
            ]
        );
    }

    #[test]
    fn a_trusted_peer_is_believed_in_everything_but_steering() {
        let trust = Trust::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let (client, lines) = told(&trust, LIES);
        assert_eq!(client, "1.1.1.1".parse::<IpAddr>().unwrap());
        assert_eq!(
            lines,
            [
                "forwarded: for=1.1.1.1;host=\"evil.test\";proto=https",
                "x-forwarded-for: 1.1.1.1, 10.0.0.7, 10.0.0.9",
                "x-forwarded-host: evil.test",
                "x-forwarded-port: 443",
                "x-forwarded-proto: https",
                "x-real-ip: 1.1.1.1",
            ]
        );
    }

    #[test]
    fn the_client_is_the_last_hop_that_nobody_vouches_for() {
        let trust = Trust::new(vec!["10.0.0.0/8".parse().unwrap()]);
        for (chain, client) in [
            ("6.6.6.6, 1.1.1.1, 10.0.0.7", "1.1.1.1"),
            ("1.1.1.1:5000", "1.1.1.1"),
            ("[2001:db8::1]:80", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("10.0.0.5, 10.0.0.7", "10.0.0.5"),
            ("1.1.1.1, unknown, 10.0.0.7", "10.0.0.9"),
            ("", "10.0.0.9"),
        ] {
            let value = Box::leak(chain.to_owned().into_boxed_str());
            let (found, _) = told(&trust, &[("x-forwarded-for", value)]);
            assert_eq!(found, client.parse::<IpAddr>().unwrap(), "{chain}");
        }
    }
}
