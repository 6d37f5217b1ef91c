//! The PROXY protocol, versions 1 and 2: who a load balancer says its client is.
//!
//! Written after <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>, with no more
//! freedom than a sender needs. What is behind the header stays unread.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};

/// What both begin with is told apart by its first twelve bytes.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Longest header of version 1, with its line end.
const LINE: usize = 107;
/// Most bytes of a header of version 2 behind its first 16: addresses and extensions.
const REST: usize = 4096;

/// Why a header is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProxiedError {
    #[error("no PROXY header")]
    None,
    #[error("malformed PROXY header")]
    Malformed,
    #[error("oversized PROXY header")]
    TooLarge,
    #[error("connection ended in a PROXY header")]
    Read(#[from] io::Error),
}

/// The client's end of a connection, and the end that it connected to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Ends {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
}

/// Reads the header. `None` if it says that the connection is the sender's own, or is silent
/// about the client.
pub(super) async fn read<S: AsyncRead + Unpin>(
    stream: &mut S,
) -> Result<Option<Ends>, ProxiedError> {
    let mut first = [0; SIGNATURE.len()];
    stream.read_exact(&mut first).await?;
    if first == *SIGNATURE {
        read_binary(stream).await
    } else if first.starts_with(b"PROXY ") {
        read_line(stream, &first).await
    } else {
        Err(ProxiedError::None)
    }
}

/// Version 1: one line of text.
async fn read_line<S: AsyncRead + Unpin>(
    stream: &mut S,
    first: &[u8],
) -> Result<Option<Ends>, ProxiedError> {
    let mut line = first.to_vec();
    while !line.ends_with(b"\r\n") {
        // As much as certainly belongs to the line.
        let step = if line.ends_with(b"\r") { 1 } else { 2 };
        let mut next = [0; 2];
        let next = next.get_mut(..step).unwrap_or_default();
        stream.read_exact(next).await?;
        line.extend_from_slice(next);
        if line.len() > LINE {
            return Err(ProxiedError::TooLarge);
        }
    }
    text(&line)
}

