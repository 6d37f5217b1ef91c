//! What RFC 9113 asks of a request beyond what the protocol's own machinery refuses: everything
//! that would read differently once the request is one of HTTP/1.1.

use bytes::BytesMut;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Extensions, Method};
use hyper::ext::Protocol;

use crate::proxy::Rejection;
use crate::web::Upgradable;

/// Checks a request of HTTP/2 and gives it the form that the steps after it know.
///
/// Names in capitals, fields of the connection, pseudo-fields out of place, and line ends in
/// names and values never come so far: h2 resets their streams.
pub(super) fn check(parts: &mut Parts, most_fields: usize) -> Result<(), Rejection> {
    if parts.headers.len() > most_fields {
        return Err(Rejection::TooManyFields);
    }
    // Section 8.2.1.
    let padded = |value: &HeaderValue| {
        let ends = [value.as_bytes().first(), value.as_bytes().last()];
        ends.into_iter().flatten().any(|byte| matches!(byte, b' ' | b'\t'))
    };
    if parts.headers.values().any(padded) {
        return Err(Rejection::BadField);
    }
    // Section 8.1.1: h2 takes several that are equal.
    if parts.headers.get_all(header::CONTENT_LENGTH).iter().nth(1).is_some() {
        return Err(Rejection::BadFraming);
    }
    // RFC 8441 section 4: with a path and everything that follows from it. Other protocols stay
    // CONNECT, which the next step refuses.
    if parts.method == Method::CONNECT && asks_for_websocket(&parts.extensions) {
        parts.method = Method::GET;
    }
    // Section 8.3.1. CONNECT names no path, and is refused by the next step.
    let path = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let whole = path == "*" && parts.method == Method::OPTIONS;
    if !path.starts_with('/') && !whole && parts.method != Method::CONNECT {
        return Err(Rejection::BadTarget);
    }
    join_cookies(&mut parts.headers);
    Ok(())
}

/// Whether a request asks for a stream of its own: an extended CONNECT.
pub(super) fn is_tunnel(parts: &Parts) -> bool {
    Upgradable::is_stream(&parts.extensions)
}

/// Whether a CONNECT asks for a `WebSocket`, on a stream that can become one.
fn asks_for_websocket(extensions: &Extensions) -> bool {
    let protocol = extensions.get::<Protocol>().map_or(b"".as_slice(), Protocol::as_ref);
    Upgradable::is_stream(extensions) && protocol.eq_ignore_ascii_case(b"websocket")
}

/// One field, as HTTP/1.1 has it (section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(header::COOKIE).iter();
    let (Some(first), Some(second)) = (crumbs.next(), crumbs.next()) else { return };
    let mut whole = BytesMut::from(first.as_bytes());
    for crumb in std::iter::once(second).chain(crumbs) {
        whole.extend_from_slice(b"; ");
        whole.extend_from_slice(crumb.as_bytes());
    }
    // Made of values, so it is one.
    if let Ok(whole) = HeaderValue::from_maybe_shared(whole.freeze()) {
        headers.insert(header::COOKIE, whole);
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn checked(uri: &str, fields: &[(&str, &str)]) -> Result<Parts, &'static str> {
        let mut request = Request::builder().uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        check(&mut parts, 3).map_err(|rejection| rejection.code())?;
        Ok(parts)
    }

    #[test]
    fn what_would_read_differently_in_another_version_is_refused() {
        assert!(checked("/x", &[("a", "b c"), ("b", ""), ("c", "\u{e9}")]).is_ok());
        for value in [" b", "b ", "\tb", "b\t", " "] {
            assert_eq!(checked("/x", &[("a", value)]).err(), Some("bad_field"), "{value:?}");
        }
        let twice = [("content-length", "1"), ("content-length", "1")];
        assert_eq!(checked("/x", &twice).err(), Some("bad_framing"));
        assert_eq!(checked("/x", &[("a", "b"); 4]).err(), Some("too_many_fields"));
        assert_eq!(checked("a.test", &[]).err(), Some("bad_target"));
        assert_eq!(checked("*", &[]).err(), Some("bad_target"));
    }

    #[test]
    fn cookies_are_one_field() {
        let parts = checked("/x", &[("cookie", "a=1"), ("cookie", "b=2; c=3"), ("cookie", "d=4")]);
        let parts = parts.unwrap();
        let cookies: Vec<_> = parts.headers.get_all("cookie").iter().collect();
        assert_eq!(cookies, ["a=1; b=2; c=3; d=4"]);
    }
}
