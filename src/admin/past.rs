//! Requests that are over, as an operator sees them.

use serde::{Deserialize, Serialize};

/// A request that is over, and why it ended as it did. Moments are RFC 3339, in UTC.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PastView {
    /// As its answer had it in `X-Request-Id`.
    pub request_id: String,
    /// When it came.
    pub at: String,
    /// The address that it was judged by.
    pub client: String,
    /// Its method.
    pub method: String,
    /// The host that it named; may be empty.
    pub host: String,
    /// Its path as it was written, without the query.
    pub path: String,
    /// The path that was judged and forwarded; `None` where the request was refused before.
    pub canonical: Option<String>,
    /// How it ended.
    pub end: PastEnd,
    /// Who asked; `None` for nobody, and where the credential was no good.
    pub caller: Option<PastCaller>,
    /// The route that decided.
    pub route: Option<PastRoute>,
    /// The endpoint of the gateway that answered.
    pub endpoint: Option<String>,
    /// The policy that decided; `None` at a listener that only redirects.
    pub policy: Option<PastPolicy>,
}

/// How a request ended.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PastEnd {
    /// The status of the answer; 499 where the client went away before there was one.
    pub status: u16,
    /// The stable code of a refusal.
    pub code: Option<String>,
    /// What was wrong, in the words of the log.
    pub cause: Option<String>,
    /// From its head to the last byte of its answer, in microseconds.
    pub duration_us: u64,
    /// Bytes of the response body.
    pub sent: u64,
    /// Whether that was all of them.
    pub complete: bool,
}

/// Who asked.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PastCaller {
    /// As upstreams see it.
    pub user_id: String,
    /// What is known where a route was asked for; the endpoints look for themselves.
    pub known: Option<PastIdentity>,
    /// The number of the key that was shown, if it was one that a user made.
    pub key: Option<u64>,
}

/// What the gateway knew of a caller when it judged the request.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PastIdentity {
    /// The login name; may be empty for callers of other issuers.
    pub username: String,
    /// The roles that rules were held against.
    pub roles: Vec<String>,
    /// What was shown, in words.
    pub credential: String,
    /// The session of it, as the `sid` claim has it.
    pub session: Option<String>,
    /// When the credential ends, or ended.
    pub expires: String,
    /// What would be wrong with the credential now; `None` where it is still good.
    pub now: Option<String>,
}

/// A route of the policy that decided.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PastRoute {
    /// As the operator wrote it.
    pub key: String,
    /// The line of the policy file that it begins in.
    pub line: Option<usize>,
    /// The upstream.
    pub to: String,
    /// Who may use it.
    pub allow: String,
    /// Each alternative of `allow`, and what the caller lacks for it.
    pub alternatives: Vec<PastAlternative>,
    /// The networks that clients may come from; empty is any.
    pub from: Vec<String>,
    /// The rule on trial.
    pub would_allow: Option<String>,
    /// What it would have changed: `refuse`, `allow` or nothing.
    pub would: Option<String>,
}

/// One alternative of a rule, held against a caller.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PastAlternative {
    /// As it is written.
    pub rule: String,
    /// What the caller lacks; empty where it is met.
    pub missing: Vec<String>,
}

/// A policy that decided.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PastPolicy {
    /// SHA-256 of its file, in hex.
    pub fingerprint: String,
    /// Whether it is in force now, and the line numbers are those of the file.
    pub in_force: bool,
}
