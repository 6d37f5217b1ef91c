//! Routes, rules and decisions: which route a request is for, and whether its caller may use it.
//!
//! A request has one [place](Routes::place), found by host, canonical path and method; every
//! other way in which a server could read the path must lead to the same one. Then
//! [`authorize`] compares the caller with what the route allows. A [`Question`] asks both without a
//! request, and by [`Expectation`]s of such a policy file tests itself.

mod allow;
mod caller;
mod conflict;
mod expect;
mod key;
mod met;
mod pattern;
mod question;
mod rate;
mod response_headers;
mod rewrite;
mod routes;
mod shadow;
mod trie;
pub(crate) mod words;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::web::Cors;

pub use allow::{Allow, RuleError, Term, Verdict, authorize};
pub use caller::Caller;
pub use conflict::{Conflict, ConflictKind};
pub use expect::{Expectation, ExpectationError, ExpectationFailed};
pub use key::{Key, KeyError, Methods};
pub use met::Alternative;
pub use pattern::{Pattern, PatternError};
pub use question::{Question, Ruling, method};
pub use rate::{By, Rate, Rates, TooMany};
pub use response_headers::{ResponseHeaderError, ResponseHeaders};
pub use rewrite::{Rewrite, RewriteError};
pub use routes::{Ambiguous, OtherReading, Place, Routes};
pub use shadow::{Shadow, Would};

/// One line of the routing table.
#[derive(Clone, Debug)]
pub struct Route {
    /// Which requests it is for.
    pub key: Key,
    /// The line of the policy file that it begins in; `None` where it comes from no file.
    pub line: Option<usize>,
    /// Its place in the list of routes. [`Routes::new`] sets it.
    pub number: usize,
    /// The name of the upstream.
    pub to: String,
    /// The number of the upstream in the configuration's list.
    pub upstream: usize,
    /// Who may use it.
    pub allow: Allow,
    /// Who would be let through by a rule that is on trial.
    pub shadow: Option<Arc<Shadow>>,
    /// The networks that a client may come from; empty is any.
    pub from: Vec<IpNet>,
    /// What becomes of the path on its way to the upstream.
    pub rewrite: Option<Rewrite>,
    /// How often it may be used.
    pub rates: Option<Rates>,
    /// How long ago the caller's login may be; `None` is any time.
    pub fresh: Option<Duration>,
    /// The largest request body in bytes; `None` leaves the gateway's limit.
    pub body: Option<u64>,
    /// How long the upstream may take to its response head; `None` leaves the upstream's.
    pub timeout: Option<Duration>,
    /// What becomes of the client's `Authorization`.
    pub credential: CredentialPolicy,
    /// What becomes of header names with an underscore.
    pub underscores: Underscores,
    /// What is set on the answers of the upstream, or removed from them.
    pub response_headers: ResponseHeaders,
    /// How long a WebSocket may be silent; `None` opens none.
    pub websocket: Option<Duration>,
    /// How long a response may be silent before its end, and a gRPC call both ways.
    pub idle: Duration,
    /// How long a live connection may go on after its credential ended; `None` leaves it to the
    /// kind of connection.
    pub outlive: Option<Duration>,
    /// Whether a `?ticket=` in the query lets its caller in.
    pub tickets: bool,
    /// Whether a browser's cookie lets its caller in, and whoever browses without one is asked to
    /// sign in.
    pub browser: bool,
    /// Which pages of other origins may use it.
    pub cors: Option<Cors>,
}

impl Route {
    /// Whether a client at that address may use it, whoever it is.
    pub fn admits(&self, client: IpAddr) -> bool {
        if self.from.is_empty() {
            return true;
        }
        let client = client.to_canonical();
        self.from.iter().any(|network| network.contains(&client))
    }

    /// The same with what `before`, which it replaces, has counted; `None` if nothing of it goes
    /// on.
    fn heir(&self, before: &Self) -> Option<Self> {
        let rates = self.rates.as_ref().zip(before.rates.as_ref());
        let rates = rates.filter(|(ours, theirs)| ours.are_alike(theirs)).map(|(_, used)| used);
        let shadow = self.shadow.as_ref().zip(before.shadow.as_ref());
        let shadow = shadow.filter(|(ours, theirs)| ours.allow() == theirs.allow());
        let shadow = shadow.map(|(_, counted)| counted);
        if rates.is_none() && shadow.is_none() {
            return None;
        }
        let mut heir = self.clone();
        heir.rates = rates.cloned().or(heir.rates);
        heir.shadow = shadow.cloned().or(heir.shadow);
        Some(heir)
    }
}

/// What becomes of the client's `Authorization` on the way to the upstream.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum CredentialPolicy {
    /// It is removed.
    #[default]
    Strip,
    /// It is forwarded.
    Forward,
}

/// What becomes of header names with an underscore, which CGI and its heirs cannot tell from
/// those with a dash (RFC 3875 section 4.1.18).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Underscores {
    /// They are removed.
    #[default]
    Drop,
    /// They are forwarded, but for those that fold to a name of importance.
    Forward,
}

/// Which paths the gateway keeps to itself, on every host.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Owned {
    /// Paths that are the gateway's with everything below, such as `/api/auth`; an empty one is
    /// none.
    pub prefixes: Vec<String>,
    /// Single paths, such as `/.well-known/jwks.json`.
    pub exact: Vec<String>,
}

#[cfg(test)]
pub(crate) mod tests;
