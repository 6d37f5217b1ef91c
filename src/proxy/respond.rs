//! What an upstream's response loses and gains on its way to the client.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, Version};
use http_body::Body as _;

use crate::policy::Route;
use crate::web::{Body, drop_hop_by_hop, lists, strip_set_cookies, vary_by};

/// The limits of a route (draft-ietf-httpapi-ratelimit-headers-10).
pub(super) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// What is left of them.
pub(super) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Makes a response to a request that went out so what the client shall see. `known` says that the
/// request carried a credential of ours, `rates` what is left of the route's limits.
pub(super) fn finish(
    route: &Route,
    known: bool,
    rates: Option<(HeaderValue, HeaderValue)>,
    response: &mut Response<Body>,
) {
    tidy(response);
    let headers = response.headers_mut();
    strip_set_cookies(headers);
    guard_caches(known, route.browser, headers);
    if let Some((policy, limit)) = rates {
        headers.insert(RATE_LIMIT_POLICY, policy);
        headers.insert(RATE_LIMIT, limit);
    }
    // The operator's word is the last.
    route.response_headers.apply(headers);
}

/// Framed by us, in our version of HTTP (RFC 9110 section 2.5).
fn tidy(response: &mut Response<Body>) {
    *response.version_mut() = Version::HTTP_11;
    let length = response.body().size_hint().exact().filter(|_| !response.body().is_end_stream());
    let headers = response.headers_mut();
    if headers.contains_key(header::TRANSFER_ENCODING) {
        // Where both were sent, the coding wins and the length is a lie (RFC 9112 section 6.3).
        headers.remove(header::CONTENT_LENGTH);
    } else if let Some(length) = length
        && headers.contains_key(header::CONTENT_LENGTH)
    {
        // Said once, whatever was said how often.
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    drop_hop_by_hop(headers);
}

/// Keeps caches between us and the client from giving one caller's answer to another.
///
/// The upstream never sees our credential and may not know that its answer depends on one, so
/// to a known caller it is `private` unless it says something about caching itself. An answer to
/// nobody may be kept by all, but not for those who show a credential: on every route a
/// credential of ours becomes identity headers, and a foreign one goes upstream as it is. So
/// both vary by it; only what is not stored needs no key.
fn guard_caches(known: bool, browser: bool, headers: &mut HeaderMap) {
    let stored = !lists(headers, &header::CACHE_CONTROL, &["no-store"]);
    if known && !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private"));
    }
    if known || stored {
        vary_by("Authorization", headers);
        if browser {
            vary_by("Cookie", headers);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_framed_by_us() {
        const LENGTH: HeaderName = header::CONTENT_LENGTH;
        const CODING: HeaderName = header::TRANSFER_ENCODING;
        for (sent, length) in [
            (&[(LENGTH, "5")][..], &["5"][..]),
            (&[(LENGTH, "5"), (LENGTH, "5")], &["5"]),
            // Where it said nothing, whoever serves the connection knows better than we.
            (&[], &[]),
            (&[(CODING, "chunked"), (LENGTH, "9")], &[]),
        ] {
            let answer = Response::builder().version(Version::HTTP_2).header("connection", "x-hop");
            let answer =
                answer.header("x-hop", "1").header("keep-alive", "5").header("x-kept", "1");
            let answer = sent.iter().fold(answer, |it, (name, value)| it.header(name, *value));
            let mut answer = answer.body(Body::from("whole".to_owned())).unwrap();
            tidy(&mut answer);
            assert_eq!(answer.version(), Version::HTTP_11);
            let said: Vec<_> = answer.headers().get_all(LENGTH).iter().collect();
            assert_eq!(said, length, "{sent:?}");
            for gone in ["connection", "x-hop", "keep-alive", "transfer-encoding"] {
                assert!(!answer.headers().contains_key(gone), "{gone}");
            }
            assert_eq!(answer.headers()["x-kept"], "1");
        }
    }

    #[test]
    fn whatever_went_out_comes_back_tidied() {
        let route = crate::policy::tests::route("/x", "anyone", "up");
        let answer = Response::builder().header("connection", "x-hop").header("x-hop", "1");
        let mut answer = answer.body(Body::empty()).unwrap();
        finish(&route, false, None, &mut answer);
        assert!(!answer.headers().contains_key("x-hop"));
    }

    /// What becomes of these fields: `Cache-Control` and `Vary`.
    fn guarded(known: bool, fields: &[(&'static str, &'static str)]) -> (Vec<String>, Vec<String>) {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        guard_caches(known, false, &mut headers);
        let all = |name| {
            let values = headers.get_all(name).iter();
            values.map(|value| value.to_str().unwrap().to_owned()).collect()
        };
        (all(header::CACHE_CONTROL), all(header::VARY))
    }

    #[test]
    fn what_a_known_caller_gets_is_its_own_unless_the_upstream_says_otherwise() {
        let (cache, vary) = guarded(true, &[]);
        assert_eq!((cache, vary), (vec!["private".into()], vec!["Authorization".into()]));
        let (cache, vary) = guarded(true, &[("cache-control", "public, max-age=60")]);
        assert_eq!(cache, ["public, max-age=60"]);
        assert_eq!(vary, ["Authorization"]);
        assert_eq!(guarded(true, &[("cache-control", "no-store")]).1, ["Authorization"]);
    }

    #[test]
    fn what_nobody_in_particular_gets_is_not_made_private() {
        assert_eq!(guarded(false, &[]), (Vec::new(), vec!["Authorization".into()]));
        let (cache, vary) = guarded(false, &[("cache-control", "max-age=60")]);
        assert_eq!((cache, vary), (vec!["max-age=60".into()], vec!["Authorization".into()]));
        let (_, vary) = guarded(false, &[("cache-control", "max-age=0, No-Store")]);
        assert_eq!(vary, [] as [&str; 0]);
    }

    #[test]
    fn vary_is_completed_and_not_repeated() {
        for (sent, made) in [
            (&["Accept"][..], &["Accept, Authorization"][..]),
            (&["Accept, Cookie"], &["Accept, Cookie, Authorization"]),
            (&["Accept", "Cookie"], &["Accept", "Cookie", "Authorization"]),
            (&["accept ,AUTHORIZATION"], &["accept ,AUTHORIZATION"]),
            (&["X-Authorization"], &["X-Authorization, Authorization"]),
            (&["*"], &["*"]),
        ] {
            let fields: Vec<_> = sent.iter().map(|value| ("vary", *value)).collect();
            for known in [true, false] {
                assert_eq!(guarded(known, &fields).1, made, "{sent:?}");
            }
        }
    }
}