/// Version 2: a length, then addresses, then extensions, which nobody needs here.
async fn read_binary<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Option<Ends>, ProxiedError> {
    let mut kind = [0; 4];
    stream.read_exact(&mut kind).await?;
    let [version, family, high, low] = kind;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > REST {
        return Err(ProxiedError::TooLarge);
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    binary(version, family, &rest)
}

fn text(line: &[u8]) -> Result<Option<Ends>, ProxiedError> {
    let line = std::str::from_utf8(line).map_err(|_| ProxiedError::Malformed)?;
    let line = line.strip_suffix("\r\n").ok_or(ProxiedError::Malformed)?;
    if line.contains(|char: char| char.is_ascii_control()) {
        return Err(ProxiedError::Malformed);
    }
    if line == "PROXY UNKNOWN" || line.starts_with("PROXY UNKNOWN ") {
        return Ok(None);
    }
    let words: Vec<&str> = line.split(' ').collect();
    let ["PROXY", family, source, destination, from, to] = words.as_slice() else {
        return Err(ProxiedError::Malformed);
    };
    let addr = |text: &str| -> Option<IpAddr> {
        match *family {
            "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::from),
            "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::from),
            _ => None,
        }
    };
    let end = |host: &str, port: &str| Some(SocketAddr::new(addr(host)?, number(port)?));
    match (end(source, from), end(destination, to)) {
        (Some(source), Some(destination)) => Ok(Some(Ends { source, destination })),
        _ => Err(ProxiedError::Malformed),
    }
}

/// A port in decimal, with nothing before it.
fn number(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let led = text.len() > 1 && text.starts_with('0');
    if plain && !led { text.parse().ok() } else { None }
}

fn binary(version: u8, family: u8, rest: &[u8]) -> Result<Option<Ends>, ProxiedError> {
    match (version, family) {
        // LOCAL: the sender's own connection, such as a health check.
        // UNSPEC and AF_UNIX: nothing that is an address here.
        (0x20, _) | (0x21, 0x00 | 0x31) => Ok(None),
        (0x21, 0x11) => {
            let (from, rest) = split::<4>(rest)?;
            let (to, rest) = split::<4>(rest)?;
            ends(Ipv4Addr::from(from).into(), Ipv4Addr::from(to).into(), rest)
        }
        (0x21, 0x21) => {
            let (from, rest) = split::<16>(rest)?;
            let (to, rest) = split::<16>(rest)?;
            ends(Ipv6Addr::from(from).into(), Ipv6Addr::from(to).into(), rest)
        }
        // No stream, or nothing that was ever defined.
        _ => Err(ProxiedError::Malformed),
    }
}

fn ends(source: IpAddr, destination: IpAddr, ports: &[u8]) -> Result<Option<Ends>, ProxiedError> {
    let (from, rest) = split::<2>(ports)?;
    let (to, _) = split::<2>(rest)?;
    Ok(Some(Ends {
        source: SocketAddr::new(source, u16::from_be_bytes(from)),
        destination: SocketAddr::new(destination, u16::from_be_bytes(to)),
    }))
}

fn split<const N: usize>(bytes: &[u8]) -> Result<([u8; N], &[u8]), ProxiedError> {
    let (first, rest) = bytes.split_first_chunk::<N>().ok_or(ProxiedError::Malformed)?;
    Ok((*first, rest))
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use proptest::prelude::*;

    use super::*;

    /// What is read of `bytes`, and what is left.
    fn read_all(mut bytes: &[u8]) -> (Result<Option<Ends>, ProxiedError>, &[u8]) {
        // All of it is there.
        let read = read(&mut bytes).now_or_never().unwrap();
        (read, bytes)
    }

    fn known(source: &str, destination: &str) -> Ends {
        Ends { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
    }

    fn v2(version: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [SIGNATURE.as_slice(), &[version, family], &length, rest].concat()
    }

    #[test]
    fn exactly_the_header_is_read() {
        let four = [192, 0, 2, 7, 10, 0, 0, 1, 0xc3, 0x50, 0x01, 0xbb];
        let with_extensions = [four.as_slice(), &[0x02, 0, 3], b"a.b"].concat();
        let six = [[0x20; 16], [0x30; 16]].concat();
        let six = [six.as_slice(), &[0, 1, 0, 2]].concat();
        let client = known("192.0.2.7:50000", "10.0.0.1:443");
        for (header, ends) in [
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 443\r\n".to_vec(), Some(client)),
            (
                b"PROXY TCP6 2001:db8::7 ::1 1 65535\r\n".to_vec(),
                Some(known("[2001:db8::7]:1", "[::1]:65535")),
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 whatever 1 2\r\n".to_vec(), None),
            (v2(0x21, 0x11, &four), Some(client)),
            (v2(0x21, 0x11, &with_extensions), Some(client)),
            (
                v2(0x21, 0x21, &six),
                Some(known(
                    "[2020:2020:2020:2020:2020:2020:2020:2020]:1",
                    "[3030:3030:3030:3030:3030:3030:3030:3030]:2",
                )),
            ),
            (v2(0x20, 0x00, b""), None),
            (v2(0x20, 0x11, &four), None),
            (v2(0x21, 0x00, b"xyz"), None),
            (v2(0x21, 0x31, &[0; 216]), None),
            (v2(0x21, 0x11, &[four.as_slice(), &[0; REST - 12]].concat()), Some(client)),
        ] {
            let all = [header.as_slice(), b"GET / HTTP/1.1\r\n"].concat();
            let (read, rest) = read_all(&all);
            assert_eq!(read.unwrap(), ends, "{header:?}");
            assert_eq!(rest, b"GET / HTTP/1.1\r\n", "{header:?}");
        }
    }

    #[test]
    fn a_header_with_a_flaw_is_none() {
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(107));
        for header in [
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            b"PROXY\r\n\r\n\r\n\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 10.0.0.1 50000\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 443 1\r\n".to_vec(),
            b"PROXY  TCP4 192.0.2.7 10.0.0.1 50000 443\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 10.0.0.1 +5 443\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 10.0.0.1 05 443\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 10.0.0.1 65536 443\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.007 10.0.0.1 5 443\r\n".to_vec(),
            b"PROXY TCP4 ::1 10.0.0.1 5 443\r\n".to_vec(),
            b"PROXY TCP6 192.0.2.7 10.0.0.1 5 443\r\n".to_vec(),
            b"PROXY UDP4 192.0.2.7 10.0.0.1 5 443\r\n".to_vec(),
            b"PROXY UNKNOWNS\r\n".to_vec(),
            b"PROXY UNKNOWN\n GET / HTTP/1.1\r\n".to_vec(),
            b"proxy TCP4 192.0.2.7 10.0.0.1 5 443\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 10.0.0.1 5 443".to_vec(),
            b"".to_vec(),
            long.into_bytes(),
            v2(0x11, 0x11, &[0; 12]),
            v2(0x22, 0x11, &[0; 12]),
            v2(0x21, 0x12, &[0; 12]),
            v2(0x21, 0x41, &[0; 12]),
            v2(0x21, 0x11, &[0; 11]),
            v2(0x21, 0x21, &[0; 35]),
            v2(0x20, 0x00, &[0; REST + 1]),
            v2(0x21, 0x11, &[0; 12])[..20].to_vec(),
        ] {
            assert!(read_all(&header).0.is_err(), "{}", String::from_utf8_lossy(&header));
        }
    }

    proptest! {
        #[test]
        fn any_client_is_understood_in_both_versions(
            source: SocketAddr, port: u16, to: u16,
        ) {
            let source = SocketAddr::new(source.ip(), source.port());
            let destination = SocketAddr::new(source.ip(), to);
            let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
            let host = source.ip();
            let line = format!("PROXY {family} {host} {host} {port} {to}\r\n");
            let (read, rest) = read_all(line.as_bytes());
            let ends = Ends { source: SocketAddr::new(host, port), destination };
            prop_assert_eq!(read.unwrap(), Some(ends));
            prop_assert!(rest.is_empty());
            let octets = match host {
                IpAddr::V4(v4) => v4.octets().to_vec(),
                IpAddr::V6(v6) => v6.octets().to_vec(),
            };
            let ports = [port.to_be_bytes(), to.to_be_bytes()].concat();
            let family = if host.is_ipv4() { 0x11 } else { 0x21 };
            let header = v2(0x21, family, &[octets.clone(), octets, ports].concat());
            prop_assert_eq!(read_all(&header).0.unwrap(), Some(ends));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let all = [b"PROXY ".as_slice(), &bytes].concat();
            let (_, rest) = read_all(&all);
            prop_assert!(all.ends_with(rest));
        }
    }
}
