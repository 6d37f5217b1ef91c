//! The first steps of every request, before anybody asks where it goes: is it one request, is
//! it for us, and where does it come from?

use std::collections::HashSet;

use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode, Version};

use crate::config::Config;
use crate::policy::Routes;
use crate::proxy::{Rejection, X_REQUEST_ID};
use crate::web::{Body, HostName, MessageLimits, Peer, RequestIds};

/// The hosts that this gateway serves: those that routes and `public` name, and unless `public` is
/// set all others, too.
#[derive(Debug)]
pub(crate) struct Hosts {
    named: HashSet<String>,
    others: bool,
}

impl Hosts {
    pub(crate) fn new(config: &Config) -> Self {
        let public = config.public.as_ref().map(|public| public.host.clone());
        let others = public.is_none();
        Self { named: named(&config.routes).chain(public).collect(), others }
    }

    /// Whether that is the name of a host of ours, and not just any.
    pub(super) fn name(&self, name: &str) -> bool {
        self.named.contains(name)
    }

    /// Whether a request for that host is looked at.
    pub(crate) fn serve(&self, name: &str) -> bool {
        self.others || self.name(name)
    }
}

fn named(routes: &Routes) -> impl Iterator<Item = String> + '_ {
    routes.iter().filter_map(|route| route.key.host.clone())
}

/// Checks what RFC 9112 leaves to whoever forwards: whatever two servers could read differently
/// ends here. Returns the host's name; empty for HTTP/1.0 without one. The `Host` field is then
/// the host that was judged, in its one spelling: lower case, no trailing dot, no default port.
pub(super) fn check(
    parts: &mut Parts,
    limits: &MessageLimits,
    hosts: &Hosts,
    peer: &Peer,
) -> Result<String, Rejection> {
    if parts.method == Method::CONNECT {
        return Err(Rejection::Connect);
    }
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    if target.len() > limits.target {
        return Err(Rejection::TargetTooLong);
    }
    check_framing(&parts.headers)?;
    check_query(parts.uri.query())?;
    let known = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if !parts.headers.get_all(header::EXPECT).iter().all(known) {
        return Err(Rejection::Expectation);
    }
    let (name, rewritten) = match host(parts, peer.default_port())? {
        Some(host) => (host.name().to_owned(), respell(&host, parts, peer.default_port())),
        None => (String::new(), None),
    };
    // HTTP/1.0 may name no host, and so cannot contradict.
    if !name.is_empty() && !peer.may_ask_for(&name) {
        return Err(Rejection::Misdirected);
    }
    if !hosts.serve(&name) {
        return Err(Rejection::Misdirected);
    }
    if let Some(host) = rewritten {
        parts.headers.insert(header::HOST, host);
    }
    Ok(name)
}

/// The id that a request came with, if whoever sent it is `trusted`.
pub(super) fn kept_id(parts: &Parts, trusted: bool) -> Option<HeaderValue> {
    let id = parts.headers.get(X_REQUEST_ID).filter(|_| trusted)?;
    RequestIds::is_keepable(id).then(|| id.clone())
}

/// The host as it is to be sent, unless it stands so already.
fn respell(host: &HostName<'_>, parts: &Parts, usual: u16) -> Option<HeaderValue> {
    let port = host.port().filter(|port| *port != usual);
    let stands = parts.headers.get(header::HOST).map_or(b"".as_slice(), HeaderValue::as_bytes);
    if port.is_none() && stands == host.name().as_bytes() {
        return None;
    }
    let text =
        port.map_or_else(|| host.name().to_owned(), |port| format!("{}:{port}", host.name()));
    if stands == text.as_bytes() {
        return None;
    }
    HeaderValue::from_str(&text).ok()
}

/// One coding, and the one that we speak (RFC 9112 section 6.1). Our own server has judged the
/// bytes before; whoever else hands requests in may have parsed them more kindly.
fn check_framing(headers: &HeaderMap) -> Result<(), Rejection> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return Ok(()) };
    let plain = coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
    if plain { Ok(()) } else { Err(Rejection::BadFraming) }
}

/// A query passes as it is, so what no query may hold ends here (RFC 3986 section 3.4).
fn check_query(query: Option<&str>) -> Result<(), Rejection> {
    match query {
        Some(query) if !query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') => {
            Err(Rejection::BadTarget)
        }
        _ => Ok(()),
    }
}

/// Exactly one `Host` (RFC 9112 section 3.2), and the same as in an absolute target.
fn host(parts: &Parts, usual: u16) -> Result<Option<HostName<'_>>, Rejection> {
    let mut fields = parts.headers.get_all(header::HOST).iter();
    let field = fields.next();
    if fields.next().is_some() {
        return Err(Rejection::BadHost(None));
    }
    let field = match field {
        Some(field) => Some(read(field)?),
        // HTTP/1.0 may leave it out; HTTP/2 has it in the target.
        None if parts.version != Version::HTTP_11 => None,
        None => return Err(Rejection::BadHost(None)),
    };
    let scheme = parts.uri.scheme_str();
    if scheme.is_some_and(|scheme| scheme != "http" && scheme != "https") {
        return Err(Rejection::BadTarget);
    }
    if let Some(authority) = parts.uri.authority() {
        let named = HostName::parse(authority.as_str());
        let named = named.map_err(|error| Rejection::BadHost(Some(error)))?;
        let default = match scheme {
            Some("https") => 443,
            Some(_) => 80,
            None => usual,
        };
        if field.as_ref().is_some_and(|field| !field.agrees_with(&named, default)) {
            return Err(Rejection::HostMismatch);
        }
        return Ok(Some(named));
    }
    if field.is_none() && parts.version > Version::HTTP_11 {
        return Err(Rejection::BadHost(None));
    }
    Ok(field)
}

fn read(field: &HeaderValue) -> Result<HostName<'_>, Rejection> {
    let text = field.to_str().map_err(|_| Rejection::BadHost(None))?;
    HostName::parse(text).map_err(|error| Rejection::BadHost(Some(error)))
}

/// `OPTIONS *` asks about the server, not about a resource (RFC 9110 section 9.3.7).
pub(super) fn about_the_server() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let allow = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    response.headers_mut().insert(header::ALLOW, allow);
    response
}
