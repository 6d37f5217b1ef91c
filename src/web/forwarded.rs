//! `Forwarded` as a proxy before us writes it (RFC 7239).

use std::net::IpAddr;

use super::forwarding::parse_hop;

/// What a proxy says of whoever it was asked by.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Hop {
    pub(super) addr: IpAddr,
    /// What it was asked for there.
    pub(super) host: Option<String>,
    pub(super) proto: Option<String>,
}

/// Reads the lines of the field: the hops, from the client on. `None` if anything in them is not
/// as the standard has it, or one hop is no address.
pub(super) fn read<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Option<Vec<Hop>> {
    let mut hops = Vec::new();
    for line in lines {
        for element in split(std::str::from_utf8(line).ok()?, ',')? {
            hops.push(hop(element)?);
        }
    }
    Some(hops)
}

fn hop(element: &str) -> Option<Hop> {
    let (mut node, mut host, mut proto) = (None, None, None);
    for pair in split(element, ';')? {
        let (name, value) = pair.split_once('=')?;
        let place = match name.to_ascii_lowercase().as_str() {
            "for" => &mut node,
            "host" => &mut host,
            "proto" => &mut proto,
            _ => continue,
        };
        if place.replace(unquote(value)?).is_some() {
            return None;
        }
    }
    Some(Hop { addr: parse_hop(node?.as_bytes())?, host, proto })
}

/// The parts between separators outside of quotes, empty ones left out; `None` if a quote is
/// open at the end.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = text.split(|char: char| {
        if quoted && !escaped && char == '\\' {
            escaped = true;
            return false;
        }
        if char == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = false;
        char == separator && !quoted
    });
    let parts = parts.map(str::trim).filter(|part| !part.is_empty()).collect();
    (!quoted).then_some(parts)
}

/// A token, or what a quoted string holds.
fn unquote(value: &str) -> Option<String> {
    let Some(rest) = value.strip_prefix('"') else {
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"\\,;=".contains(&byte);
        return (!value.is_empty() && value.bytes().all(plain)).then(|| value.to_owned());
    };
    let inner = rest.strip_suffix('"')?;
    // Nothing that a hop, a host or a scheme is made of needs escaping.
    (!inner.contains(['"', '\\'])).then(|| inner.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &[&str]) -> Option<Vec<Hop>> {
        read(lines.iter().map(|line| line.as_bytes()))
    }

    #[test]
    fn hops_are_read_in_their_order() {
        let read = told(&[
            "for=192.0.2.43;proto=https;host=a.test, For=\"[2001:db8::17]:4711\";host=inner",
            "for=\"198.51.100.17:80\";by=203.0.113.60,",
        ])
        .unwrap();
        let hops: Vec<_> = read.iter().map(|hop| hop.addr.to_string()).collect();
        assert_eq!(hops, ["192.0.2.43", "2001:db8::17", "198.51.100.17"]);
        let first = (read[0].host.as_deref(), read[0].proto.as_deref());
        assert_eq!(first, (Some("a.test"), Some("https")));
        assert_eq!((read[1].host.as_deref(), &read[2].host), (Some("inner"), &None));
    }

    #[test]
    fn a_field_with_a_flaw_says_nothing() {
        for line in [
            "for=unknown, for=1.1.1.1",
            "for=_hidden",
            "proto=http, for=1.1.1.1",
            "for=\"1.1.1.1",
            "for=\"1.1.1.1\\\"",
            "for=1.1.1.1;for=2.2.2.2",
            "for=1.1.1.1;host=a;host=b",
            "for",
            "for=",
            "for=1.1.1.1=2",
            "for=\"a\"b\"",
            "for=a b",
        ] {
            assert_eq!(told(&[line]), None, "{line}");
        }
    }
}
