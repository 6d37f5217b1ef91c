//! The host that a request is for.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;

/// A host and perhaps a port, from a `Host` field or a request target (RFC 9110 section 7.2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HostName<'a> {
    name: Cow<'a, str>,
    port: Option<u16>,
}

/// Why a host is refused with 400.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HostError {
    /// There is no host.
    #[error("empty host")]
    Empty,
    /// Something no host name has: user info, a space, a comma, a control or non-ASCII byte, an
    /// escape, an empty label.
    #[error("invalid host name")]
    Name,
    /// The brackets hold no IPv6 address.
    #[error("invalid IPv6 address")]
    Address,
    /// What follows the colon is no port from 1 to 65535.
    #[error("invalid port")]
    Port,
}

impl<'a> HostName<'a> {
    /// Reads a host strictly. Names are lower-cased and lose one trailing dot; IPv6 addresses
    /// keep their brackets and are written as RFC 5952 has it.
    ///
    /// ```
    /// use portcullis::rooms::web::HostName;
    ///
    /// let host = HostName::parse("App.Example.com.:8443")?;
    /// assert_eq!((host.name(), host.port()), ("app.example.com", Some(8443)));
    /// # Ok::<(), portcullis::rooms::web::HostError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A [`HostError`]: answer 400.
    pub fn parse(text: &'a str) -> Result<Self, HostError> {
        if let Some(rest) = text.strip_prefix('[') {
            let (address, after) = rest.split_once(']').ok_or(HostError::Address)?;
            let address: Ipv6Addr = address.parse().map_err(|_| HostError::Address)?;
            let port = match after.strip_prefix(':') {
                Some(port) => Some(parse_port(port)?),
                None if after.is_empty() => None,
                None => return Err(HostError::Port),
            };
            return Ok(Self { name: Cow::Owned(format!("[{address}]")), port });
        }
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, Some(parse_port(port)?)),
            None => (text, None),
        };
        Ok(Self { name: parse_name(name)?, port })
    }

    /// The name alone, as route keys have it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port, if one was written.
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whether both are the same authority, where a port left out means `default_port`: 80 for
    /// `http`, 443 for `https`.
    pub fn agrees_with(&self, other: &HostName<'_>, default_port: u16) -> bool {
        self.name == other.name
            && self.port.unwrap_or(default_port) == other.port.unwrap_or(default_port)
    }

    /// The same host, free of the request that it came from.
    pub fn into_owned(self) -> HostName<'static> {
        HostName { name: Cow::Owned(self.name.into_owned()), port: self.port }
    }
}

impl fmt::Display for HostName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

fn parse_port(text: &str) -> Result<u16, HostError> {
    // A number's parser takes a sign, too.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let port = if digits { text.parse().ok() } else { None };
    port.filter(|port| *port != 0).ok_or(HostError::Port)
}

fn parse_name(text: &str) -> Result<Cow<'_, str>, HostError> {
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.is_empty() {
        return Err(HostError::Empty);
    }
    // RFC 1035 section 2.3.4. The underscore is no host name's, but Docker's are full of it.
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let (mut capitals, mut previous) = (false, b'.');
    for byte in name.bytes() {
        // No label is empty.
        if !legal(byte) || (byte == b'.' && previous == b'.') {
            return Err(HostError::Name);
        }
        capitals |= byte.is_ascii_uppercase();
        previous = byte;
    }
    if name.len() > 253 || previous == b'.' {
        return Err(HostError::Name);
    }
    Ok(if capitals { Cow::Owned(name.to_ascii_lowercase()) } else { Cow::Borrowed(name) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_host_has_one_spelling() {
        for (text, shown) in [
            ("example.com", "example.com"),
            ("EXAMPLE.com.", "example.com"),
            ("example.com:80", "example.com:80"),
            ("example.com.:080", "example.com:80"),
            ("my_app-1", "my_app-1"),
            ("10.0.0.1:65535", "10.0.0.1:65535"),
            ("[::1]", "[::1]"),
            ("[2001:DB8:0:0::1]:8443", "[2001:db8::1]:8443"),
        ] {
            assert_eq!(HostName::parse(text).unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for (text, error) in [
            ("", HostError::Empty),
            (".", HostError::Empty),
            (":80", HostError::Empty),
            ("a..b", HostError::Name),
            ("a..", HostError::Name),
            ("a..:80", HostError::Name),
            (".a", HostError::Name),
            ("a b", HostError::Name),
            (" a", HostError::Name),
            ("a\t", HostError::Name),
            ("a,b", HostError::Name),
            ("user@a", HostError::Name),
            ("user:pass@a", HostError::Port),
            ("a/b", HostError::Name),
            ("a%2eb", HostError::Name),
            ("é", HostError::Name),
            ("a\0", HostError::Name),
            ("a:", HostError::Port),
            ("a:0", HostError::Port),
            ("a:65536", HostError::Port),
            ("a:+80", HostError::Port),
            ("a:80:80", HostError::Port),
            ("::1", HostError::Port),
            ("[::1", HostError::Address),
            ("[::1%25eth0]", HostError::Address),
            ("[a]", HostError::Address),
            ("[::1]80", HostError::Port),
            ("[::1]:", HostError::Port),
        ] {
            assert_eq!(HostName::parse(text), Err(error), "{text:?}");
        }
        assert!(HostName::parse(&"a".repeat(253)).is_ok());
        assert_eq!(HostName::parse(&"a".repeat(254)), Err(HostError::Name));
    }

    #[test]
    fn the_default_port_makes_no_difference() {
        let host = |text| HostName::parse(text).unwrap();
        assert!(host("a.test").agrees_with(&host("A.test.:80"), 80));
        assert!(host("a.test:443").agrees_with(&host("a.test"), 443));
        assert!(host("a.test").agrees_with(&host("a.test:443"), 443));
        assert!(!host("a.test:80").agrees_with(&host("a.test"), 443));
        assert!(!host("a.test").agrees_with(&host("b.test"), 80));
        assert!(host("[::1]").agrees_with(&host("[0::1]:80"), 80));
    }

    proptest! {
        #[test]
        fn parsing_is_idempotent(text in r"\[?[a-zA-Z0-9.:_-]{0,12}\]?(:[0-9]{0,6})?") {
            if let Ok(host) = HostName::parse(&text) {
                let shown = host.to_string();
                prop_assert_eq!(HostName::parse(&shown), Ok(host));
            }
        }
    }
}
