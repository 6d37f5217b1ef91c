//! What a whole policy makes of a request that nobody has sent.

use http::{Method, StatusCode};

#[cfg(feature = "cli")]
use crate::config::Config;
use crate::endpoints::{About, EndpointSettings, Switched};
use crate::forward_auth::ForwardAuthSettings;
use crate::gateway::intake::Hosts;
use crate::gateway::plan::Plan;
use crate::pages::{Pages, PagesSettings};
use crate::policy::{Question, Routes, Ruling, Verdict};
use crate::proxy::{Rejection, UpstreamSettings};
use crate::web::{CanonicalPath, IdentityHeaders, MessageLimits, Public};

/// All of a policy that has a say in what becomes of a request.
#[derive(Debug)]
pub(crate) struct Rulebook<'p> {
    pub(super) routes: &'p Routes,
    pub(super) public: Option<&'p Public>,
    pub(super) messages: &'p MessageLimits,
    pub(super) identity: &'p IdentityHeaders,
    /// In the order that [`Route::upstream`](crate::policy::Route::upstream) counts.
    pub(super) upstreams: Vec<&'p UpstreamSettings>,
    hosts: &'p Hosts,
    endpoints: &'p EndpointSettings,
    switched: Switched,
    pages: Option<&'p PagesSettings>,
    forward_auth: Option<&'p ForwardAuthSettings>,
}

/// What becomes of a request, as far as the policy alone decides.
#[derive(Debug)]
pub(crate) enum Finding<'p> {
    /// It is not looked at further.
    Refused(Rejection),
    /// The gateway's own endpoints have it.
    Own(About),
    /// Something else of the gateway has it.
    Ours(&'static str),
    /// Routes have decided.
    Routes(Ruling<'p>),
}

impl Plan {
    /// That of the policy in force.
    pub(super) fn rulebook(&self) -> Rulebook<'_> {
        let shared = &*self.shared;
        Rulebook {
            routes: &shared.routes,
            public: shared.public.as_ref(),
            messages: &shared.messages,
            identity: shared.sessions.headers(),
            upstreams: self.upstreams.settings().collect(),
            hosts: &shared.hosts,
            endpoints: shared.endpoints.settings(),
            switched: shared.endpoints.switched(),
            pages: shared.pages.as_ref().map(Pages::settings),
            forward_auth: shared.forward_auth.as_ref(),
        }
    }
}

impl<'p> Rulebook<'p> {
    /// That of a policy file. `hosts` are the file's.
    #[cfg(feature = "cli")]
    pub(crate) fn of(config: &'p Config, hosts: &'p Hosts) -> Self {
        let factors = &config.sessions.factors;
        let switched = Switched {
            sliding: config.tokens.sliding,
            user_keys: config.sessions.user_keys.is_some(),
            enrol: factors.enrol,
            passkeys: factors.passkeys,
            mail: config.mail.is_some(),
            relying_party: factors.relying_party.is_some(),
        };
        Self {
            routes: &config.routes,
            public: config.public.as_ref(),
            messages: &config.messages,
            identity: &config.identity,
            upstreams: config.upstreams.iter().collect(),
            hosts,
            endpoints: &config.endpoints,
            switched,
            pages: config.pages.as_ref(),
            forward_auth: config.forward_auth.as_ref(),
        }
    }

    /// Takes a request the way that the gateway would take it.
    pub(crate) fn ask(&self, question: &Question) -> Finding<'p> {
        let ruling = question.ask(self.routes);
        if matches!(ruling, Ruling::Connect) {
            return Finding::Routes(ruling);
        }
        // Before anything else of the request is looked at, as it came.
        if self.forward_auth.is_some_and(|ours| ours.is_asked_at(&question.path)) {
            return Finding::Ours("where other proxies ask for a second opinion");
        }
        if question.path.len() > self.messages.target {
            return Finding::Refused(Rejection::TargetTooLong);
        }
        if !self.hosts.serve(&question.host) {
            return Finding::Refused(Rejection::Misdirected);
        }
        if !matches!(ruling, Ruling::Own) {
            return Finding::Routes(ruling);
        }
        match CanonicalPath::parse(&question.path) {
            Ok(path) => self.own(&question.method, path.as_str()),
            Err(error) => Finding::Refused(Rejection::BadPath(error)),
        }
    }

    fn own(&self, method: &Method, path: &str) -> Finding<'p> {
        if self.pages.is_some_and(|pages| pages.owns(path)) {
            return Finding::Ours("a page of the gateway");
        }
        Finding::Own(self.endpoints.about(self.switched, method, path))
    }
}

impl Finding<'_> {
    /// What the request is refused with, and the code that the access log would have.
    pub(crate) fn refusal(&self) -> Option<(StatusCode, &'static str)> {
        match self {
            Self::Refused(rejection) => Some(class(rejection)),
            Self::Own(About::Nothing) => Some((StatusCode::NOT_FOUND, "not_found")),
            Self::Own(About::OtherMethods(_)) => {
                Some((StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"))
            }
            Self::Own(About::Closed { status, code, .. }) => Some((*status, code)),
            Self::Own(About::Endpoint { .. }) | Self::Ours(_) => None,
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
