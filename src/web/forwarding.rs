//! Where a request really came from, and what the next server is told about it.
//!
//! The forwarding fields are one family: all of them are taken from a trusted peer, or none.
//! From anybody else they are removed and written anew, so that no two of them ever tell
//! different stories (RFC 7239 section 8.1).

use std::net::{IpAddr, SocketAddr};

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use super::fold::{begins_as, reads_as};
use super::forwarded;
use super::lines::write_lines;
use super::peer::node;
use super::{HostName, Peer};

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
/// Hops of a chain that are looked at, from the last one on: the first ones may be anybody's.
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

    /// Whether `addr` is in them.
    pub fn vouches(&self, addr: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&addr))
    }

    fn believe(&self, peer: &Peer, headers: &HeaderMap) -> Origin {
        if !headers.keys().any(|name| begins_as(name, b"x-forwarded-"))
            && headers.contains_key(header::FORWARDED)
        {
            return self.believe_forwarded(peer, headers);
        }
        let one = |name: &HeaderName| {
            let mut values = headers.get_all(name).iter();
            // Two of them contradict each other or pretend to.
            values.next().filter(|value| values.next().is_none() && !value.is_empty()).cloned()
        };
        // One hop that is no address, and nothing is known about those before it. What stands
        // behind it was written by who came later, and counts all the same.
        let mut hops: Vec<IpAddr> = headers
            .get_all(FOR)
            .iter()
            .rev()
            .flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','))
            .filter(|hop| !hop.trim_ascii().is_empty())
            .map_while(parse_hop)
            .take(CHAIN)
            .collect();
        hops.reverse();
        let (client, chain) = self.last_unknown(peer, &hops);
        Origin {
            client,
            trusted: true,
            chain,
            host: one(&HOST),
            proto: one(&PROTO).filter(|proto| matches!(proto.as_bytes(), b"http" | b"https")),
            port: one(&PORT).filter(|port| port.to_str().is_ok_and(|p| p.parse::<u16>().is_ok())),
        }
    }

    /// The same by the standard's own field, of a peer that writes no other.
    fn believe_forwarded(&self, peer: &Peer, headers: &HeaderMap) -> Origin {
        let lines = headers.get_all(header::FORWARDED).iter().map(HeaderValue::as_bytes);
        let told = forwarded::read(lines, CHAIN);
        let hops: Vec<IpAddr> = told.iter().map(|hop| hop.addr).collect();
        let (client, chain) = self.last_unknown(peer, &hops);
        // What was asked for is known from whoever was asked by the client; what stands before
        // it, the client may have written.
        let first = told.into_iter().rev().find(|hop| hop.addr == client);
        let (host, proto) = first.map_or((None, None), |hop| (hop.host, hop.proto));
        let value = |text: String| HeaderValue::try_from(text).ok();
        let host = host.filter(|host| HostName::parse(host).is_ok()).and_then(value);
        let proto = proto.map(|proto| proto.to_ascii_lowercase());
        let proto = proto.filter(|proto| proto == "http" || proto == "https").and_then(value);
        Origin { client, trusted: true, chain, host, proto, port: None }
    }

    /// The client, and the chain as it goes on.
    fn last_unknown(&self, peer: &Peer, hops: &[IpAddr]) -> (IpAddr, Option<String>) {
        let client = hops.iter().rev().find(|hop| !self.vouches(**hop)).or_else(|| hops.first());
        let chain = hops.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        (client.copied().unwrap_or_else(|| peer.addr()), (!chain.is_empty()).then_some(chain))
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
        let own = if peer.is_https() { "https" } else { "http" };
        let proto = self.proto.clone().unwrap_or_else(|| HeaderValue::from_static(own));
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

    /// The same as [`Origin::write`], as lines of HTTP/1.1.
    pub(crate) fn lines(&self, peer: &Peer, host: Option<&HeaderValue>) -> Bytes {
        let make = || {
            let mut fields = HeaderMap::with_capacity(8);
            self.write(peer, host, &mut fields);
            let mut lines = BytesMut::with_capacity(320);
            write_lines(&fields, &mut lines);
            lines.freeze()
        };
        // Of a client without proxies there is nothing that could differ between its requests.
        if self.trusted { make() } else { peer.told(host, make) }
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
pub(super) fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
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
    fn the_standards_own_field_counts_where_no_other_is() {
        let trust = Trust::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let field = "for=6.6.6.6;host=evil.test;proto=http, for=1.1.1.1;host=shop.test;proto=HTTPS, for=10.0.0.7";
        let (client, lines) = told(&trust, &[("forwarded", field)]);
        assert_eq!(client, "1.1.1.1".parse::<IpAddr>().unwrap());
        assert_eq!(
            lines,
            [
                "forwarded: for=1.1.1.1;host=\"shop.test\";proto=https",
                "x-forwarded-for: 6.6.6.6, 1.1.1.1, 10.0.0.7, 10.0.0.9",
                "x-forwarded-host: shop.test",
                "x-forwarded-port: 8080",
                "x-forwarded-proto: https",
                "x-real-ip: 1.1.1.1",
            ]
        );
        // Beside the other family it is whatever the client sent: a proxy writes one of the two.
        let both = [("x-forwarded-for", "2.2.2.2"), ("forwarded", field)];
        assert_eq!(told(&trust, &both).0, "2.2.2.2".parse::<IpAddr>().unwrap());
        let (client, _) = told(&trust, &[("forwarded", "for=\"1.1.1.1")]);
        assert_eq!(client, "10.0.0.9".parse::<IpAddr>().unwrap());
        let (client, _) = told(&Trust::default(), &[("forwarded", field)]);
        assert_eq!(client, "10.0.0.9".parse::<IpAddr>().unwrap());
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
            ("1.1.1.1, unknown, 10.0.0.7", "10.0.0.7"),
            ("10.0.0.7, unknown", "10.0.0.9"),
            ("", "10.0.0.9"),
        ] {
            let value = Box::leak(chain.to_owned().into_boxed_str());
            let (found, _) = told(&trust, &[("x-forwarded-for", value)]);
            assert_eq!(found, client.parse::<IpAddr>().unwrap(), "{chain}");
        }
    }

    /// A trusted proxy writes its own client behind whatever that client sent: nothing there may
    /// make the client look like the proxy, whose address `from` may let in.
    #[test]
    fn a_client_cannot_hide_behind_a_chain_that_it_began() {
        let trust = Trust::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let client = "6.6.6.6".parse::<IpAddr>().unwrap();
        let long = "10.0.0.5, ".repeat(40);
        for begun in ["x, ", "unknown, ", "10.0.0.5, _a, ", "\", ", long.as_str()] {
            let chain = Box::leak(format!("{begun}6.6.6.6, 10.0.0.7").into_boxed_str());
            let (found, lines) = told(&trust, &[("x-forwarded-for", chain)]);
            assert_eq!(found, client, "{begun}");
            let kept = lines.iter().find(|line| line.starts_with("x-forwarded-for")).unwrap();
            assert!(kept.ends_with("6.6.6.6, 10.0.0.7, 10.0.0.9"), "{kept}");
            assert!(kept.len() < 400, "{kept}");
        }
        let long = "for=10.0.0.5, ".repeat(40);
        for begun in ["for=x, ", "for=unknown, ", "for, ", long.as_str()] {
            let line = Box::leak(format!("{begun}for=6.6.6.6, for=10.0.0.7").into_boxed_str());
            assert_eq!(told(&trust, &[("forwarded", line)]).0, client, "{begun}");
        }
        let lines = [("forwarded", "for=\"10.0.0.5"), ("forwarded", "for=6.6.6.6, for=10.0.0.7")];
        assert_eq!(told(&trust, &lines).0, client);
        // The quote of one swallows what a proxy joins to it.
        let line = [("forwarded", "for=\"10.0.0.5, for=6.6.6.6;proto=https, for=\"10.0.0.7\"")];
        assert_eq!(told(&trust, &line).0, client);
    }
}
