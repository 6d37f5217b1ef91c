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
/// Fields by which some servers take another path, host or method than the one we judged.
const STEERING: [&str; 11] = [
    "x-original-url",
    "x-original-uri",
    "x-original-host",
    "x-original-method",
    "x-rewrite-url",
    "x-rewrite-uri",
    "x-override-url",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-url-scheme",
];
/// Fields by which proxies and networks of caches that are not ours say who the client is. They
/// count for nothing here, and servers that believe them are told by a trusted peer alone.
const CLIENTS: [&str; 14] = [
    "true-client-ip",
    "client-ip",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "fastly-client-ip",
    "x-forwarded",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-forwarded-for",
    "x-originating-ip",
    "x-remote-addr",
    "x-remote-ip",
    "x-envoy-external-address",
    "x-azure-clientip",
];
/// Hops of a chain that are looked at, from the last one on: the first ones may be anybody's.
const CHAIN: usize = 32;

/// The peers whose word about the client counts (`trust`), and how they give it.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    networks: Vec<IpNet>,
    family: TrustHeaders,
}

/// The fields that the trusted peers write (`trust_headers`). The other ones are whatever their
/// clients sent, and count for nothing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TrustHeaders {
    /// `X-Forwarded-For` and its like.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

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
    /// Peers in these networks are trusted, in the fields of that family.
    pub const fn new(networks: Vec<IpNet>, family: TrustHeaders) -> Self {
        Self { networks, family }
    }

    /// Reads the family, believes it if the peer is trusted, and removes it either way,
    /// together with every field that could steer a server to another path. What other proxies
    /// call the client stays if the peer is trusted.
    pub fn take(&self, peer: &Peer, headers: &mut HeaderMap) -> Origin {
        let trusted = peer.has_a_word() && self.vouches(peer.addr());
        let origin = match self.family {
            _ if !trusted => Origin::direct(peer),
            TrustHeaders::XForwarded => self.believe_x_forwarded(peer, headers),
            TrustHeaders::Forwarded => self.believe_forwarded(peer, headers),
        };
        let goes = |name: &&HeaderName| is_forwarding(name) || (!trusted && tells_client(name));
        let family: Vec<HeaderName> = headers.keys().filter(goes).cloned().collect();
        for name in family {
            headers.remove(name);
        }
        origin
    }

    /// Whether `addr` is in them.
    pub fn vouches(&self, addr: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&addr))
    }

    fn believe_x_forwarded(&self, peer: &Peer, headers: &HeaderMap) -> Origin {
        let one = |name: &HeaderName| {
            let mut values = headers.get_all(name).iter();
            // Two of them contradict each other or pretend to.
            values.next().filter(|_| values.next().is_none()).cloned()
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
            host: one(&HOST).filter(is_host),
            proto: one(&PROTO).filter(|proto| matches!(proto.as_bytes(), b"http" | b"https")),
            port: one(&PORT).filter(|port| port.to_str().is_ok_and(is_port)),
        }
    }

    /// The same by the standard's own field.
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
        let host = host.and_then(value).filter(is_host);
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

    /// How the client speaks to whoever it speaks to: `http` or `https`.
    pub fn scheme(&self, peer: &Peer) -> &'static str {
        let secure = self.proto.as_ref().map_or_else(|| peer.is_https(), |proto| proto == "https");
        if secure { "https" } else { "http" }
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
        let proto = HeaderValue::from_static(self.scheme(peer));
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

fn is_host(value: &HeaderValue) -> bool {
    value.to_str().is_ok_and(|host| HostName::parse(host).is_ok())
}

/// Digits alone: a number's parser takes a sign, too.
fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// A hop as proxies write it: an address, perhaps with a port, IPv6 perhaps in brackets.
pub(super) fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop.trim_ascii()).ok()?;
    let bare = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hop);
    let addr = bare.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|at| at.ip()));
    addr.map(|addr: IpAddr| addr.to_canonical())
}

/// Whether a name could be read as one by which some other proxy tells who the client is.
pub fn tells_client(name: &HeaderName) -> bool {
    let first = name.as_str().as_bytes().first();
    matches!(first, Some(b't' | b'c' | b'f' | b'x'))
        && CLIENTS.iter().any(|client| reads_as(name, client))
}

/// Whether a name could be read as one of the family, or as one that steers.
pub fn is_forwarding(name: &HeaderName) -> bool {
    // All of them begin with one of three letters, and few other names do.
    match name.as_str().as_bytes().first() {
        Some(b'x') => {
            begins_as(name, b"x-forwarded-")
                || reads_as(name, "x-real-ip")
                || STEERING.iter().any(|steering| reads_as(name, steering))
        }
        Some(b'f') => *name == header::FORWARDED,
        // To CGI and its heirs it is HTTP_PROXY, by which many programs choose where to send their
        // own requests (CVE-2016-5385).
        Some(b'p') => name.as_str() == "proxy",
        _ => false,
    }
}

#[cfg(test)]
mod tests;
