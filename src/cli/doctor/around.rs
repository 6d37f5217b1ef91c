//! Whether a server can be reached around the gate, as far as it can be seen from here.

use std::fs;
use std::net::IpAddr;

/// Who can connect to an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reach {
    /// This machine.
    Machine,
    /// This machine, and all others that it is connected to: the server listens everywhere.
    MachineAndMore,
    /// A network that the world does not route to.
    Network,
    /// The world.
    World,
}

pub(super) fn reach(ip: IpAddr, port: u16) -> Reach {
    let ip = ip.to_canonical();
    if ip.is_loopback() {
        return if listens_everywhere(port) { Reach::MachineAndMore } else { Reach::Machine };
    }
    if is_private(ip) { Reach::Network } else { Reach::World }
}

/// RFC 1918, 3927, 4193, 4291 section 2.5.6, 6598.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            let shared = first == 100 && (64..128).contains(&second);
            ip.is_private() || ip.is_link_local() || shared
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// Whether somebody on this machine listens at that port of every address that it has. Where
/// there is no such list, nobody knows.
fn listens_everywhere(port: u16) -> bool {
    let list = |path| fs::read_to_string(path).unwrap_or_default();
    ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().any(|path| is_listed(&list(path), port))
}

/// proc(5): `sl local_address rem_address st`, addresses in hex; `0A` is a listener.
fn is_listed(table: &str, port: u16) -> bool {
    let wanted = format!("{port:04X}");
    table.lines().any(|line| {
        let mut words = line.split_ascii_whitespace();
        let (local, state) = (words.nth(1).unwrap_or_default(), words.nth(1).unwrap_or_default());
        let (address, at) = local.split_once(':').unwrap_or_default();
        let any = !address.is_empty() && address.bytes().all(|digit| digit == b'0');
        state == "0A" && any && at == wanted
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn addresses_are_told_apart_by_who_can_connect() {
        for (ip, found) in [
            ("10.0.0.1", Reach::Network),
            ("172.31.0.1", Reach::Network),
            ("172.32.0.1", Reach::World),
            ("192.168.1.1", Reach::Network),
            ("169.254.1.1", Reach::Network),
            ("100.64.0.1", Reach::Network),
            ("100.128.0.1", Reach::World),
            ("::ffff:10.0.0.1", Reach::Network),
            ("fd00::1", Reach::Network),
            ("fe80::1", Reach::Network),
            ("2001:db8::1", Reach::World),
            ("192.0.2.1", Reach::World),
        ] {
            assert_eq!(reach(ip.parse().unwrap(), 1), found, "{ip}");
        }
    }

    #[test]
    fn a_listener_at_every_address_is_seen() {
        let here = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(reach(here.ip(), here.port()), Reach::Machine);
        for everywhere in ["0.0.0.0:0", "[::]:0"] {
            let Ok(listener) = TcpListener::bind(everywhere) else { continue };
            let port = listener.local_addr().unwrap().port();
            assert_eq!(reach("127.0.0.1".parse().unwrap(), port), Reach::MachineAndMore);
        }
    }

    #[test]
    fn only_listeners_count() {
        let head = "  sl  local_address rem_address   st\n";
        let row =
            |local: &str, state: &str| format!("{head}   0: {local} 00000000:0000 {state} 0\n");
        assert!(is_listed(&row("00000000:1F90", "0A"), 8080));
        assert!(is_listed(&row("00000000000000000000000000000000:1F90", "0A"), 8080));
        assert!(!is_listed(&row("0100007F:1F90", "0A"), 8080));
        assert!(!is_listed(&row("00000000:1F90", "01"), 8080));
        assert!(!is_listed(&row("00000000:1F91", "0A"), 8080));
        assert!(!is_listed(head, 8080));
    }
}
