//! Callers who browse: a cookie speaks for them, and pages of others must not.

use std::sync::Arc;

use http::Method;
use http::header::UPGRADE;
use http::request::Parts;

use super::{Known, Proxy, Rejection};
use crate::policy::Route;
use crate::session::{Authenticated, Visit};
use crate::web::{
    Crumb, SessionCookie, Upgradable, is_from_own_page, is_navigation, is_opened_by_own_page,
};

impl Proxy {
    /// Who the cookie of a request speaks for, if it has one that is good. One that never will be
    /// again is as none: browsers send it with everything, also to routes for anyone.
    pub(super) async fn visitor(
        &self,
        cookie: SessionCookie,
        route: &Route,
        parts: &Parts,
        known: &mut Known<'_>,
    ) -> Result<Option<Arc<Authenticated>>, Rejection> {
        if cookie.find(&parts.headers) == Crumb::Absent {
            return Ok(None);
        }
        if !is_meant(cookie, route, parts) {
            return Err(Rejection::CrossSite);
        }
        match self.sessions.visit(cookie, &parts.headers).await {
            Ok(Visit::Nobody) => Ok(None),
            Ok(Visit::Ambiguous) => Err(Rejection::AmbiguousCookie),
            Ok(Visit::Known(visitor)) => {
                known.cookie = visitor.renewed;
                Ok(Some(visitor.caller))
            }
            Ok(Visit::Gone) => {
                // Not by what a page loads: its answer may come behind that of a login.
                known.cookie = is_navigation(&parts.method, &parts.headers).then(|| cookie.clear());
                Ok(None)
            }
            Err(error) => Err(self.refused(error)),
        }
    }
}

/// Whether whoever browses meant it: what only looks may come from anywhere, and what acts from
/// our own pages alone (OWASP: cross-site request forgery; for `WebSockets`, RFC 6455 section 10.2).
fn is_meant(cookie: SessionCookie, route: &Route, parts: &Parts) -> bool {
    let (headers, https) = (&parts.headers, cookie.is_secure());
    // Over HTTP/2 it is a GET by now, which was an extended CONNECT (RFC 8441).
    let tunnels = Upgradable::is_stream(&parts.extensions)
        || route.websocket.is_some() && headers.contains_key(UPGRADE);
    if tunnels {
        return is_opened_by_own_page(headers, https);
    }
    [Method::GET, Method::HEAD, Method::OPTIONS].contains(&parts.method)
        || is_from_own_page(headers, https)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Request;

    use super::*;
    use crate::policy::tests::route;

    /// What a page of somebody else may have a browser send.
    #[test]
    fn pages_of_others_may_look_and_neither_act_nor_open_websockets() {
        let cookie = SessionCookie::new(false);
        let (minute, upgrade) = (Some(Duration::from_secs(60)), Some("websocket"));
        for (method, upgrade, websocket, meant) in [
            (Method::GET, None, None, true),
            (Method::HEAD, None, None, true),
            (Method::POST, None, None, false),
            (Method::GET, None, minute, true),
            // Nothing is opened there: the upstream sees an ordinary request.
            (Method::GET, upgrade, None, true),
            (Method::GET, upgrade, minute, false),
        ] {
            let what = format!("{method} {upgrade:?} {websocket:?}");
            let request = Request::builder().method(method).uri("/x").header("host", "a.test");
            let request = request.header("origin", "http://evil.test");
            let request = request.header("sec-fetch-site", "cross-site");
            let request = upgrade.into_iter().fold(request, |it, to| it.header(UPGRADE, to));
            let (parts, ()) = request.body(()).unwrap().into_parts();
            let route = Route { websocket, ..route("/x", "anyone", "up") };
            assert_eq!(is_meant(cookie, &route, &parts), meant, "{what}");
        }
    }
}
