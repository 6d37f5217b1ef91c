//! What an upstream sees of identity headers that a client made up.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, HeaderName, HeaderValue};
use http::{Method, Request};
use http_body_util::Empty;
use serde_json::Value;
use tokio::net::TcpStream;

use super::exchange::exchange;
use super::finding::{Findings, Level};
use crate::admin::Health;
use crate::cli::try_lines::reachable;
use crate::config::Config;
use crate::policy::{Allow, Caller, Question, Route, Ruling, Verdict};
use crate::proxy::Target;
use crate::server::ListenAddr;

const AREA: &str = "identity";
/// What no gateway would write.
const FORGED: &str = "forged-by-doctor";
/// For a whole exchange with a gateway on this machine.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most bytes of an answer that are read.
const LONGEST: usize = 1 << 20;
const ADD: &str =
    "a route to an upstream `{ whoami = true }` with allow = \"anyone\" lets this be tried";

/// Sends made-up headers through the running gateway to an upstream that tells what it sees.
pub(super) async fn look(config: &Config, running: Option<&Health>, findings: &mut Findings) {
    let untried = "what an upstream sees of made-up identity headers was not tried";
    let Some(running) = running else {
        return findings.add(Level::Untried, AREA, format!("{untried}: no gateway runs"), ADD);
    };
    let found = config.routes.iter().find_map(|route| mirror(config, route));
    let Some(question) = found else {
        return findings.add(Level::Untried, AREA, format!("{untried}: no route shows it"), ADD);
    };
    let Some(address) = in_clear(config, running) else {
        let found = format!("{untried}: every listener speaks TLS");
        let next = "a listener in clear at 127.0.0.1 lets this be tried";
        return findings.add(Level::Untried, AREA, found, next);
    };
    match try_it(config, &question, address).await {
        Ok(Seen { sent, arrived }) if arrived.is_empty() => findings.ok(
            AREA,
            format!("of {sent} made-up headers none reached the upstream at {}", question.path),
        ),
        Ok(Seen { arrived, .. }) => findings.add(
            Level::Problem,
            AREA,
            format!("made-up headers reached the upstream: {}", arrived.join(", ")),
            "whoever is at that address is no portcullis with this policy; find out what it is",
        ),
        Err(error) => findings.add(
            Level::Warning,
            AREA,
            format!("{untried}: http://{address}{}: {error:#}", question.path),
            "see whether the policy file is the one in force; `portcullis reload` makes it so",
        ),
    }
}

/// A request that anybody may send, and that is answered with what an upstream sees of it.
fn mirror(config: &Config, route: &Route) -> Option<Question> {
    let upstream = config.upstreams.get(route.upstream)?;
    if upstream.target != Target::Whoami || route.allow != Allow::Anyone || !route.from.is_empty() {
        return None;
    }
    let pattern = route.key.pattern.to_string();
    let segments = pattern.split('/').map(|segment| match segment {
        "*" => "doctor",
        named if named.starts_with('{') => "doctor",
        literal => literal,
    });
    let public = config.public.as_ref().map(|public| public.host.clone());
    let question = Question {
        caller: Caller::default(),
        from: None,
        method: Method::GET,
        host: route.key.host.clone().or(public).unwrap_or_default(),
        path: segments.collect::<Vec<_>>().join("/"),
    };
    let ruling = question.ask(&config.routes);
    let leads_there =
        matches!(ruling, Ruling::Judged(found, Verdict::Allowed) if found.key == route.key);
    leads_there.then_some(question)
}

/// Where the gateway listens in clear.
fn in_clear(config: &Config, running: &Health) -> Option<SocketAddr> {
    let is_other = |addr: &SocketAddr| {
        let others = config.listen.iter().filter(|it| it.tls || it.redirect || it.proxy_protocol);
        let mut others = others.filter_map(|it| match it.addr {
            ListenAddr::Tcp(addr) => Some(addr),
            ListenAddr::Unix(_) => None,
        });
        // Port 0 is any, once it is listened at.
        others.any(|other| other.ip() == addr.ip() && [0, addr.port()].contains(&other.port()))
    };
    let listening = running.listeners.iter().filter_map(|text| text.parse().ok());
    listening.filter(|addr| !is_other(addr)).map(reachable).next()
}

/// What became of the made-up headers.
struct Seen {
    sent: usize,
    arrived: Vec<String>,
}

async fn try_it(config: &Config, question: &Question, at: SocketAddr) -> anyhow::Result<Seen> {
    let host = if question.host.is_empty() { at.to_string() } else { question.host.clone() };
    let mut request = Request::get(&question.path).header(HOST, host).body(Empty::<Bytes>::new())?;
    let names = spellings(config);
    for name in &names {
        request.headers_mut().append(name.clone(), HeaderValue::from_static(FORGED));
    }
    let stream = TcpStream::connect(at).await?;
    let response = exchange(stream, request, false, PATIENCE, LONGEST).await?;
    let status = response.status();
    if !status.is_success() {
        anyhow::bail!("it answered {}", status.as_u16());
    }
    let told: Value = serde_json::from_slice(response.body())?;
    let seen = told.get("headers").and_then(Value::as_object);
    let seen = seen.ok_or_else(|| anyhow::anyhow!("the answer is not that of `whoami`"))?;
    let arrived = seen.iter().filter(|(_, value)| value.to_string().contains(FORGED));
    Ok(Seen { sent: names.len(), arrived: arrived.map(|(name, _)| name.clone()).collect() })
}

/// The names of all identity headers, and what servers take for them.
fn spellings(config: &Config) -> Vec<HeaderName> {
    let ours = config.identity.iter().map(|(name, _)| name.as_str().to_owned());
    let plain: Vec<_> = ours.chain(["x-user-id", "x-user-roles"].map(str::to_owned)).collect();
    let folded = plain.iter().map(|name| name.replace('-', "_"));
    let dotted = plain.iter().map(|name| name.replacen('-', ".", 1));
    let all = plain.iter().cloned().chain(folded).chain(dotted);
    let mut names: Vec<HeaderName> = all.filter_map(|name| name.parse().ok()).collect();
    names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
    names.dedup();
    names
}
