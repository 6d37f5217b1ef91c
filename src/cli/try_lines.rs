//! Three lines to paste: register, log in, reach a protected path.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::input::generate;

/// The lines for a gateway that listens there. Name and password are new at every start, so
/// that the lines work again, and no password is known to whoever reads the manual.
pub(super) fn lines(listening: SocketAddr, prefix: &str) -> anyhow::Result<[String; 3]> {
    let base = format!("http://{}", reachable(listening));
    let name = format!("demo-{:06x}", getrandom::u32()? & 0x00ff_ffff);
    let password = generate()?;
    let who = format!("-d username={name} -d password={}", password.as_str());
    Ok([
        format!("curl -s {base}{prefix}/register/ {who}"),
        format!(
            "TOKEN=$(curl -s {base}{prefix}/token/ {who} | \
             sed 's/.*\"access\": *\"\\([^\"]*\\)\".*/\\1/')"
        ),
        format!("curl -s {base}/orders/7 -H \"Authorization: Bearer $TOKEN\""),
    ])
}

/// An address that can be connected to: "all of this machine's" is none.
pub(super) fn reachable(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, listening.port())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_lines_name_an_address_that_can_be_reached() {
        let lines = lines("0.0.0.0:8123".parse().unwrap(), "/api/auth").unwrap();
        assert!(lines[0].starts_with("curl -s http://127.0.0.1:8123/api/auth/register/ -d "));
        assert!(lines[2].starts_with("curl -s http://127.0.0.1:8123/orders/7 "));
    }

    #[test]
    fn the_token_is_taken_out_of_the_answer_in_any_order() {
        let lines = lines("127.0.0.1:1".parse().unwrap(), "/api/auth").unwrap();
        for answer in [
            r#"{"access":"a.b-c._d","refresh":"r.r"}"#,
            r#"{"refresh": "r.r", "access": "a.b-c._d"}"#,
        ] {
            // In place of curl, a shell function that gives the answer.
            let script =
                format!("curl() {{ printf '%s' '{answer}'; }}\n{}\nprintf %s $TOKEN", lines[1]);
            let ran = Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(ran.stdout).unwrap(), "a.b-c._d");
        }
    }
}
