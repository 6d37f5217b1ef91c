//! HTTP/2 to upstreams: few connections, many requests on each.

mod call;
mod channels;
mod connection;
mod pipe;
mod received;
mod upload;

use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Uri, Version, uri};

pub(super) use call::{Answer, Call};
pub(super) use channels::{Channels, channels};
pub(super) use pipe::Pipe;

use super::{Address, Rejection};
use crate::session::Sessions;
use crate::web::{IdentityHeaders, Pulse, is_forwarding, is_framing, reads_as, tells_client};

/// How a request gets to an upstream that speaks HTTP/2.
pub(super) struct Way<'a> {
    /// By the number of the server.
    pub(super) channels: &'a [Arc<Channels>],
    /// What trailers are checked against, in both directions.
    pub(super) trailers: Trailers,
    /// Whether they go on to the client.
    pub(super) client_takes_trailers: bool,
    /// Told of every piece of the response.
    pub(super) pulse: Option<Arc<Pulse>>,
}

/// What the trailers of a message are checked against; `None` lets none through.
pub(super) type Trailers = Option<Arc<Sessions>>;

/// Fields that steer, route, frame, or say who somebody is, and so must not come after the
/// content, where nobody expects them any more (RFC 9110 section 6.5.1).
const NEVER_LAST: [&str; 16] = [
    "host",
    "authorization",
    "cookie",
    "set-cookie",
    "expect",
    "content-encoding",
    "content-type",
    "content-range",
    "cache-control",
    "location",
    "max-forwards",
    "range",
    "traceparent",
    "tracestate",
    "www-authenticate",
    "x-request-id",
];

/// Puts a head into the form of HTTP/2: the host is the authority, nothing speaks of the
/// connection (RFC 9113 sections 8.2.2 and 8.3.1).
pub(super) fn address(parts: &mut Parts, server: &Address) -> Result<(), Rejection> {
    let host = parts.headers.remove(header::HOST).ok_or(Rejection::BadHost(None))?;
    let mut whole = uri::Parts::default();
    let secure = matches!(server, Address::Tls { .. });
    whole.scheme = Some(if secure { Scheme::HTTPS } else { Scheme::HTTP });
    let authority = Authority::try_from(host.as_bytes());
    whole.authority = Some(authority.map_err(|_| Rejection::BadHost(None))?);
    let path = std::mem::take(&mut parts.uri).into_parts().path_and_query;
    whole.path_and_query = Some(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    parts.uri = Uri::from_parts(whole).map_err(|_| Rejection::BadTarget)?;
    parts.version = Version::HTTP_2;
    Ok(())
}

/// Lets the upstream know that trailers are welcome; removed as a field of the connection, this
/// is the one of its kind that HTTP/2 has kept.
pub(super) fn welcome_trailers(headers: &mut HeaderMap) {
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
}

/// Removes what must not be told in trailers, in either direction.
pub(super) fn clean_trailers(table: &IdentityHeaders, trailers: &mut HeaderMap) {
    let unfit = |name: &HeaderName| {
        table.is_ours(name)
            || is_framing(name)
            || is_forwarding(name)
            || tells_client(name)
            || name.as_str().contains('_')
            || NEVER_LAST.iter().any(|never| reads_as(name, never))
    };
    if trailers.keys().any(unfit) {
        let gone: Vec<HeaderName> = trailers.keys().filter(|name| unfit(name)).cloned().collect();
        for name in gone {
            trailers.remove(name);
        }
    }
}
