//! A request that nobody has sent, and what becomes of it, as an operator sees them.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// A request that an operator asks about.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The method, in capitals.
    pub method: String,
    /// A path, `host/path`, or a whole URL.
    pub url: String,
    /// Who asks, as in `allow`: all of them are true of the caller; none is anyone.
    #[serde(default)]
    pub who: Vec<String>,
    /// The address that it comes from; `None` is one that every route takes.
    #[serde(default)]
    pub from: Option<IpAddr>,
}

/// What becomes of it, and why.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Told {
    /// The request as it would reach the gateway.
    pub request: RequestTold,
    /// What becomes of it.
    pub decision: Decision,
    /// `None` where the path is refused before it has one reading.
    pub path: Option<String>,
    /// The path as sloppier servers read it; one that disagrees refuses the request.
    pub readings: Vec<ReadingTold>,
    /// The route that decides.
    pub route: Option<RouteTold>,
    /// What would go upstream; `None` where nothing does.
    pub upstream: Option<UpstreamTold>,
    /// The endpoint that answers.
    pub endpoint: Option<EndpointTold>,
}

/// The request that was asked about.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RequestTold {
    /// Its method.
    pub method: String,
    /// `None` for no host.
    pub host: Option<String>,
    /// Its path, without a query.
    pub path: String,
    /// Who asks, as one rule.
    pub who: String,
    /// `None`: an address that every route takes.
    pub from: Option<String>,
}

/// What becomes of a request.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Decision {
    /// It goes to the upstream.
    Forwarded {
        /// The upstream's name.
        upstream: String,
        /// What let it through.
        why: String,
    },
    /// The gateway itself answers, and looks at the rest of the request.
    Answered {
        /// What has it.
        why: String,
    },
    /// It is refused.
    Refused {
        /// With what.
        status: u16,
        /// As the access log would have it.
        code: String,
        /// What is wrong.
        why: String,
    },
}

/// A path as a sloppier server reads it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ReadingTold {
    /// The path.
    pub path: String,
    /// What it would lead to.
    pub leads_to: String,
    /// Whether that is the same.
    pub agrees: bool,
}

/// A route, and what it asks for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RouteTold {
    /// As the operator wrote it.
    pub key: String,
    /// The line of the policy file that it begins in.
    pub line: Option<usize>,
    /// What clients may come from; empty is any address.
    pub from: Vec<String>,
    /// Its rule.
    pub allow: String,
    /// None where anyone is let through.
    pub alternatives: Vec<AlternativeTold>,
    /// The rule that is on trial.
    pub would_allow: Option<TrialTold>,
    /// What else holds there.
    pub limits: Vec<String>,
}

/// An alternative of a rule.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AlternativeTold {
    /// As it is written.
    pub rule: String,
    /// Whether the caller meets it.
    pub met: bool,
    /// What the caller lacks for it.
    pub missing: Vec<String>,
}

/// A rule on trial.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct TrialTold {
    /// As it is written.
    pub rule: String,
    /// What the rule would change: `refuse`, `allow` or nothing.
    pub would: Option<String>,
}

/// What goes upstream.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct UpstreamTold {
    /// The upstream's name.
    pub name: String,
    /// What answers for it.
    pub servers: Vec<String>,
    /// The path that it is asked for.
    pub path: String,
    /// The headers that tell it who asks.
    pub headers: Vec<HeaderTold>,
}

/// A header that would be set.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct HeaderTold {
    /// Its name.
    pub name: String,
    /// What it carries, as `[identity]` names it.
    pub claim: String,
    /// Its value; `None` where the question does not say so much of the caller.
    pub value: Option<String>,
}

/// An endpoint of the gateway.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct EndpointTold {
    /// What it does, as a sentence.
    pub does: String,
    /// Whom it asks for.
    pub caller: String,
    /// What limits it.
    pub limited: String,
}
