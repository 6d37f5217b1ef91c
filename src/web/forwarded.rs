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

/// Reads the lines of the field: the last `most` hops, from the client's side on. It is read from
/// its end, and ends before the first flaw there: who came later cannot help what it was sent.
pub(super) fn read<'a>(lines: impl DoubleEndedIterator<Item = &'a [u8]>, most: usize) -> Vec<Hop> {
    let mut hops = Vec::new();
    'lines: for line in lines.rev() {
        // What is no text becomes a flaw of the hop that it stands in.
        let line = String::from_utf8_lossy(line);
        for element in elements(&line).into_iter().rev() {
            let Some(hop) = hop(element).filter(|_| hops.len() < most) else { break 'lines };
            hops.push(hop);
        }
    }
    hops.reverse();
    hops
}

/// The hops of a line. Where a quote is open at its end, some of them have no one reading: those
/// that end the line can be told apart all the same, for no hop needs a comma.
fn elements(line: &str) -> Vec<&str> {
    split(line, ',').unwrap_or_else(|| line.split(',').map(str::trim).collect())
}

fn hop(element: &str) -> Option<Hop> {
    let (mut node, mut host, mut proto) = (None, None, None);
    for pair in split(element, ';')? {
        // What stands between two quoted strings is no name: whoever began the line with a quote of
        // its own has turned outside what a proxy wrote within.
        let (name, value) = pair.split_once('=').filter(|(name, _)| is_token(name))?;
        let value = unquote(value)?;
        let place = match name.to_ascii_lowercase().as_str() {
            "for" => &mut node,
            "host" => &mut host,
            "proto" => &mut proto,
            _ => continue,
        };
        if place.replace(value).is_some() {
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

/// Not only a token of RFC 9110: some proxies leave the quotes around an address out.
fn is_token(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"\\,;=".contains(&byte);
    !text.is_empty() && text.bytes().all(plain)
}

/// A token, or what a quoted string holds.
fn unquote(value: &str) -> Option<String> {
    let Some(rest) = value.strip_prefix('"') else {
        return is_token(value).then(|| value.to_owned());
    };
    let mut inner = String::with_capacity(rest.len());
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return chars.as_str().is_empty().then_some(inner),
            '\\' => inner.push(chars.next()?),
            char => inner.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &[&str]) -> Vec<Hop> {
        read(lines.iter().map(|line| line.as_bytes()), 8)
    }

    fn addresses(lines: &[&str]) -> Vec<String> {
        told(lines).iter().map(|hop| hop.addr.to_string()).collect()
    }

    #[test]
    fn hops_are_read_in_their_order() {
        let lines = [
            "for=192.0.2.43;proto=https;host=a.test, For=\"[2001:db8::17]:4711\";host=inner",
            "for=\"198.51.100.17:80\";by=203.0.113.60,",
        ];
        assert_eq!(addresses(&lines), ["192.0.2.43", "2001:db8::17", "198.51.100.17"]);
        let read = told(&lines);
        let first = (read[0].host.as_deref(), read[0].proto.as_deref());
        assert_eq!(first, (Some("a.test"), Some("https")));
        assert_eq!((read[1].host.as_deref(), &read[2].host), (Some("inner"), &None));
    }

    #[test]
    fn nothing_counts_before_a_flaw_and_everything_behind_it() {
        for flawed in [
            "for=unknown",
            "for=_hidden",
            "proto=http",
            "for=\"1.1.1.1",
            "for=\"1.1.1.1\\\"",
            "for=1.1.1.1;for=2.2.2.2",
            "for=1.1.1.1;host=a;host=b",
            "for",
            "for=",
            "for=1.1.1.1=2",
            "for=\"a\"b\"",
            "for=a b",
            "for=1.1.1.1;x=a b",
            "for=1.1.1.1;x=",
            "for=1.1.1.1;=x",
            "for=1.1.1.1;\"x\"=y",
            "for=\u{e9}",
            "x=\"for=1.1.1.1, for=2.2.2.2",
        ] {
            assert!(told(&[flawed]).last().is_none_or(|hop| hop.addr.to_string() == "2.2.2.2"));
            let line = format!("for=9.9.9.9, {flawed}, for=1.2.3.4, for=\"[::1]:80\"");
            let read = addresses(&["for=8.8.8.8", &line]);
            assert!(read.ends_with(&["1.2.3.4".to_owned(), "::1".to_owned()]), "{flawed}");
            assert!(!read.iter().any(|hop| hop == "8.8.8.8" || hop == "9.9.9.9"), "{flawed}");
        }
        // A quoted string may end with a backslash of its own; outside of quotes there is none.
        assert_eq!(addresses(&["for=1.1.1.1;x=\"a\\\\\", for=::1"]), ["1.1.1.1", "::1"]);
        assert_eq!(addresses(&["x=\\\", for=1.1.1.1;x=\"a,b\", for=::1"]), ["::1"]);
        // Inside of quotes nothing is a hop.
        assert_eq!(addresses(&["for=1.1.1.1;host=\"a, for=2.2.2.2\""]), ["1.1.1.1"]);
        let escaped = "for=1.1.1.1;x=\"a, for=2.2.2.2;z=\\\"q\"";
        assert_eq!(addresses(&[escaped]), ["1.1.1.1"]);
        assert!(addresses(&[&format!("for=\"x, {escaped}")]).is_empty());
        assert_eq!(addresses(&["for=1.1.1.1, ".repeat(9).as_str()]).len(), 8);
    }

    /// Behind an open quote of the client's, the inside of a proxy's strings is read as the outside.
    /// With a quote in one of them that is escaped, the line looks whole again.
    #[test]
    fn what_a_proxy_quotes_is_no_hop_whatever_its_client_began() {
        for quoted in [
            "host=\"a, for=10.0.0.5;\";y=\"\\\"q\"",
            "host=\"a, for=10.0.0.5;z=\";y=\"\\\"q\"",
            "host=\"a, for=10.0.0.5;z=\";y=\";w=\\\"q\"",
            "host=\"a, for=10.0.0.5;z=\\\"q\"",
            "host=\"a, for=10.0.0.5\"",
        ] {
            assert_eq!(addresses(&[&format!("for=6.6.6.6;{quoted}")]), ["6.6.6.6"], "{quoted}");
            for begun in ["\"", "for=\"x", "for=\"\\", "for=\"\\\""] {
                let line = format!("{begun}, for=6.6.6.6;{quoted}");
                let read = addresses(&[&line]);
                assert!(read.is_empty() || read == ["6.6.6.6"], "{line}: {read:?}");
                let read = addresses(&[&format!("{line}, for=10.0.0.7")]);
                assert!(
                    read == ["10.0.0.7"] || read == ["6.6.6.6", "10.0.0.7"],
                    "{line}: {read:?}"
                );
            }
        }
    }
}
