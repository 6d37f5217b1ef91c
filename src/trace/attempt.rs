//! A try to have a request answered by an upstream, and its span.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use http::{HeaderValue, Method, StatusCode, Version};

use super::request::{Sampled, Trace, version};
use super::span::{Attribute, Kind, Parent, Span, bounded, in_names, known};
use super::{Context, SpanId};

/// A try to have a request answered by a server of an upstream.
#[derive(Debug)]
pub struct Try<'a> {
    /// The name of the upstream.
    pub upstream: &'a str,
    /// `http` or `https`; `None` for a socket of this machine.
    pub scheme: Option<&'static str>,
    /// The name or address of the server, IPv6 without brackets; the path of its socket.
    pub host: &'a str,
    /// Its port.
    pub port: Option<u16>,
    /// As it is sent.
    pub method: &'a Method,
    /// As it is sent, without the query.
    pub path: &'a str,
    /// Of HTTP.
    pub version: Version,
}

/// A try under way. Dropped without an end, it was given up: nobody waited any more.
#[derive(Debug)]
pub struct Attempt {
    sampled: Arc<Sampled>,
    context: Context,
    parent: SpanId,
    state: Option<HeaderValue>,
    name: &'static str,
    started: Instant,
    attributes: Vec<Attribute>,
}

/// The error of a try that was given up.
const CANCELLED: &str = "cancelled";

impl Trace {
    /// Begins a span for a try; `None` if nothing is recorded.
    pub fn attempt(&self, of: &Try<'_>) -> Option<Attempt> {
        let sampled = self.sampled.as_ref()?;
        let context = Context { span: SpanId::fresh()?, ..self.context };
        let before = sampled.tries.fetch_add(1, Ordering::Relaxed);
        Some(Attempt {
            sampled: Arc::clone(sampled),
            context,
            parent: self.context.span,
            state: self.state.clone(),
            name: in_names(of.method),
            started: Instant::now(),
            attributes: of.attributes(before),
        })
    }
}

impl Try<'_> {
    /// `before` is how often it was tried before.
    fn attributes(&self, before: u16) -> Vec<Attribute> {
        let mut attributes = Vec::with_capacity(10);
        attributes.push(("http.request.method", known(self.method).into()));
        attributes.push(("server.address", self.host.to_owned().into()));
        attributes.push(("portcullis.upstream", self.upstream.to_owned().into()));
        attributes.extend(version(self.version));
        if let Some(port) = self.port {
            attributes.push(("server.port", port.into()));
        }
        match (self.scheme, self.port) {
            (Some(scheme), Some(port)) => {
                let path = bounded(self.path);
                let host = if self.host.contains(':') {
                    format!("[{}]", self.host)
                } else {
                    self.host.to_owned()
                };
                let url = format!("{scheme}://{host}:{port}{path}");
                attributes.push(("url.full", url.into()));
            }
            _ => attributes.push(("network.transport", "unix".into())),
        }
        if before > 0 {
            attributes.push(("http.request.resend_count", before.into()));
        }
        attributes
    }
}

impl Attempt {
    /// The span that the server follows.
    pub const fn context(&self) -> Context {
        self.context
    }

    /// Ends it with the head of a response.
    pub fn answered(mut self, status: StatusCode) {
        self.attributes.push(("http.response.status_code", status.as_u16().into()));
        let failed = status.is_client_error() || status.is_server_error();
        if failed {
            self.attributes.push(("error.type", status.as_str().to_owned().into()));
        }
        self.keep(failed);
    }

    /// Ends it without one, for the reason that a refusal has.
    pub fn failed(mut self, code: &'static str) {
        self.attributes.push(("error.type", code.into()));
        self.keep(true);
    }

    fn keep(&mut self, failed: bool) {
        self.sampled.tracer.keep(Span {
            context: self.context,
            parent: Some(Parent { span: self.parent, is_remote: false }),
            state: self.state.take(),
            name: self.name.into(),
            kind: Kind::Client,
            started: self.started,
            ended: Instant::now(),
            attributes: std::mem::take(&mut self.attributes),
            link: None,
            failed,
        });
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        // One that has ended has none any more.
        if !self.attributes.is_empty() {
            self.attributes.push(("error.type", CANCELLED.into()));
            self.keep(false);
        }
    }
}
