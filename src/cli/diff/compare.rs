//! What becomes of a request of the log under either policy.

use std::sync::Arc;

use http::Method;

use super::line::Request;
use crate::gateway::Finding;
use crate::identity::Identity;
use crate::policy::words::leads_to;
use crate::policy::{Allow, Caller, Question, Route, Ruling, Verdict};
use crate::web::HostName;

/// How a request ends.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct End {
    /// The key of the route that decides; empty where none does.
    pub(super) route: String,
    /// `403 forbidden`, or where it goes.
    pub(super) outcome: String,
}

/// Whom a request is judged as.
#[derive(Debug)]
pub(super) enum Judged {
    /// Somebody of whom all is known that a rule asks for.
    Known(Option<Identity>),
    /// Somebody with a credential that was no good.
    Broken,
    /// Somebody of whom nothing is known: any user.
    AnyUser,
}

/// What the comparison of a request gives.
#[derive(Debug)]
pub(super) enum Compared {
    /// The same under both.
    Same,
    /// Another end.
    Other(Box<(End, End)>),
    /// Nobody can tell: a rule asks for a certificate, which is in no log.
    Certificate,
    /// A preflight, which was answered whatever the rule.
    Preflight,
}

/// The question that a request was; `None` if it could not be one.
pub(super) fn question(request: &Request, judged: &Judged) -> Option<Question> {
    let host = match request.host.as_str() {
        "" => String::new(),
        host => HostName::parse(host).ok()?.name().to_owned(),
    };
    let identity = match judged {
        Judged::Known(identity) => identity.clone(),
        // One that is no good lets nobody in; the route is found without it.
        Judged::Broken => None,
        Judged::AnyUser => Caller::parse("user").ok()?.identity,
    };
    Some(Question {
        caller: Caller { identity, certificate: None },
        from: request.line.client,
        method: Method::from_bytes(request.method.as_bytes()).ok()?,
        host,
        path: request.path.clone(),
    })
}

/// Compares what both policies say.
pub(super) fn compare(
    request: &Request,
    judged: &Judged,
    before: &Finding<'_>,
    after: &Finding<'_>,
) -> Compared {
    let answered = request.method == "OPTIONS" && request.line.code.is_none();
    if answered && before.refusal().is_some() {
        return Compared::Preflight;
    }
    if [before, after].into_iter().any(asks_for_certificate) {
        return Compared::Certificate;
    }
    let (before, after) = (end(before, judged), end(after, judged));
    if before.outcome == after.outcome {
        return Compared::Same;
    }
    Compared::Other(Box::new((before, after)))
}

/// The route that decides.
pub(super) fn route<'c>(finding: &Finding<'c>) -> Option<&'c Route> {
    match finding {
        Finding::Routes(ruling) => ruling.route().map(Arc::as_ref),
        Finding::Refused(_) | Finding::Own(_) | Finding::Ours(_) => None,
    }
}

/// Whether it depends on who asks.
pub(super) fn asks_who(finding: &Finding<'_>) -> bool {
    let judged = matches!(finding, Finding::Routes(Ruling::Judged(..)));
    judged && route(finding).is_some_and(|route| route.allow != Allow::Anyone)
}

/// Whether a certificate could have opened what is refused.
fn asks_for_certificate(finding: &Finding<'_>) -> bool {
    use Verdict::{Forbidden, NeedsFactor, NeedsIdentity};
    matches!(
        finding,
        Finding::Routes(Ruling::Judged(route, NeedsIdentity | NeedsFactor | Forbidden))
            if route.allow.asks_for_certificate()
    )
}

fn end(finding: &Finding<'_>, judged: &Judged) -> End {
    let route = route(finding);
    let key = route.map(|route| route.key.to_string()).unwrap_or_default();
    let is_judged = matches!(finding, Finding::Routes(Ruling::Judged(..)));
    let outcome = if is_judged && matches!(judged, Judged::Broken) {
        "401, for its credential".to_owned()
    } else if let Some((status, code)) = finding.refusal() {
        format!("{} {code}", status.as_u16())
    } else if let Some(route) = route {
        leads_to(route).into_owned()
    } else {
        "an endpoint of the gateway".to_owned()
    };
    End { route: key, outcome }
}
