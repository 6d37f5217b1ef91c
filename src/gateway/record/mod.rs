//! What is known of a request, from its head to the last byte of its answer: then it is counted,
//! and has its line in the access log.

mod ending;
mod line;

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::header::{self, HeaderValue};
use http::request::Parts;
use http::uri::Authority;
use http::{Response, StatusCode};
use http_body::Body as _;

use super::access_log::{self, End};
use super::meters::{Met, Meters, Passage};
use super::recent::Past;
use crate::causes::chain;
use crate::policy::{Key, Would};
use crate::trace::{Ended, Subject, Trace};
use crate::web::{Body, BodyTrace, CanonicalPath, Peer, Takeover};
use ending::{Recorded, Tunnelled};

pub(super) use line::{Caller, Judged, Line};

/// A request under way. Dropped without an answer, its client has gone.
#[derive(Debug)]
pub(super) struct Record {
    request_id: HeaderValue,
    started: Instant,
    meters: Arc<Meters>,
    met: Met,
    status: StatusCode,
    code: Option<&'static str>,
    /// Its body, where it has one.
    body: Option<Arc<BodyTrace>>,
    /// What came from the client after the connection was taken over.
    tunnelled: Option<u64>,
    /// Nothing is gathered while nobody listens and nothing is remembered.
    line: Option<Box<Line>>,
    /// Its place in a trace, where there are traces.
    trace: Option<Trace>,
    is_answered: bool,
    is_over: bool,
}

impl Record {
    pub(super) fn start(
        parts: &Parts,
        request_id: HeaderValue,
        peer: IpAddr,
        meters: Arc<Meters>,
        body: Option<Arc<BodyTrace>>,
    ) -> Self {
        meters.common().under_way.begin();
        let is_wanted = meters.common().recent.is_wanted() || access_log::is_wanted();
        let line = is_wanted.then(|| {
            let (method, path) = (parts.method.clone(), parts.uri.path());
            Box::new(Line::new(peer, method, path, host(parts)))
        });
        Self {
            request_id,
            started: Instant::now(),
            meters,
            met: Met::Nowhere,
            status: StatusCode::OK,
            code: None,
            body,
            tunnelled: None,
            line,
            trace: None,
            is_answered: true,
            is_over: false,
        }
    }

    pub(super) const fn request_id(&self) -> &HeaderValue {
        &self.request_id
    }

    /// Whose it is, and the id that it came with, if that is to be kept.
    pub(super) fn client(&mut self, client: IpAddr, id: Option<HeaderValue>) {
        if let Some(id) = id {
            self.request_id = id;
        }
        if let Some(line) = &mut self.line {
            line.client = client;
        }
    }

    /// What a proxy asks about is what counts, and not that it asks.
    pub(super) fn asked(&mut self, parts: &Parts) {
        if let Some(trace) = &self.trace {
            trace.about(|| subject(parts));
        }
        if let Some(line) = &mut self.line {
            line.method = parts.method.clone();
            parts.uri.path().clone_into(&mut line.path);
            host(parts).clone_into(&mut line.host);
        }
    }

    /// When its head was there.
    pub(super) const fn started(&self) -> Instant {
        self.started
    }

    /// It has a place in a trace.
    pub(super) fn enter(&mut self, trace: Option<Trace>) {
        if let Some(line) = &mut self.line {
            line.trace = trace.as_ref().map(Trace::id);
        }
        self.trace = trace;
    }

    /// That place.
    pub(super) const fn trace(&self) -> Option<&Trace> {
        self.trace.as_ref()
    }

    /// The number of the route.
    pub(super) const fn route(&mut self, number: usize) {
        self.met = Met::Route(number);
    }

    /// It was for an endpoint of ours.
    pub(super) const fn endpoint(&mut self, path: &'static str) {
        self.met = Met::Endpoint(path);
    }

    /// The path as it is judged, and what the peer has shown.
    pub(super) fn judged(&mut self, path: &CanonicalPath<'_>, peer: &Peer) {
        if let Some(line) = &mut self.line
            && self.meters.common().recent.is_wanted()
        {
            let path = path.as_str();
            let same = line.path == path;
            line.judged = if same { Judged::AsWritten } else { Judged::As(path.to_owned()) };
            line.certificate = peer.certificate().cloned();
        }
    }

    /// Who asks.
    pub(super) fn caller(&mut self, caller: Caller) {
        if let Some(trace) = &self.trace {
            trace.user(caller.user());
        }
        if let Some(line) = &mut self.line {
            line.caller = caller;
        }
    }

