//! Fields that belong to one connection and never travel on (RFC 9110 section 7.6.1).

use http::header::{self, HeaderMap, HeaderName};

use super::fold::reads_as;

/// Those that are hop-by-hop whether a `Connection` field names them or not.
const ALWAYS: [&str; 9] = [
    "connection",
    "upgrade",
    "te",
    "trailer",
    "transfer-encoding",
    "proxy-authenticate",
    "proxy-authorization",
    "keep-alive",
    // Never standardised, sent all the same.
    "proxy-connection",
];

/// Removes what belongs to the connection, and what its `Connection` field nominates.
///
/// What the gateway sets itself it must set afterwards, or a client could nominate it away.
/// `Host` and `Content-Length` cannot be nominated: without them the message would be another.
pub fn drop_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let nominated: Vec<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
            .filter(|name| *name != header::HOST && *name != header::CONTENT_LENGTH)
            .collect();
        for name in nominated {
            headers.remove(name);
        }
    }
    // Most messages have none, and comparing names is cheaper than looking each of these up.
    if headers.keys().any(|name| ALWAYS.contains(&name.as_str())) {
        for name in ALWAYS {
            headers.remove(name);
        }
    }
}

/// Whether a name could be read as one that frames a message or steers its connection: nobody
/// but the two ends of a connection may set it.
pub fn is_framing(name: &HeaderName) -> bool {
    reads_as(name, "content-length") || ALWAYS.iter().any(|own| reads_as(name, own))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nominated_fields_stay_here() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "X-One, close"),
            ("connection", " x-two ,,host, content-length"),
            ("x-one", "1"),
            ("x-two", "1"),
            ("x-two", "2"),
            ("x-three", "1"),
            ("host", "a.test"),
            ("content-length", "3"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        drop_hop_by_hop(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "host", "x-three"]);
    }

    proptest! {
        /// Whatever `Connection` says, none of its own fields travels on.
        #[test]
        fn no_connection_field_survives(value in "[ -~]{0,40}", name in 0usize..9) {
            let mut headers = HeaderMap::new();
            headers.append(header::CONNECTION, value.parse::<HeaderValue>()?);
            headers.append(ALWAYS[name], HeaderValue::from_static("x"));
            drop_hop_by_hop(&mut headers);
            prop_assert!(!headers.keys().any(|name| ALWAYS.contains(&name.as_str())));
        }
    }
}
