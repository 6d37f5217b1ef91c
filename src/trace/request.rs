//! A request's place in its trace, and the spans that it leaves there.

use std::net::IpAddr;
use std::sync::atomic::AtomicU16;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use http::{HeaderValue, Method, StatusCode, Version};

use super::span::{Attribute, Kind, Parent, Span, bounded, in_names, known};
use super::tracer::Tracer;
use super::{Context, SpanId, TraceId};

/// What is known of a request when its head was read.
#[derive(Debug)]
pub struct Asked {
    /// When.
    pub started: Instant,
    /// What it asks for.
    pub what: Subject,
    /// `http` or `https`, as the client has it.
    pub scheme: &'static str,
    /// Of HTTP.
    pub version: Version,
    /// Who asks.
    pub client: IpAddr,
}

/// What a request asks for.
#[derive(Debug)]
pub struct Subject {
    /// As it was sent.
    pub method: Method,
    /// Without the query, which may hold secrets.
    pub path: String,
    /// Perhaps with a port.
    pub host: String,
}

/// How a request ended.
#[derive(Debug)]
pub struct Ended<'a> {
    /// What it was answered with; `None` where its client was gone before.
    pub status: Option<StatusCode>,
    /// Why it was refused.
    pub code: Option<&'static str>,
    /// The path pattern of its route, or the path of the endpoint that it was for.
    pub route: Option<String>,
    /// The id that its other records have.
    pub request_id: &'a HeaderValue,
}

/// A request's place in a trace. Clones are one.
#[derive(Clone, Debug)]
pub struct Trace {
    pub(super) context: Context,
    pub(super) state: Option<HeaderValue>,
    /// What is recorded of it, if it is.
    pub(super) sampled: Option<Arc<Sampled>>,
}

#[derive(Debug)]
pub(super) struct Sampled {
    pub(super) tracer: Arc<Tracer>,
    pub(super) parent: Option<SpanId>,
    pub(super) link: Option<Context>,
    pub(super) asked: Asked,
    /// What it asks about, where another request is meant.
    pub(super) about: OnceLock<Subject>,
    /// Who asked, where the operator wants to know.
    pub(super) user: OnceLock<String>,
    /// How often it was sent to an upstream.
    pub(super) tries: AtomicU16,
}

impl Trace {
    pub(super) const fn new(
        context: Context,
        state: Option<HeaderValue>,
        sampled: Option<Arc<Sampled>>,
    ) -> Self {
        Self { context, state, sampled }
    }

    /// The trace's id.
    pub const fn id(&self) -> TraceId {
        self.context.trace
    }

    /// The request's own span: what the next server follows, unless a try says otherwise.
    pub const fn context(&self) -> Context {
        self.context
    }

    /// What other tracers keep in the trace.
    pub const fn state(&self) -> Option<&HeaderValue> {
        self.state.as_ref()
    }

    /// It asks about another request, and is told of as if it were that.
    pub fn about(&self, what: impl FnOnce() -> Subject) {
        if let Some(sampled) = &self.sampled {
            sampled.about.get_or_init(what);
        }
    }

    /// Takes down who asks, where that is wanted.
    pub fn user(&self, id: Option<&str>) {
        if let (Some(sampled), Some(id)) = (&self.sampled, id)
            && sampled.tracer.wants_users()
        {
            sampled.user.get_or_init(|| id.to_owned());
        }
    }

    /// The span of the whole request.
    pub fn end(self, ended: &Ended<'_>) {
        let Some(sampled) = self.sampled else { return };
        let Sampled { tracer, parent, link, asked, about, user, .. } = &*sampled;
        let Ended { status, code, route, .. } = ended;
        let what = about.get().unwrap_or(&asked.what);
        let mut attributes = asked.attributes(what);
        attributes.push(("portcullis.request_id", text(ended.request_id)));
        if let Some(user) = user.get() {
            attributes.push(("enduser.id", user.clone().into()));
        }
        if let Some(status) = status {
            attributes.push(("http.response.status_code", status.as_u16().into()));
        }
        let failed = status.is_some_and(|status| status.is_server_error());
        match (code, status) {
            (Some(code), _) => attributes.push(("error.type", (*code).into())),
            (None, Some(status)) if failed => {
                attributes.push(("error.type", status.as_str().to_owned().into()));
            }
            (None, _) => {}
        }
        let method = in_names(&what.method);
        let name = match route {
            Some(route) => format!("{method} {route}").into(),
            None => method.into(),
        };
        if let Some(route) = route {
            attributes.push(("http.route", route.clone().into()));
        }
        tracer.keep(Span {
            context: self.context,
            parent: parent.map(|span| Parent { span, is_remote: true }),
            state: self.state,
            name,
            kind: Kind::Server,
            started: asked.started,
            ended: Instant::now(),
            attributes,
            link: *link,
            failed,
        });
    }
}

impl Asked {
    fn attributes(&self, what: &Subject) -> Vec<Attribute> {
        let mut attributes = Vec::with_capacity(14);
        attributes.push(("http.request.method", known(&what.method).into()));
        attributes.push(("url.scheme", self.scheme.into()));
        attributes.push(("url.path", bounded(&what.path).into()));
        attributes.push(("client.address", self.client.to_string().into()));
        attributes.extend(version(self.version));
        let (host, port) = match what.host.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
            _ => (what.host.as_str(), None),
        };
        if !host.is_empty() {
            attributes.push(("server.address", bounded(host).into()));
        }
        if let Some(port) = port {
            attributes.push(("server.port", u16::into(port)));
        }
        attributes
    }
}

fn text(value: &HeaderValue) -> super::span::Value {
    value.to_str().unwrap_or_default().to_owned().into()
}

pub(super) fn version(version: Version) -> Option<Attribute> {
    let version = match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_11 => "1.1",
        Version::HTTP_2 => "2",
        _ => return None,
    };
    Some(("network.protocol.version", version.into()))
}