    /// What a rule on trial would have changed.
    pub(super) fn would(&mut self, would: Option<Would>) {
        if let Some(line) = &mut self.line {
            line.would = would.map(Would::as_str);
        }
    }

    /// Why the request was refused. What the operator should mend gives a line of its own, with
    /// its causes; a client's mistake only where it is asked for.
    pub(super) fn refused(
        &mut self,
        status: StatusCode,
        code: &'static str,
        error: Option<&(dyn Error + 'static)>,
    ) {
        self.code = Some(code);
        let Some(error) = error else { return };
        let id = self.request_id.to_str().unwrap_or_default();
        if status.is_server_error() {
            tracing::warn!(request_id = id, code, error = chain(error), "request failed");
        } else {
            tracing::debug!(request_id = id, code, error = chain(error), "request refused");
        }
        if let Some(line) = &mut self.line
            && self.meters.common().recent.is_wanted()
        {
            line.cause = Some(chain(error));
        }
    }

    /// Ends it when the response is over: at once if that is whole, at its end if it is a stream
    /// or takes the connection over.
    pub(super) fn finish(mut self, mut response: Response<Body>) -> Response<Body> {
        self.status = response.status();
        if let Some(takeover) = response.extensions_mut().remove::<Takeover>() {
            let traffic = takeover.traffic();
            let ending = Tunnelled { record: self, traffic };
            response.extensions_mut().insert(takeover.keeping(ending));
            return response;
        }
        let (parts, body) = response.into_parts();
        let body = match body.size_hint().exact() {
            // The server sends the head alone, and never asks such a body for its end.
            _ if body.is_end_stream() => {
                self.end(0, true);
                body
            }
            Some(length) if !body.is_stream() => {
                self.end(length, true);
                body
            }
            _ => Body::stream(Recorded { body, record: self, sent: 0, whole: false }),
        };
        Response::from_parts(parts, body)
    }

    /// Counts it and writes its line, once.
    fn end(&mut self, sent: u64, whole: bool) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        self.meters.common().under_way.end();
        let took = self.started.elapsed();
        let (met, status, code) = (self.met, self.status, self.code);
        let received = self.body.as_ref().map_or(0, |body| body.received());
        let received = received + self.tunnelled.unwrap_or_default();
        self.meters.note(Passage { met, status, took, received, sent });
        if let Some(code) = code {
            self.meters.common().refusals.count(code);
        }
        if let Some(trace) = self.trace.take() {
            // Of one whose client was gone before, nobody saw a status.
            let status = self.is_answered.then_some(status);
            let request_id = &self.request_id;
            trace.end(&Ended { status, code, route: self.pattern(), request_id });
        }
        if let Some(line) = self.line.take() {
            let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            let end = End { status, code, received: self.tunnelled, sent, whole, micros };
            access_log::write(&self.request_id, &line, self.meters.route(met), end);
            self.meters.common().recent.keep(Past {
                request_id: self.request_id.clone(),
                started: self.started,
                met,
                edition: self.meters.edition().cloned(),
                line,
                end,
            });
        }
    }
}

impl Record {
    /// What paths of its route, or endpoint, look like.
    fn pattern(&self) -> Option<String> {
        match self.met {
            Met::Nowhere => None,
            Met::Route(_) => {
                let Key { pattern, .. } = &self.meters.route(self.met)?.key;
                Some(pattern.to_string())
            }
            Met::Endpoint(path) => self.meters.path_of(path).map(str::to_owned),
        }
    }
}

impl Drop for Record {
    /// A request whose client went away before there was an answer: an upstream may have acted
    /// on it all the same. 499 is what nginx writes then.
    fn drop(&mut self) {
        if !self.is_over {
            self.status = StatusCode::from_u16(499).unwrap_or(self.status);
            self.code = Some("client_gone");
            self.is_answered = false;
            self.end(0, false);
        }
    }
}

/// What a request asks for, as its span has it.
pub(super) fn subject(parts: &Parts) -> Subject {
    let (path, host) = (parts.uri.path().to_owned(), host(parts).to_owned());
    Subject { method: parts.method.clone(), path, host }
}

/// The host that a request names: HTTP/2 has it in the target. Without user information, which
/// no request may have there, but which would be a secret.
fn host(parts: &Parts) -> &str {
    let field = || parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let named = parts.uri.authority().map(Authority::as_str).or_else(field).unwrap_or_default();
    named.rsplit('@').next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
