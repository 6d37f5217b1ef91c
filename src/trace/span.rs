//! What is recorded of a span, by the time that it is over.

use std::borrow::Cow;
use std::time::Instant;

use http::{HeaderValue, Method};

use super::{Context, SpanId};

/// A span that is over.
#[derive(Debug)]
pub(super) struct Span {
    pub(super) context: Context,
    pub(super) parent: Option<Parent>,
    /// What other tracers keep in the trace.
    pub(super) state: Option<HeaderValue>,
    pub(super) name: Cow<'static, str>,
    pub(super) kind: Kind,
    pub(super) started: Instant,
    pub(super) ended: Instant,
    pub(super) attributes: Vec<Attribute>,
    /// A span that this one does not follow, though it was named as its parent.
    pub(super) link: Option<Context>,
    /// Whether it went wrong, and on our side of it.
    pub(super) failed: bool,
}

/// The span that a span follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parent {
    pub(super) span: SpanId,
    /// Whether it is another process's.
    pub(super) is_remote: bool,
}

/// Which side of a request a span is of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Server,
    Client,
}

/// A name of the semantic conventions, or of ours, with its value.
pub(super) type Attribute = (&'static str, Value);

/// The value of an attribute.
#[derive(Debug)]
pub(super) enum Value {
    Text(Cow<'static, str>),
    Number(i64),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

/// A method by a name that a client cannot choose.
pub(super) fn known(method: &Method) -> &'static str {
    const KNOWN: [Method; 9] = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
        Method::CONNECT,
        Method::TRACE,
    ];
    const NAMES: [&str; 9] =
        ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE"];
    let at = KNOWN.iter().position(|known| known == method);
    at.and_then(|at| NAMES.get(at)).copied().unwrap_or(OTHER)
}

/// What any other method is called.
const OTHER: &str = "_OTHER";

/// A method as names of spans have it.
pub(super) fn in_names(method: &Method) -> &'static str {
    match known(method) {
        OTHER => "HTTP",
        known => known,
    }
}

/// A text that a client may have chosen, cut where it grows too long.
pub(super) fn bounded(text: &str) -> String {
    const LONGEST: usize = 1024;
    text.chars().take(LONGEST).collect()
}
