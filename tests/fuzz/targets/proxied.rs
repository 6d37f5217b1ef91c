//! Behind a PROXY header the client is whom it names, and without a good one nobody is served.

use super::world::WORLD;

const REQUEST: &[u8] = b"GET /x HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

pub(crate) fn run(bytes: &[u8]) {
    let (_, passed) = WORLD.tell("proxied", &[bytes, REQUEST].concat());
    if passed.is_empty() {
        return;
    }
    let named = named(bytes);
    for request in &passed {
        let client =
            request.headers.get("x-forwarded-for").expect("the chain").to_str().expect("text");
        match &named {
            Some(named) => assert_eq!(client, named),
            None => assert!(bytes.starts_with(SIGNATURE) || bytes.starts_with(b"PROXY UNKNOWN")),
        }
    }
}

/// Whom a header names, read anew.
fn named(bytes: &[u8]) -> Option<String> {
    if let Some(rest) = bytes.strip_prefix(SIGNATURE) {
        return match rest {
            [0x21, 0x11, _, _, a, b, c, d, ..] => Some(format!("{a}.{b}.{c}.{d}")),
            [0x21, 0x21, _, _, source @ ..] => {
                let source: [u8; 16] = source.get(..16)?.try_into().ok()?;
                Some(std::net::IpAddr::from(source).to_canonical().to_string())
            }
            _ => None,
        };
    }
    let line = std::str::from_utf8(bytes.split(|byte| *byte == b'\r').next()?).ok()?;
    let mut words = line.split(' ');
    if words.next() != Some("PROXY") || words.next() == Some("UNKNOWN") {
        return None;
    }
    let source: std::net::IpAddr = words.next()?.parse().ok()?;
    Some(source.to_canonical().to_string())
}
