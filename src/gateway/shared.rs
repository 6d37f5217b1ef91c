//! What all workers share of a plan.

use std::sync::Arc;

use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Method, Response};

use super::access_log;
use super::intake::{self, Hosts};
use super::load::Load;
use super::meters::Meters;
use super::operators::Operators;
use super::record::Record;
use super::traces;
use crate::acme::Challenges;
use crate::clock::Clock;
use crate::endpoints::Endpoints;
use crate::forward_auth::ForwardAuthSettings;
use crate::metrics::Held;
use crate::pages::Pages;
use crate::policy::{Place, Route, Routes};
use crate::proxy::{Rejection, X_REQUEST_ID};
use crate::server::Violation;
use crate::session::Sessions;
use crate::trace::Tracer;
use crate::web::{
    Body, CanonicalPath, Cors, MessageLimits, Origin, Peer, Public, RequestIds, Trust,
};

/// Everything that one policy file decides about requests, but for the upstreams.
#[derive(Debug)]
pub(super) struct Shared {
    /// What an authority that issues certificates asks for, if there is one.
    pub(super) challenges: Option<Arc<Challenges>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) endpoints: Endpoints,
    pub(super) endpoint_cors: Option<Cors>,
    /// Most header fields of a request over HTTP/2; over HTTP/1.1 the connection counts them.
    pub(super) fields: usize,
    /// Where other proxies ask for a second opinion.
    pub(super) forward_auth: Option<ForwardAuthSettings>,
    pub(super) hosts: Hosts,
    /// What clients over TLS are told of coming back in clear.
    pub(super) hsts: Option<HeaderValue>,
    pub(super) ids: Arc<RequestIds>,
    pub(super) load: Arc<Load>,
    /// Most requests under way at once, at all workers together.
    pub(super) in_flight: usize,
    pub(super) messages: MessageLimits,
    /// The operators' door, for those who come by the admin site.
    pub(super) operators: Arc<Operators>,
    /// Pages for people, if there are any.
    pub(super) pages: Option<Pages>,
    pub(super) public: Option<Public>,
    pub(super) routes: Arc<Routes>,
    pub(super) sessions: Arc<Sessions>,
    /// `None` where nobody collects traces.
    pub(super) tracer: Option<Arc<Tracer>>,
    pub(super) trust: Trust,
}

impl Shared {
    /// Has browsers come by TLS alone from now on (RFC 6797 section 7.2: not said in clear). An
    /// upstream may have said it its own way.
    pub(super) fn be_strict(&self, peer: &Peer, response: &mut Response<Body>) {
        if peer.is_https()
            && let Some(hsts) = &self.hsts
        {
            let headers = response.headers_mut();
            headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert_with(|| hsts.clone());
        }
    }

    /// The route of a request; `None` where it is the gateway's own.
    pub(super) fn route(
        &self,
        host: &str,
        path: &CanonicalPath<'_>,
        method: &Method,
    ) -> Result<Option<&Arc<Route>>, Rejection> {
        match self.routes.place(host, path, method)? {
            Place::Own => Ok(None),
            _ if *method == Method::TRACE => Err(Rejection::Trace),
            Place::Route(route) => Ok(Some(route)),
            Place::MethodNotAllowed(allow) => Err(Rejection::MethodNotAllowed(allow.clone())),
            Place::Nowhere => Err(Rejection::NoRoute),
        }
    }

    /// Whether somebody asks for a second opinion there.
    pub(super) fn is_asked_at(&self, path: &str) -> bool {
        let settings = self.forward_auth.as_ref();
        settings.is_some_and(|ours| ours.is_asked_at(path))
    }

    /// Takes a request that has just begun at the worker of these meters, if there is room for it.
    /// What comes back is let go of when the store is not needed any more.
    pub(super) fn admit<'m>(&self, meters: &'m Meters) -> Result<Held<'m>, Rejection> {
        let common = meters.common();
        let has_room = self.load.has_room(common.under_way.now(), self.in_flight);
        if has_room { Ok(common.undecided.hold()) } else { Err(Rejection::Overloaded) }
    }

    /// Where a request comes from, and what a peer whose word counts says of it: its id, and its
    /// place in a trace.
    pub(super) fn origin(&self, parts: &mut Parts, peer: &Peer, record: &mut Record) -> Origin {
        let origin = self.trust.take(peer, &mut parts.headers);
        record.client(origin.client, intake::kept_id(parts, origin.trusted));
        if let Some(tracer) = &self.tracer {
            record.enter(traces::enter(tracer, parts, peer, &origin, record.started()));
        }
        origin
    }

    /// The answer to an authority that looks for a proof, before anything else is asked: the host
    /// need not be one that is served. Proofs are given in clear alone.
    pub(super) fn prove(&self, parts: &Parts, peer: &Peer) -> Option<Response<Body>> {
        let challenges = self.challenges.as_ref().filter(|_| !peer.is_https())?;
        challenges.answer(&parts.method, parts.uri.path())
    }

    /// Answers in place of a request that is none.
    pub(super) fn refuse(
        &self,
        violation: Violation,
        peer: &Peer,
        meters: &Meters,
    ) -> Response<Body> {
        let id = self.ids.next();
        let rejection = Rejection::from(violation);
        let (status, code, _) = rejection.class();
        meters.malformed(status, code);
        access_log::malformed(peer.addr(), Some(&id), status, code, &rejection);
        let mut response = rejection.into_response();
        response.headers_mut().insert(X_REQUEST_ID, id);
        self.be_strict(peer, &mut response);
        response
    }
}
