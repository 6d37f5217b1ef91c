//! Everything that a policy file says about one request.

use serde::Serialize;

use super::headers::{HeaderTold, headers};
use super::path::{PathTold, ReadingTold};
use super::request::{Asked, who};
use crate::cli::judge::{Finding, Judge};
use crate::config::Config;
use crate::endpoints::About;
use crate::policy::words::{limits, networks, size};
use crate::policy::{Question, Route, Ruling, Verdict, Would, authorize};
use crate::proxy::{Target, UpstreamSettings};

/// What becomes of a request, and why.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    pub(super) file: String,
    /// Whether a running gateway has it in force; `None` where none tells.
    in_force: Option<bool>,
    pub(super) request: RequestTold,
    pub(super) decision: Decision,
    /// `None` where the path is refused before it has one reading.
    pub(super) path: Option<String>,
    /// The path as sloppier servers read it; one that disagrees refuses the request.
    pub(super) readings: Vec<ReadingTold>,
    pub(super) route: Option<RouteTold>,
    /// What would go upstream; `None` where nothing does.
    pub(super) upstream: Option<UpstreamTold>,
    pub(super) endpoint: Option<EndpointTold>,
}

#[derive(Debug, Serialize)]
pub(super) struct RequestTold {
    pub(super) method: String,
    /// `None` for no host.
    pub(super) host: Option<String>,
    pub(super) path: String,
    pub(super) who: String,
    /// `None`: an address that every route takes.
    pub(super) from: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub(super) enum Decision {
    /// It goes to the upstream.
    Forwarded { upstream: String, why: String },
    /// An endpoint of the gateway has it, which looks at the rest of the request.
    Answered { why: String },
    /// It is refused.
    Refused { status: u16, code: &'static str, why: String },
}

#[derive(Debug, Serialize)]
pub(super) struct RouteTold {
    pub(super) key: String,
    pub(super) line: Option<usize>,
    /// What clients may come from; empty is any address.
    pub(super) from: Vec<String>,
    pub(super) allow: String,
    /// None where anyone is let through.
    pub(super) alternatives: Vec<AlternativeTold>,
    pub(super) would_allow: Option<TrialTold>,
    pub(super) limits: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct AlternativeTold {
    pub(super) rule: String,
    pub(super) met: bool,
    pub(super) missing: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct TrialTold {
    pub(super) rule: String,
    /// What the rule would change: `refuse`, `allow` or nothing.
    pub(super) would: Option<&'static str>,
}

#[derive(Debug, Serialize)]
pub(super) struct UpstreamTold {
    pub(super) name: String,
    pub(super) servers: Vec<String>,
    /// The path that it is asked for.
    pub(super) path: String,
    pub(super) headers: Vec<HeaderTold>,
}

#[derive(Debug, Serialize)]
pub(super) struct EndpointTold {
    pub(super) does: &'static str,
    pub(super) caller: &'static str,
    pub(super) limited: &'static str,
}

impl Told {
    pub(super) fn of(
        file: String,
        in_force: Option<bool>,
        asked: &Asked<'_>,
        judge: &Judge,
        question: &Question,
    ) -> Self {
        let (finding, config) = (judge.ask(question), &judge.config);
        let path = PathTold::of(&config.routes, question);
        let (decision, endpoint) = decision(&finding);
        let route = match &finding {
            Finding::Routes(ruling) => ruling.route(),
            Finding::Refused(_) | Finding::Own(_) => None,
        };
        let forwarded = matches!(&finding, Finding::Routes(Ruling::Judged(_, Verdict::Allowed)));
        let upstream = route.filter(|_| forwarded).zip(path.canonical.as_deref());
        Self {
            file,
            in_force,
            request: RequestTold {
                method: question.method.to_string(),
                host: (!question.host.is_empty()).then(|| question.host.clone()),
                path: question.path.clone(),
                who: who(asked.who),
                from: question.from.map(|from| from.to_string()),
            },
            decision,
            upstream: upstream.map(|(route, path)| upstream_told(config, route, path, question)),
            route: route.map(|route| route_told(config, route, question)),
            path: path.canonical,
            readings: path.readings,
            endpoint,
        }
    }
}

fn decision(finding: &Finding<'_>) -> (Decision, Option<EndpointTold>) {
    let why = why(finding);
    if let Some((status, code)) = finding.refusal() {
        return (Decision::Refused { status: status.as_u16(), code, why }, None);
    }
    if let Finding::Routes(Ruling::Judged(route, _)) = finding {
        return (Decision::Forwarded { upstream: route.to.clone(), why }, None);
    }
    let Finding::Own(About::Endpoint { does, caller, limited }) = finding else {
        return (Decision::Answered { why }, None);
    };
    (Decision::Answered { why }, Some(EndpointTold { does, caller, limited }))
}

fn why(finding: &Finding<'_>) -> String {
    match finding {
        Finding::Refused(rejection) => rejection.to_string(),
        Finding::Own(About::Nothing) => {
            "the path is the gateway's own, and no endpoint is there".to_owned()
        }
        Finding::Own(About::OtherMethods(allow)) => {
            format!("the endpoint takes {} only", String::from_utf8_lossy(allow.as_bytes()))
        }
        Finding::Own(About::Closed { because, .. }) => format!("the endpoint is closed: {because}"),
        Finding::Own(About::Endpoint { .. }) => "an endpoint of the gateway".to_owned(),
        Finding::Routes(ruling) => match ruling {
            Ruling::Connect => "CONNECT opens no tunnel here".to_owned(),
            Ruling::Trace => "TRACE would send credentials back".to_owned(),
            Ruling::BadPath(error) => error.to_string(),
            Ruling::Ambiguous(ambiguous) => ambiguous.to_string(),
            Ruling::Own => "an endpoint of the gateway".to_owned(),
            Ruling::Nowhere => "no route matches".to_owned(),
            Ruling::MethodNotAllowed(allow) => {
                let allow = String::from_utf8_lossy(allow.as_bytes());
                format!("the most specific path takes {allow} only")
            }
            Ruling::OtherAddresses(_) => "the route takes other addresses".to_owned(),
            Ruling::Judged(_, Verdict::Allowed) => "`allow` is met".to_owned(),
            Ruling::Judged(_, Verdict::NeedsIdentity) => {
                "the route asks for a credential, and there is none".to_owned()
            }
            Ruling::Judged(_, Verdict::NeedsFactor) => {
                "nothing but a second factor is missing".to_owned()
            }
            Ruling::Judged(_, Verdict::Forbidden) => "no alternative of `allow` is met".to_owned(),
        },
    }
}

fn route_told(config: &Config, route: &Route, question: &Question) -> RouteTold {
    let (identity, certificate) =
        (question.caller.identity.as_ref(), question.caller.certificate.as_ref());
    let alternatives = route.allow.alternatives(identity, certificate).into_iter();
    let would_allow = route.shadow.as_ref().map(|shadow| {
        let verdict = authorize(&route.allow, identity, certificate);
        let would = shadow.compare(verdict, identity, certificate).map(Would::as_str);
        TrialTold { rule: shadow.allow().to_string(), would }
    });
    RouteTold {
        key: route.key.to_string(),
        line: route.line,
        from: networks(route),
        allow: route.allow.to_string(),
        alternatives: alternatives
            .map(|one| AlternativeTold {
                met: one.missing.is_empty(),
                rule: one.rule,
                missing: one.missing,
            })
            .collect(),
        would_allow,
        limits: effective_limits(config, route),
    }
}

/// The limits of a route, and those that hold where it says nothing.
fn effective_limits(config: &Config, route: &Route) -> Vec<String> {
    let mut told = limits(route);
    if route.body.is_none() {
        told.push(format!("body {} of [limits]", size(config.messages.body)));
    }
    let upstream = config.upstreams.get(route.upstream);
    if let Some(upstream) = upstream.filter(|_| route.timeout.is_none()) {
        let timeout = humantime::format_duration(upstream.timeout);
        told.push(format!("timeout {timeout} of the upstream"));
    }
    told
}

fn upstream_told(config: &Config, route: &Route, path: &str, question: &Question) -> UpstreamTold {
    let rewritten = route.rewrite.as_ref().map(|rewrite| rewrite.apply(path).into_owned());
    UpstreamTold {
        name: route.to.clone(),
        servers: config.upstreams.get(route.upstream).map(servers).unwrap_or_default(),
        path: rewritten.unwrap_or_else(|| path.to_owned()),
        headers: headers(&config.identity, &question.caller),
    }
}

fn servers(upstream: &UpstreamSettings) -> Vec<String> {
    match &upstream.target {
        Target::Http(backends) => backends.iter().map(|one| one.address.to_string()).collect(),
        Target::Folder(folder) => vec![format!("the files of {}", folder.dir.display())],
        Target::Inner => vec!["the program that the gateway is a part of".to_owned()],
        Target::Whoami => vec!["built in: answers with the request as it comes".to_owned()],
    }
}
