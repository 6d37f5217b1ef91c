//! The first steps of every request, before anybody asks where it goes: is it one request, is
//! it for us, and where does it come from?

use std::borrow::Cow;
use std::collections::HashSet;

use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Version};

use crate::config::Config;
use crate::policy::Routes;
use crate::proxy::Rejection;
use crate::web::{HostName, MessageLimits};

/// The hosts that this gateway serves: all, unless `public` is set.
#[derive(Debug)]
pub(super) struct Hosts(Option<HashSet<String>>);

impl Hosts {
    pub(super) fn new(config: &Config) -> Self {
        let public = config.public.as_ref().map(|public| public.host.clone());
        Self(public.map(|public| named(&config.routes).chain([public]).collect()))
    }

    fn serve(&self, name: &str) -> bool {
        self.0.as_ref().is_none_or(|served| served.contains(name))
    }
}

fn named(routes: &Routes) -> impl Iterator<Item = String> + '_ {
    routes.iter().filter_map(|route| route.key.host.clone())
}

/// Checks what RFC 9112 leaves to whoever forwards: whatever two servers could read differently
/// ends here. Returns the host's name; empty for HTTP/1.0 without one.
pub(super) fn check<'p>(
    parts: &'p Parts,
    limits: &MessageLimits,
    hosts: &Hosts,
) -> Result<Cow<'p, str>, Rejection> {
    if parts.method == Method::CONNECT {
        return Err(Rejection::Connect);
    }
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    if target.len() > limits.target {
        return Err(Rejection::TargetTooLong);
    }
    check_framing(&parts.headers)?;
    check_query(parts.uri.query())?;
    if let Some(expected) = parts.headers.get(header::EXPECT)
        && !expected.as_bytes().eq_ignore_ascii_case(b"100-continue")
    {
        return Err(Rejection::Expectation);
    }
    let host = host(parts)?;
    if !host.is_empty() && !hosts.serve(&host) {
        return Err(Rejection::Misdirected);
    }
    Ok(host)
}

/// One coding, and the one that we speak (RFC 9112 section 6.1). hyper refuses two lengths and
/// codings without `chunked` at the end; of a length beside a coding it drops the length, and
/// closes the connection after the request (section 6.3).
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
fn host(parts: &Parts) -> Result<Cow<'_, str>, Rejection> {
    let mut fields = parts.headers.get_all(header::HOST).iter();
    let field = fields.next();
    if fields.next().is_some() {
        return Err(Rejection::BadHost(None));
    }
    let field = match field {
        Some(field) => Some(read(field)?),
        None if parts.version < Version::HTTP_11 => None,
        None => return Err(Rejection::BadHost(None)),
    };
    let scheme = parts.uri.scheme_str();
    if scheme.is_some_and(|scheme| scheme != "http" && scheme != "https") {
        return Err(Rejection::BadTarget);
    }
    if let Some(authority) = parts.uri.authority() {
        let named = HostName::parse(authority.as_str());
        let named = named.map_err(|error| Rejection::BadHost(Some(error)))?;
        let default = if scheme == Some("https") { 443 } else { 80 };
        if field.as_ref().is_some_and(|field| !field.agrees_with(&named, default)) {
            return Err(Rejection::HostMismatch);
        }
        return Ok(named.into_name());
    }
    Ok(field.map(HostName::into_name).unwrap_or_default())
}

fn read(field: &HeaderValue) -> Result<HostName<'_>, Rejection> {
    let text = field.to_str().map_err(|_| Rejection::BadHost(None))?;
    HostName::parse(text).map_err(|error| Rejection::BadHost(Some(error)))
}
