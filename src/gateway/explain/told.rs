//! Everything that a policy says about one request.

use super::headers::headers;
use super::path::PathTold;
use super::question::{NoQuestion, question, who};
use super::rulebook::{Finding, Rulebook};
use crate::admin::{
    AlternativeTold, Asked, Decision, EndpointTold, RequestTold, RouteTold, Told, TrialTold,
    UpstreamTold,
};
use crate::endpoints::About;
use crate::policy::words::{limits, networks, size};
use crate::policy::{Question, Route, Ruling, Verdict, authorize};
use crate::proxy::{Target, UpstreamSettings};

/// What those rules make of a request, and why.
///
/// # Errors
///
/// [`NoQuestion`]: show it to the operator.
pub(crate) fn tell(rules: &Rulebook<'_>, asked: &Asked) -> Result<Told, NoQuestion> {
    let question = question(asked, rules.public)?;
    let finding = rules.ask(&question);
    let path = PathTold::of(rules.routes, &question);
    let (decision, endpoint) = decision(&finding);
    let route = match &finding {
        Finding::Routes(ruling) => ruling.route(),
        Finding::Refused(_) | Finding::Own(_) | Finding::Ours(_) => None,
    };
    let forwarded = matches!(&finding, Finding::Routes(Ruling::Judged(_, Verdict::Allowed)));
    let upstream = route.filter(|_| forwarded).zip(path.canonical.as_deref());
    Ok(Told {
        request: RequestTold {
            method: question.method.to_string(),
            host: (!question.host.is_empty()).then(|| question.host.clone()),
            path: question.path.clone(),
            who: who(asked),
            from: question.from.map(|from| from.to_string()),
        },
        decision,
        upstream: upstream.map(|(route, path)| upstream_told(rules, route, path, &question)),
        route: route.map(|route| route_told(rules, route, &question)),
        path: path.canonical,
        readings: path.readings,
        endpoint,
    })
}

fn decision(finding: &Finding<'_>) -> (Decision, Option<EndpointTold>) {
    let why = why(finding);
    if let Some((status, code)) = finding.refusal() {
        return (Decision::Refused { status: status.as_u16(), code: code.to_owned(), why }, None);
    }
    if let Finding::Routes(Ruling::Judged(route, _)) = finding {
        return (Decision::Forwarded { upstream: route.to.clone(), why }, None);
    }
    let Finding::Own(About::Endpoint { does, caller, limited }) = finding else {
        return (Decision::Answered { why }, None);
    };
    let [does, caller, limited] = [does, caller, limited].map(|text| (*text).to_owned());
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
        Finding::Ours(what) => (*what).to_owned(),
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

fn route_told(rules: &Rulebook<'_>, route: &Route, question: &Question) -> RouteTold {
    let (identity, certificate) =
        (question.caller.identity.as_ref(), question.caller.certificate.as_ref());
    let alternatives = route.allow.alternatives(identity, certificate).into_iter();
    let would_allow = route.shadow.as_ref().map(|shadow| {
        let verdict = authorize(&route.allow, identity, certificate);
        let would =
            shadow.compare(verdict, identity, certificate).map(|would| would.as_str().to_owned());
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
        limits: effective_limits(rules, route),
    }
}

/// The limits of a route, and those that hold where it says nothing.
fn effective_limits(rules: &Rulebook<'_>, route: &Route) -> Vec<String> {
    let mut told = limits(route);
    if route.body.is_none() {
        told.push(format!("body {} of [limits]", size(rules.messages.body)));
    }
    let upstream = rules.upstreams.get(route.upstream);
    if let Some(upstream) = upstream.filter(|_| route.timeout.is_none()) {
        let timeout = humantime::format_duration(upstream.timeout);
        told.push(format!("timeout {timeout} of the upstream"));
    }
    told
}

fn upstream_told(
    rules: &Rulebook<'_>,
    route: &Route,
    path: &str,
    question: &Question,
) -> UpstreamTold {
    let rewritten = route.rewrite.as_ref().map(|rewrite| rewrite.apply(path).into_owned());
    UpstreamTold {
        name: route.to.clone(),
        servers: rules.upstreams.get(route.upstream).copied().map(servers).unwrap_or_default(),
        path: rewritten.unwrap_or_else(|| path.to_owned()),
        headers: headers(rules.identity, &question.caller),
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
