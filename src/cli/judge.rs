//! What a whole policy file makes of a request that nobody has sent.

use http::StatusCode;

use crate::config::Config;
use crate::endpoints::{About, Switched};
use crate::gateway::Hosts;
use crate::policy::{Question, Ruling, Verdict};
use crate::proxy::Rejection;
use crate::web::CanonicalPath;

/// A policy file that can be asked.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) config: Config,
    hosts: Hosts,
}

/// What becomes of a request, as far as the file alone decides.
#[derive(Debug)]
pub(super) enum Finding<'c> {
    /// It is not looked at further.
    Refused(Rejection),
    /// The gateway's own endpoints have it.
    Own(About),
    /// Routes have decided.
    Routes(Ruling<'c>),
}

impl Judge {
    pub(super) fn new(config: Config) -> Self {
        let hosts = Hosts::new(&config);
        Self { config, hosts }
    }

    /// Takes a request the way that the gateway would take it.
    pub(super) fn ask(&self, question: &Question) -> Finding<'_> {
        let config = &self.config;
        let ruling = question.ask(&config.routes);
        if matches!(ruling, Ruling::Connect) {
            return Finding::Routes(ruling);
        }
        if question.path.len() > config.messages.target {
            return Finding::Refused(Rejection::TargetTooLong);
        }
        if !self.hosts.serve(&question.host) {
            return Finding::Refused(Rejection::Misdirected);
        }
        if !matches!(ruling, Ruling::Own) {
            return Finding::Routes(ruling);
        }
        let switched = Switched {
            sliding: config.tokens.sliding,
            user_keys: config.sessions.user_keys.is_some(),
            enrol: config.sessions.factors.enrol,
            passkeys: config.sessions.factors.passkeys,
            mail: config.mail.is_some(),
            relying_party: config.sessions.factors.relying_party.is_some(),
        };
        let path = CanonicalPath::parse(&question.path);
        let about =
            path.map(|path| config.endpoints.about(switched, &question.method, path.as_str()));
        about.map_or_else(|error| Finding::Refused(Rejection::BadPath(error)), Finding::Own)
    }
}

impl Finding<'_> {
    /// What the request is refused with, and the code that the access log would have.
    pub(super) fn refusal(&self) -> Option<(StatusCode, &'static str)> {
        match self {
            Self::Refused(rejection) => Some(class(rejection)),
            Self::Own(About::Nothing) => Some((StatusCode::NOT_FOUND, "not_found")),
            Self::Own(About::OtherMethods(_)) => {
                Some((StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"))
            }
            Self::Own(About::Closed { status, code, .. }) => Some((*status, code)),
            Self::Own(About::Endpoint { .. }) => None,
            Self::Routes(ruling) => rejection(*ruling).map(|rejection| class(&rejection)),
        }
    }
}

fn class(rejection: &Rejection) -> (StatusCode, &'static str) {
    let (status, code, _) = rejection.class();
    (status, code)
}

/// How the gateway refuses what routes decide so.
fn rejection(ruling: Ruling<'_>) -> Option<Rejection> {
    Some(match ruling {
        Ruling::Connect => Rejection::Connect,
        Ruling::Trace => Rejection::Trace,
        Ruling::BadPath(error) => Rejection::BadPath(error),
        Ruling::Ambiguous(ambiguous) => Rejection::AmbiguousPath(ambiguous),
        Ruling::Nowhere => Rejection::NoRoute,
        Ruling::MethodNotAllowed(allow) => Rejection::MethodNotAllowed(allow.clone()),
        Ruling::OtherAddresses(_) => Rejection::AddressForbidden,
        Ruling::Judged(_, Verdict::NeedsIdentity) => Rejection::NoCredentials,
        Ruling::Judged(_, Verdict::NeedsFactor) => Rejection::NeedsFactor,
        Ruling::Judged(_, Verdict::Forbidden) => Rejection::Forbidden,
        Ruling::Own | Ruling::Judged(_, Verdict::Allowed) => return None,
    })
}
