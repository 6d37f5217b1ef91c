//! Settings that are right by themselves, and doubtful together.

use ipnet::IpNet;
use rustix::process::{Resource, getrlimit};

use super::finding::{Findings, Level};
use crate::cli::files::needed;
use crate::config::Config;
use crate::server::{ListenAddr, ListenerSettings};

pub(super) fn look(config: &Config, findings: &mut Findings) {
    names(config, findings);
    clear(config, findings);
    trust(config, findings);
    expectations(config, findings);
    open_files(config, findings);
}

/// Whether other machines can connect.
fn is_open(listener: &ListenerSettings) -> bool {
    match &listener.addr {
        ListenAddr::Tcp(addr) => !addr.ip().to_canonical().is_loopback(),
        ListenAddr::Unix(_) => false,
    }
}

fn names(config: &Config, findings: &mut Findings) {
    match &config.public {
        Some(public) => findings.ok("public", format!("clients come to {public}")),
        None if config.listen.iter().any(is_open) => findings.add(
            Level::Warning,
            "public",
            "`public` is not set, and other machines can connect: every Host is served",
            "set `public` to the one name that clients use",
        ),
        None => findings.ok("public", "not set, and nobody but this machine can connect"),
    }
}

fn clear(config: &Config, findings: &mut Findings) {
    let is_clear = |one: &&ListenerSettings| is_open(one) && !one.tls && !one.redirect;
    let clear: Vec<_> =
        config.listen.iter().filter(is_clear).map(|one| one.addr.to_string()).collect();
    if clear.is_empty() {
        return;
    }
    let at = clear.join(", ");
    if config.trust.is_empty() {
        findings.add(
            Level::Warning,
            "listen",
            format!("passwords and tokens come in clear from other machines at {at}"),
            "give the listener `tls = true`; or, if a proxy before it speaks TLS, list that in `trust`",
        );
    } else {
        findings.ok("listen", format!("in clear at {at}, for the proxies in `trust`"));
    }
}

fn trust(config: &Config, findings: &mut Findings) {
    // Wider than any network of one owner.
    let is_wide = |network: &&IpNet| match network {
        IpNet::V4(network) => network.prefix_len() < 8,
        IpNet::V6(network) => network.prefix_len() < 16,
    };
    let wide: Vec<_> = config.trust.iter().filter(is_wide).map(ToString::to_string).collect();
    if wide.is_empty() {
        let listed: Vec<_> = config.trust.iter().map(ToString::to_string).collect();
        let who = if listed.is_empty() { "nobody".to_owned() } else { listed.join(", ") };
        findings.ok("trust", format!("{who} may say who a client is"));
        return;
    }
    let level = if config.listen.iter().any(is_open) { Level::Problem } else { Level::Warning };
    findings.add(
        level,
        "trust",
        format!("anybody in {} may claim to be any client", wide.join(", ")),
        "list the proxies before this gateway and nobody else",
    );
}

fn expectations(config: &Config, findings: &mut Findings) {
    if config.expect.is_empty() {
        findings.add(
            Level::Warning,
            "expect",
            "the file expects nothing of itself",
            "write a line of `expect` for each thing that must stay so; docs/policy.md shows them",
        );
    } else {
        findings.ok("expect", format!("{} lines hold", config.expect.len()));
    }
}

fn open_files(config: &Config, findings: &mut Findings) {
    let connections = config.connections.connections;
    let needed = needed(connections);
    match getrlimit(Resource::Nofile).maximum.filter(|granted| *granted < needed) {
        None => findings.ok("open files", format!("enough for {connections} connections")),
        Some(granted) => findings.add(
            Level::Warning,
            "open files",
            format!("{granted} are granted here, and [limits] connections = {connections} needs {needed}"),
            "raise the hard limit (`LimitNOFILE` of systemd, `ulimit -Hn`), or lower `connections`",
        ),
    }
}
