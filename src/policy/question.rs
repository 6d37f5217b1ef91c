//! What a policy makes of a request that nobody has sent.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode};

use super::Route;
use super::allow::{Verdict, authorize};
use super::caller::Caller;
use super::routes::{Ambiguous, Place, Routes};
use crate::web::{CanonicalPath, PathError};

/// A request as far as routes and rules look at it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Question {
    /// Who asks.
    pub caller: Caller,
    /// Where from; `None` is an address that every route takes.
    pub from: Option<IpAddr>,
    /// How.
    pub method: Method,
    /// Of which host, as [`HostName::name`](crate::web::HostName::name) has it; empty is none.
    pub host: String,
    /// For what, as the client writes it, without a query.
    pub path: String,
}

/// What becomes of a request, up to where the policy alone decides.
#[derive(Clone, Copy, Debug)]
pub enum Ruling<'r> {
    /// `CONNECT` opens no tunnel here.
    Connect,
    /// `TRACE` would send credentials back.
    Trace,
    /// The path is none that anybody should see.
    BadPath(PathError),
    /// The path leads elsewhere when read otherwise.
    Ambiguous(Ambiguous),
    /// The gateway's own endpoints decide.
    Own,
    /// No route.
    Nowhere,
    /// A route, but not for this method; with its `Allow`.
    MethodNotAllowed(&'r HeaderValue),
    /// The route takes no requests from the address.
    OtherAddresses(&'r Arc<Route>),
    /// The route's rule has decided.
    Judged(&'r Arc<Route>, Verdict),
}

impl Question {
    /// Takes the request through path, route and rule, as a real one would go.
    pub fn ask<'r>(&self, routes: &'r Routes) -> Ruling<'r> {
        if self.method == Method::CONNECT {
            return Ruling::Connect;
        }
        let place = match CanonicalPath::parse(&self.path) {
            Err(error) => return Ruling::BadPath(error),
            Ok(path) => routes.place(&self.host, &path, &self.method),
        };
        let route = match place {
            Err(ambiguous) => return Ruling::Ambiguous(ambiguous),
            Ok(Place::Own) => return Ruling::Own,
            Ok(_) if self.method == Method::TRACE => return Ruling::Trace,
            Ok(Place::Nowhere) => return Ruling::Nowhere,
            Ok(Place::MethodNotAllowed(allow)) => return Ruling::MethodNotAllowed(allow),
            Ok(Place::Route(route)) => route,
        };
        // A question that names no address speaks of one that may.
        if self.from.is_some_and(|client| !route.admits(client)) {
            return Ruling::OtherAddresses(route);
        }
        let Caller { identity, certificate } = &self.caller;
        Ruling::Judged(route, authorize(&route.allow, identity.as_ref(), certificate.as_ref()))
    }
}

impl<'r> Ruling<'r> {
    /// The route that has decided, if one has.
    pub const fn route(&self) -> Option<&'r Arc<Route>> {
        match self {
            Self::OtherAddresses(route) | Self::Judged(route, _) => Some(route),
            Self::Connect
            | Self::Trace
            | Self::BadPath(_)
            | Self::Ambiguous(_)
            | Self::Own
            | Self::Nowhere
            | Self::MethodNotAllowed(_) => None,
        }
    }

    /// What the request is refused with; `None` where it is not, or where the endpoints decide.
    pub const fn status(&self) -> Option<StatusCode> {
        Some(match self {
            Self::Connect => StatusCode::NOT_IMPLEMENTED,
            Self::Trace | Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::BadPath(_) | Self::Ambiguous(_) => StatusCode::BAD_REQUEST,
            Self::Nowhere => StatusCode::NOT_FOUND,
            Self::OtherAddresses(_) | Self::Judged(_, Verdict::Forbidden) => StatusCode::FORBIDDEN,
            Self::Judged(_, Verdict::NeedsIdentity | Verdict::NeedsFactor) => {
                StatusCode::UNAUTHORIZED
            }
            Self::Own | Self::Judged(_, Verdict::Allowed) => return None,
        })
    }
}

/// A method as people write one: in capitals.
pub fn method(text: &str) -> Option<Method> {
    let capitals = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    Method::from_bytes(text.as_bytes()).ok().filter(|_| capitals)
}
