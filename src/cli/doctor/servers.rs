//! The servers behind the routes: found, connected to, well, and reachable by nobody else.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use http::header::DATE;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;

use super::around::{Reach, reach};
use super::clock;
use super::exchange::exchange;
use super::finding::{Findings, Level};
use crate::config::Config;
use crate::proxy::{Address, Target, UpstreamSettings};
use crate::tls::ClientTls;

const AREA: &str = "upstreams";

pub(super) async fn look(config: &Config, findings: &mut Findings) {
    for upstream in &config.upstreams {
        let proof = proof(config, upstream);
        match &upstream.target {
            Target::Whoami | Target::Inner => {}
            Target::Folder(folder) => look_at_folder(&upstream.name, &folder.dir, findings),
            Target::Http(backends) => {
                for backend in backends {
                    server(upstream, &backend.address, proof, findings).await;
                }
            }
        }
    }
}

/// How a server can tell the gateway from others, if it looks.
fn proof(config: &Config, upstream: &UpstreamSettings) -> Option<&'static str> {
    let by_tls = upstream.tls.as_ref().is_some_and(ClientTls::shows_certificate);
    if by_tls {
        return Some("the client certificate");
    }
    (!config.identity.signed().is_empty()).then_some("the signed token")
}

fn look_at_folder(name: &str, dir: &Path, findings: &mut Findings) {
    match std::fs::read_dir(dir) {
        Ok(_) => findings.ok(AREA, format!("{name}: {} can be read", dir.display())),
        Err(error) => findings.add(
            Level::Problem,
            AREA,
            format!("{name}: {} cannot be read ({error})", dir.display()),
            "let the gateway's user read the folder, or name another in `dir`",
        ),
    }
}

async fn server(
    upstream: &UpstreamSettings,
    address: &Address,
    proof: Option<&'static str>,
    findings: &mut Findings,
) {
    let shown = format!("{} {address}", upstream.name);
    let (host, port) = match address {
        Address::Unix(path) => {
            return unix(upstream, (&shown, address), path, findings).await;
        }
        Address::Tcp { host, port } | Address::Tls { host, port } => (host, *port),
    };
    let Some(found) = look_up(upstream, &shown, host, port, findings).await else { return };
    around(&shown, &found, proof, findings);
    let connecting = async {
        let mut last = Err(std::io::ErrorKind::NotFound.into());
        for address in &found {
            last = TcpStream::connect(address).await;
            if last.is_ok() {
                break;
            }
        }
        last
    };
    let connected = timeout(upstream.connect, connecting).await;
    let stream = match connected.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())) {
        Ok(stream) => stream,
        Err(error) => {
            let next = "start the server, or mend `to`; requests for it are 502 until then";
            findings.add(Level::Problem, AREA, format!("{shown}: no connection ({error})"), next);
            return;
        }
    };
    if let Address::Tcp { .. } = address {
        return well(upstream, (&shown, address), stream, findings).await;
    }
    let Some(tls) = &upstream.tls else { return };
    match timeout(upstream.connect, tls.connect(host, stream)).await {
        Ok(Ok(stream)) => {
            let agreed = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            if upstream.h2 && !agreed {
                let next = "leave `h2` out, or let the server speak HTTP/2";
                let found = format!("{shown}: the server does not speak HTTP/2");
                return findings.add(Level::Problem, AREA, found, next);
            }
            findings.ok(AREA, format!("{shown}: its certificate is good"));
            well(upstream, (&shown, address), stream, findings).await;
        }
        Ok(Err(error)) => {
            let next =
                "mend the server's certificate, or say in [upstreams.NAME.tls] whom to believe";
            findings.add(Level::Problem, AREA, format!("{shown}: no TLS ({error})"), next);
        }
        Err(_late) => {
            let next = "see whether the server speaks TLS at that port";
            findings.add(Level::Problem, AREA, format!("{shown}: no TLS in time"), next);
        }
    }
}

