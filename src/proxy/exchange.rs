//! What the proxy is asked, and what becomes known on the way.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use http::request::Parts;

use crate::metrics::Held;
use crate::policy::{Route, Would};
use crate::session::Authenticated;
use crate::trace::Trace;
use crate::web::{CanonicalPath, Origin, Peer, RequestBody};

/// A request that has found its route. Identity and forwarding fields are gone from it; `Debug`
/// leaves its head out, which holds the credential.
pub struct Exchange<'a> {
    /// Its route.
    pub route: &'a Arc<Route>,
    /// Its path in the one reading that counts.
    pub path: &'a CanonicalPath<'a>,
    /// The connection's other end.
    pub peer: &'a Peer,
    /// Where it came from.
    pub origin: &'a Origin,
    /// Its id.
    pub request_id: &'a HeaderValue,
    /// Its place in a trace, where there are traces; nothing is left of it in the head then.
    pub trace: Option<&'a Trace>,
    /// Head.
    pub parts: Parts,
    /// Body.
    pub body: RequestBody,
}

/// What became known of a request on its way, for the access log. `Debug` leaves the cookie out.
pub struct Known<'a> {
    /// Let go of when it is decided, and before its upstream hears of it.
    pub undecided: Option<Held<'a>>,
    /// Who asks.
    pub caller: Option<Arc<Authenticated>>,
    /// What the rule on trial would have changed.
    pub would: Option<Would>,
    /// The `Set-Cookie` by which a browser keeps its session, or loses it, whatever the answer.
    pub cookie: Option<HeaderValue>,
}

impl<'a> Known<'a> {
    /// Nothing yet, of a request that is being decided.
    pub const fn nothing(undecided: Held<'a>) -> Self {
        Self { undecided: Some(undecided), caller: None, would: None, cookie: None }
    }
}

impl fmt::Debug for Known<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { caller, would, .. } = self;
        f.debug_struct("Known")
            .field("caller", caller)
            .field("would", would)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Exchange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("route", &self.route.key).finish_non_exhaustive()
    }
}
