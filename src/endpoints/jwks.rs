//! `GET /.well-known/jwks.json`: the public keys, for whoever verifies our tokens itself
//! (RFC 7517). No endpoint of the original: no negotiation, and it may be cached.

use http::header::{ALLOW, CACHE_CONTROL, HeaderValue};
use http::{Method, StatusCode};

use super::call::Reply;
use super::error::EndpointError;
use super::{Endpoints, reply};

/// What `Allow` says.
pub(super) const ALLOWED: &str = "GET, HEAD";

/// Whether a method is answered.
pub(super) fn takes(method: &Method) -> bool {
    [Method::GET, Method::HEAD].contains(method)
}

/// Answers any method at that path.
pub(super) fn answer(cx: &Endpoints, method: &Method) -> Reply {
    if !takes(method) {
        let mut refused = reply::refused(EndpointError::Method(method.clone()), None);
        let allow = HeaderValue::from_static(ALLOWED);
        refused.response.headers_mut().insert(ALLOW, allow);
        return refused;
    }
    let mut response = reply::json(StatusCode::OK, &cx.keys.jwks());
    // Shorter than any retired key lives, so that a rotation reaches everybody in time.
    let cache = HeaderValue::from_static("public, max-age=300");
    response.headers_mut().insert(CACHE_CONTROL, cache);
    reply::plain(response)
}
