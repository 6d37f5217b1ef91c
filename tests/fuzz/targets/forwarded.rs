//! Where a request came from is said by its connection, or by a trusted chain that leads there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis::rooms::web::{HostName, Peer, Trust, TrustHeaders, is_forwarding};

const NAMES: [&str; 8] = [
    "x-forwarded-for",
    "forwarded",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-real-ip",
    "x-original-url",
    "accept",
];
const TRUSTED: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const STRANGER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);

/// Each line of the bytes is a field; its first byte says which.
pub(crate) fn run(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n').take(12) {
        let Some((first, value)) = line.split_first() else { continue };
        let Ok(value) = HeaderValue::from_bytes(value) else { continue };
        headers.append(HeaderName::from_static(NAMES[usize::from(*first) % NAMES.len()]), value);
    }
    let network = "10.0.0.0/8".parse().expect("a network");
    for family in [TrustHeaders::XForwarded, TrustHeaders::Forwarded] {
        let trust = Trust::new(vec![network], family);
        for peer in [TRUSTED, STRANGER] {
            judge(&trust, peer, headers.clone());
        }
    }
}

fn judge(trust: &Trust, addr: Ipv4Addr, mut headers: HeaderMap) {
    let said: String =
        headers.values().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    let peer = Peer::tcp(SocketAddr::from((addr, 4711)), None);
    let origin = trust.take(&peer, &mut headers);
    assert!(headers.keys().all(|name| !is_forwarding(name)), "{headers:?}");
    assert!(!headers.contains_key("x-original-url"));
    if addr == STRANGER {
        assert_eq!(origin.client, IpAddr::from(STRANGER), "an untrusted peer was believed");
        assert!(!origin.trusted);
    } else if origin.client != IpAddr::from(TRUSTED) {
        // An address of the sixth version may be written in more than one way.
        let there = said.contains(':') || said.contains(&origin.client.to_string());
        assert!(there, "{} was never named: {said:?}", origin.client);
    }
    let host = HeaderValue::from_static("app.test");
    origin.write(&peer, Some(&host), &mut headers);
    for name in headers.keys().filter(|name| is_forwarding(name)) {
        let mut values = headers.get_all(name).iter();
        let value = values.next().and_then(|value| value.to_str().ok()).expect("text");
        assert!(values.next().is_none(), "{name} is there more than once");
        match name.as_str() {
            "x-forwarded-host" => assert!(HostName::parse(value).is_ok(), "{value}"),
            "x-forwarded-port" => {
                assert!(value.bytes().all(|byte| byte.is_ascii_digit()), "{value}");
            }
            _ => {}
        }
    }
    let scheme = origin.scheme(&peer);
    assert!(scheme == "http" || scheme == "https");
    let chain = headers.get("x-forwarded-for").expect("the chain").to_str().expect("text");
    let last = chain.rsplit(',').next().expect("a hop").trim();
    assert_eq!(last, addr.to_string(), "the last hop is who connected");
}