/// The addresses of a server; a name is told with them.
async fn look_up(
    upstream: &UpstreamSettings,
    shown: &str,
    host: &str,
    port: u16,
    findings: &mut Findings,
) -> Option<Vec<SocketAddr>> {
    let asked = timeout(upstream.connect, lookup_host((host, port))).await;
    let found = asked.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
    let found: Vec<_> = match found {
        Ok(found) => found.collect(),
        Err(error) => {
            let next = "mend the name in `to`, or the resolver of this machine";
            let found = format!("{shown}: `{host}` is not found ({error})");
            findings.add(Level::Problem, "names", found, next);
            return None;
        }
    };
    if host.parse::<std::net::IpAddr>().is_err() {
        let mut texts: Vec<_> = found.iter().map(|addr| addr.ip().to_string()).collect();
        texts.dedup();
        findings.ok("names", format!("{host} is {}", texts.join(", ")));
    }
    Some(found)
}

/// Whether others can connect as well, who would not be asked who they are.
fn around(shown: &str, found: &[SocketAddr], proof: Option<&str>, findings: &mut Findings) {
    let widest = found.iter().map(|addr| (reach(addr.ip(), addr.port()), addr.ip()));
    let (level, who) = match widest.max_by_key(|(reach, _)| *reach as u8) {
        None => return,
        Some((Reach::Machine, _)) => {
            return findings.ok("around", format!("{shown}: this machine alone can connect"));
        }
        Some((Reach::MachineAndMore, _)) => (
            Level::Warning,
            "it listens at every address of this machine, not at 127.0.0.1 alone".to_owned(),
        ),
        Some((Reach::Network, ip)) => {
            (Level::Warning, format!("whoever is in its network can connect to {ip}"))
        }
        Some((Reach::World, ip)) => (Level::Problem, format!("{ip} is an address of the world")),
    };
    let found = format!("{shown}: reachable around the gate: {who}");
    match proof {
        Some(proof) => findings.add(
            Level::Warning,
            "around",
            found,
            format!("make sure that the server refuses whoever lacks {proof}"),
        ),
        None => findings.add(
            level,
            "around",
            found,
            "let it take connections from the gateway alone (bind, firewall), or let it check a \
             client certificate ([upstreams.NAME.tls]) or the signed token (`\"@signed\"` in \
             [identity])",
        ),
    }
}

async fn unix(
    upstream: &UpstreamSettings,
    (shown, address): (&str, &Address),
    path: &Path,
    findings: &mut Findings,
) {
    let connected = timeout(upstream.connect, UnixStream::connect(path)).await;
    let stream = match connected.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())) {
        Ok(stream) => stream,
        Err(error) => {
            let next = "start the server, or mend `to`; requests for it are 502 until then";
            return findings.add(
                Level::Problem,
                AREA,
                format!("{shown}: no connection ({error})"),
                next,
            );
        }
    };
    let mode = std::fs::metadata(path).map(|found| found.permissions().mode() & 0o777);
    match mode {
        Ok(mode) if mode & 0o002 != 0 => findings.add(
            Level::Warning,
            "around",
            format!("{shown}: every process of this machine can connect (mode {mode:04o})"),
            format!(
                "chmod o= {}, or put it into a folder that others cannot enter",
                path.display()
            ),
        ),
        _ => findings.ok("around", format!("{shown}: its owner and group alone can connect")),
    }
    well(upstream, (shown, address), stream, findings).await;
}

/// Asks whether the server is well, if the policy says where.
async fn well<S>(
    upstream: &UpstreamSettings,
    (shown, address): (&str, &Address),
    stream: S,
    findings: &mut Findings,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let Some(health) = &upstream.health else {
        return findings.ok(AREA, format!("{shown}: connected"));
    };
    // What the gateway asks, and no more of the answer than it looks at.
    let asked = match health.request(address, upstream.h2) {
        Ok(request) => exchange(stream, request, upstream.h2, health.timeout, 0).await,
        Err(error) => Err(error.into()),
    };
    let response = match asked {
        Ok(response) => response,
        Err(error) => {
            let found = format!("{shown}: {} is not answered ({error:#})", health.path);
            let next = "look at the server; its requests are 503 while all servers are down";
            return findings.add(Level::Problem, AREA, found, next);
        }
    };
    let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
    if let Some(date) = date.and_then(|date| httpdate::parse_http_date(date).ok()) {
        clock::compare(shown, date, findings);
    }
    let status = response.status();
    if health.accepts(status) {
        return findings.ok(AREA, format!("{shown}: {} is {}", health.path, status.as_u16()));
    }
    let found = format!("{shown}: {} is {}", health.path, status.as_u16());
    let next = "look at the server, or mend `health`";
    findings.add(Level::Problem, AREA, found, next);
}
