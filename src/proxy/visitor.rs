//! Callers who browse: a cookie speaks for them, and pages of others must not.

use std::sync::Arc;

use http::Method;
use http::header::UPGRADE;
use http::request::Parts;

use super::{Known, Proxy, Rejection};
use crate::policy::Route;
use crate::session::{Authenticated, Visitor};
use crate::web::{Authorization, Crumb, SessionCookie, is_from_own_page, is_opened_by_own_page};

impl Proxy {
    /// Who the cookie of a request speaks for, if it has one that is good. One that never will be
    /// again is as none, and is taken away: browsers send it with everything, also to routes for
    /// anyone.
    pub(super) async fn visitor(
        &self,
        cookie: SessionCookie,
        route: &Route,
        parts: &Parts,
        known: &mut Known<'_>,
    ) -> Result<Option<Arc<Authenticated>>, Rejection> {
        let token = match cookie.find(&parts.headers) {
            Crumb::Absent => return Ok(None),
            Crumb::Several => return Err(Rejection::AmbiguousCookie),
            Crumb::One(token) => token,
        };
        if !matches!(
            Authorization::of(&parts.headers),
            Authorization::Absent | Authorization::Other
        ) {
            return Err(Rejection::AmbiguousCookie);
        }
        if !is_meant(cookie, route, parts) {
            return Err(Rejection::CrossSite);
        }
        match self.sessions.visit(token).await {
            Ok(Visitor { caller, renewed }) => {
                if let Some(token) = renewed {
                    let life = self.sessions.cookie_life(&token);
                    let life = life.map_err(|error| self.refused(error))?;
                    known.cookie = cookie.set(&token, life);
                }
                Ok(Some(caller))
            }
            Err(error) if error.status().is_server_error() => Err(self.refused(error)),
            Err(_) => {
                known.cookie = Some(cookie.clear());
                Ok(None)
            }
        }
    }
}

/// Whether whoever browses meant it: what only looks may come from anywhere, and what acts from
/// our own pages alone (OWASP: cross-site request forgery; for `WebSockets`, RFC 6455 section 10.2).
fn is_meant(cookie: SessionCookie, route: &Route, parts: &Parts) -> bool {
    let (headers, https) = (&parts.headers, cookie.is_secure());
    let tunnels = parts.method == Method::CONNECT || headers.contains_key(UPGRADE);
    if route.websocket.is_some() && tunnels {
        return is_opened_by_own_page(headers, https);
    }
    [Method::GET, Method::HEAD, Method::OPTIONS].contains(&parts.method)
        || is_from_own_page(headers, https)
}
