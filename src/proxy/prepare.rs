//! What a request loses and gains on its way out.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::OnceLock;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Uri, Version};

use super::{Rejection, http2};
use crate::policy::{CredentialPolicy, Route, Underscores};
use crate::session::Authenticated;
use crate::trace::{Context, TRACEPARENT, TRACESTATE, Trace};
use crate::web::{
    CanonicalPath, IdentityHeaders, Origin, Peer, drop_hop_by_hop, is_framing, lists, reads_as,
    strip_cookies, write_lines,
};

/// Removes every field that could be read as one of our identity headers: on every route,
/// before anything looks at the request.
pub fn strip_identity(table: &IdentityHeaders, headers: &mut HeaderMap) {
    if headers.keys().any(|name| table.is_ours(name)) {
        let ours: Vec<HeaderName> =
            headers.keys().filter(|name| table.is_ours(name)).cloned().collect();
        for name in ours {
            headers.remove(name);
        }
    }
}

/// Removes names with an underscore, which many servers cannot tell from those with a dash.
pub(super) fn drop_underscores(policy: Underscores, headers: &mut HeaderMap) {
    let doubtful = |name: &HeaderName| {
        name.as_str().contains('_') && (policy == Underscores::Drop || is_important(name))
    };
    if headers.keys().any(doubtful) {
        let gone: Vec<HeaderName> = headers.keys().filter(|name| doubtful(name)).cloned().collect();
        for name in gone {
            headers.remove(name);
        }
    }
}

/// Whether a name could be read as one that we or the connection set. Identity and forwarding
/// fields are gone by now, in every spelling.
fn is_important(name: &HeaderName) -> bool {
    const IMPORTANT: [&str; 5] = ["host", "authorization", "cookie", "expect", "x-request-id"];
    is_framing(name) || IMPORTANT.iter().any(|important| reads_as(name, important))
}

/// What goes out, beside the request itself.
pub(super) struct Outfit<'a> {
    pub(super) route: &'a Route,
    pub(super) path: &'a CanonicalPath<'a>,
    pub(super) peer: &'a Peer,
    pub(super) origin: &'a Origin,
    pub(super) caller: Option<&'a Authenticated>,
    pub(super) request_id: &'a HeaderValue,
    /// Its place in a trace, where there are traces.
    pub(super) trace: Option<&'a Trace>,
    /// The host that the client asked for.
    pub(super) host: Option<HeaderValue>,
    /// Whether it goes out in HTTP/2.
    pub(super) http2: bool,
    /// Which headers tell who it is.
    pub(super) table: &'a IdentityHeaders,
    /// Who its caller is, signed for this request; as a rule nothing.
    pub(super) signed: OnceLock<Vec<(HeaderName, HeaderValue)>>,
}

impl Outfit<'_> {
    /// Makes the request what the upstream shall see, but for what is ours to say.
    pub(super) fn put_on(&self, parts: &mut Parts) -> Result<(), Rejection> {
        let headers = &mut parts.headers;
        // What did not let anybody in is none of ours: the upstream may know what to do with it.
        let by_header = self.caller.is_some_and(|caller| !caller.came_by_cookie());
        if self.route.credential == CredentialPolicy::Strip && by_header {
            headers.remove(header::AUTHORIZATION);
        }
        strip_cookies(headers);
        let welcome = self.http2 && lists(headers, &header::TE, &["trailers"]);
        drop_hop_by_hop(headers);
        if welcome && parts.version == Version::HTTP_2 {
            http2::welcome_trailers(headers);
        }
        drop_underscores(self.route.underscores, headers);
        // hyper has answered it, or will.
        headers.remove(header::EXPECT);
        headers.remove(X_REQUEST_ID);
        parts.version = Version::HTTP_11;
        self.target(&mut parts.uri)
    }

    /// Sets what is ours to say: where the request comes from, its id, its place in a trace, and
    /// who its caller is. Last of all, so that nothing before can touch them. All such fields of
    /// the client are gone.
    pub(super) fn set_ours(&self, headers: &mut HeaderMap) {
        self.origin.write(self.peer, self.host.as_ref(), headers);
        headers.insert(X_REQUEST_ID, self.request_id.clone());
        if let Some(caller) = self.caller {
            for (name, value) in &caller.headers {
                headers.insert(name, value.clone());
            }
        }
        for (name, value) in self.signed.get().into_iter().flatten() {
            headers.insert(name, value.clone());
        }
        for (name, value) in self.table.certificate(self.peer) {
            headers.insert(name, value.clone());
        }
        if let Some(trace) = self.trace {
            follow(trace.context(), headers);
            if let Some(state) = trace.state() {
                headers.insert(TRACESTATE, state.clone());
            }
        }
    }

    /// The same as lines of HTTP/1.1, of which most were made ready before. Returns where in them
    /// the id of the span stands that the server is to follow.
    pub(super) fn write_ours(&self, out: &mut BytesMut) -> Option<usize> {
        out.extend_from_slice(&self.origin.lines(self.peer, self.host.as_ref()));
        write_lines([(&X_REQUEST_ID, self.request_id)], out);
        if let Some(caller) = self.caller {
            out.extend_from_slice(&caller.lines);
        }
        let signed = self.signed.get().into_iter().flatten();
        write_lines(signed.map(|(name, value)| (name, value)), out);
        write_lines(self.table.certificate(self.peer), out);
        let trace = self.trace?;
        if let Some(state) = trace.state() {
            write_lines([(&TRACESTATE, state)], out);
        }
        write!(out, "{TRACEPARENT}: ").ok()?;
        let at = out.len() + Context::BEFORE_SPAN;
        write!(out, "{}\r\n", trace.context()).ok()?;
        Some(at)
    }

    /// The path that was judged is the path that is sent, in origin form, unless the route
    /// rewrites it.
    fn target(&self, uri: &mut Uri) -> Result<(), Rejection> {
        let judged = self.path.as_str();
        let rewrite = self.route.rewrite.as_ref();
        let path = rewrite.map_or(Cow::Borrowed(judged), |rewrite| rewrite.apply(judged));
        // To a parser of URLs what is behind two slashes is a host, and what it would take for the path
        // was judged by nobody.
        if rewrite.is_some() && path.starts_with("//") {
            return Err(Rejection::BadTarget);
        }
        if uri.authority().is_none() && uri.path() == path {
            return Ok(());
        }
        let target = match uri.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.into_owned(),
        };
        let target = PathAndQuery::try_from(target).map_err(|_| Rejection::BadTarget)?;
        *uri = Uri::from(target);
        Ok(())
    }
}

/// Has the server follow that span.
pub(super) fn follow(context: Context, headers: &mut HeaderMap) {
    let text = Bytes::from(context.to_string());
    // Hex digits and dashes are always a legal value.
    if let Ok(value) = HeaderValue::from_maybe_shared(text) {
        headers.insert(TRACEPARENT, value);
    }
}

/// The id that ties a request's lines in every log together.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
