//! The way of a request, from its head to the surface that answers it, and back.

mod advice;
mod desk;
mod office;
mod own;
mod parting;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, Version};
use hyper::body::Incoming;

use parting::Parting;

use super::http2;
use super::intake;
use super::meters::Meters;
use super::plan::{Plan, Plans};
use super::record::{Caller, Record};
use super::shared::Shared;
use crate::clock::Clock;
use crate::metrics::Spread;
use crate::pages::Reader;
use crate::proxy::{
    Exchange, Inner, Known, Proxy, Rejection, X_REQUEST_ID, is_call, refuse_call, strip_identity,
};
use crate::server::{Handler, Violation};
use crate::web::{Body, CanonicalPath, Cors, Peer, RequestBody};

/// How often connections that waited too long are looked for.
const LOOK: Duration = Duration::from_secs(5);

/// How far requests get at a front.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reach {
    /// To the endpoints and to every route.
    Routes,
    /// To the endpoints alone: everything else is as if there were no routes.
    Endpoints,
}

/// The front of one worker. It follows the plan in force at its next request, and keeps the
/// connections that the plans have in common.
#[derive(Debug)]
pub(super) struct Front {
    plans: Arc<Plans>,
    state: ArcSwap<State>,
    /// One who follows at a time.
    turn: Mutex<()>,
}

/// A plan at one worker: everything shared, and a proxy with connections of its own.
#[derive(Debug)]
struct State {
    plan: Arc<Plan>,
    shared: Arc<Shared>,
    proxy: Proxy,
    meters: Arc<Meters>,
    reach: Reach,
}

impl Front {
    pub(super) fn new(
        plans: Arc<Plans>,
        clock: Arc<dyn Clock>,
        recent: usize,
        inner: Option<Inner>,
        reach: Reach,
    ) -> Self {
        let plan = plans.current();
        let shared = Arc::clone(&plan.shared);
        let (sessions, messages) = (Arc::clone(&shared.sessions), shared.messages.clone());
        let in_force = Arc::clone(&plans.in_force);
        let proxy = Proxy::new(sessions, plan.upstreams.clone(), messages, clock, in_force);
        let proxy = proxy.before(inner);
        let meters = Arc::new(Meters::new(&plan, &Meters::bare(recent)));
        let state = ArcSwap::from_pointee(State { plan, shared, proxy, meters, reach });
        Self { plans, state, turn: Mutex::default() }
    }

    /// Answers a request under the plan that is in force when it comes.
    pub(super) async fn answer<B>(&self, request: Request<B>, peer: &Peer) -> Response<Body>
    where
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<crate::web::BodyError>,
    {
        self.now().answer(request, peer).await
    }

    /// Closes upstream connections that waited too long, and follows the plan in force also where
    /// no request comes. Ends when the front is dropped.
    pub(super) async fn keep_house(front: Weak<Self>) {
        loop {
            tokio::time::sleep(LOOK).await;
            let Some(front) = front.upgrade() else { return };
            front.now().proxy.sweep();
        }
    }

    /// What was counted here so far.
    pub(super) fn meters(&self) -> Arc<Meters> {
        Arc::clone(&self.now().meters)
    }

    /// Shows how long each upstream took to its response heads, by its name.
    pub(super) fn each_upstream(&self, show: impl FnMut(&str, Spread)) {
        let mut show = show;
        self.now().proxy.heads().for_each(|(name, spread)| show(name, spread));
    }

    fn now(&self) -> Arc<State> {
        let state = self.state.load_full();
        if self.plans.is_current(&state.plan) { state } else { self.follow() }
    }

    #[cold]
    fn follow(&self) -> Arc<State> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (state, plan) = (self.state.load_full(), self.plans.current());
        if Arc::ptr_eq(&state.plan, &plan) {
            return state;
        }
        let shared = Arc::clone(&plan.shared);
        let (sessions, messages) = (Arc::clone(&shared.sessions), shared.messages.clone());
        let proxy = state.proxy.successor(sessions, plan.upstreams.clone(), messages);
        let meters = Arc::new(Meters::new(&plan, &state.meters));
        let next = Arc::new(State { plan, shared, proxy, meters, reach: state.reach });
        self.state.store(Arc::clone(&next));
        next
    }
}

impl State {
    /// Every outcome is a response, and every response has its line in the access log.
    async fn answer<B>(&self, request: Request<B>, peer: &Peer) -> Response<Body>
    where
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<crate::web::BodyError>,
    {
        let (parts, body) = request.into_parts();
        let version = parts.version;
        let mut body = RequestBody::new(body, &self.shared.messages);
        if version == Version::HTTP_2 {
            body.linger();
        }
        let trace = body.trace();
        // To a CONNECT the 200 of a refused call would open a tunnel.
        let is_call = parts.version == Version::HTTP_2
            && parts.method != Method::CONNECT
            && is_call(&parts.headers);
        let (id, meters) = (self.shared.ids.next(), Arc::clone(&self.meters));
        let mut record = Record::start(&parts, id, peer.addr(), meters, trace.clone());
        let mut parting = Parting::default();
        let answered = if !peer.is_good(|| self.shared.clock.now()) {
            // Whatever is asked for: with such a certificate no new connection would come about.
            Err(Rejection::Certificate)
        } else if self.reach == Reach::Routes && self.shared.is_asked_at(parts.uri.path()) {
            self.advise(parts, body, peer, &mut record).await
        } else {
            self.route(parts, body, peer, &mut record, &mut parting).await
        };
        let mut response = answered.unwrap_or_else(|rejection| {
            let (status, code, _) = rejection.class();
            record.refused(status, code, Some(&rejection));
            let pages = self.shared.pages.as_ref();
            if is_call { refuse_call(rejection) } else { parting.refuse(pages, rejection) }
        });
        parting.see_off(&mut response);
        // What is left of the request ends its connection, except that of HTTP/2. A client that
        // is not told would send the next one there, and lose it.
        if version != Version::HTTP_2 && trace.is_some_and(|trace| trace.is_abandoned()) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response.headers_mut().insert(X_REQUEST_ID, record.request_id().clone());
        self.shared.be_strict(peer, &mut response);
        record.finish(response)
    }

    async fn route<'s>(
        &'s self,
        mut parts: Parts,
        body: RequestBody,
        peer: &Peer,
        record: &mut Record,
        parting: &mut Parting<'s>,
    ) -> Result<Response<Body>, Rejection> {
        let shared = &*self.shared;
        // Before anything looks at them, and whatever the route.
        strip_identity(shared.sessions.headers(), &mut parts.headers);
        let origin = shared.origin(&mut parts, peer, record);
        let pages = shared.pages.as_ref();
        let undecided = shared.admit(&self.meters).inspect_err(|_| parting.hurry(pages, &parts))?;
        if parts.version == Version::HTTP_2 {
            http2::check(&mut parts, shared.fields)?;
        }
        if let Some(proof) = shared.prove(&parts, peer) {
            return Ok(proof);
        }
        let host = intake::check(&mut parts, &shared.messages, &shared.hosts, peer)?;
        if parts.method == Method::OPTIONS && parts.uri.path() == "*" {
            return Ok(intake::about_the_server());
        }
        let raw = parts.uri.path().to_owned();
        let path = CanonicalPath::parse(&raw)?;
        record.judged(&path, peer);
        parting.reader = pages.and_then(|_| Reader::of(&parts, path.as_str()));
        if let Some(method) = Cors::preflight_for(&parts.method, &parts.headers)
            && let Some(rule) = self.rule(&host, &path, &method, origin.client, record)?
        {
            return Ok(rule.preflight(&method, &parts.headers));
        }
        let route = match self.way(&host, &path, &parts.method)? {
            Some(route) => route,
            // What is answered here is no upstream's, and opens no tunnel.
            None if http2::is_tunnel(&parts) => return Err(Rejection::Connect),
            None => {
                parting.cross =
                    self.cors_of_own(path.as_str()).map(|cors| cors.meet(&parts.headers));
                return Ok(self
                    .own(&parts, body, &host, path.as_str(), origin.client, record)
                    .await);
            }
        };
        record.route(route.number);
        parting.cross = route.cors.as_ref().map(|cors| cors.meet(&parts.headers));
        parting.browser = route.browser;
        let trace = record.trace().cloned();
        let exchange = Exchange {
            route,
            path: &path,
            peer,
            origin: &origin,
            request_id: &record.request_id().clone(),
            trace: trace.as_ref(),
            parts,
            body,
        };
        let mut known = Known::nothing(undecided);
        let answered = self.proxy.answer(exchange, &mut known).await;
        record.would(known.would);
        parting.cookie = known.cookie;
        if let Some(caller) = known.caller {
            record.caller(Caller::Known(Arc::clone(&caller)));
            parting.caller = Some(caller);
        }
        answered
    }
}

impl Handler for Front {
    async fn handle(&self, request: Request<Incoming>, peer: Arc<Peer>) -> Response<Body> {
        self.answer(request, &peer).await
    }

    fn refuse(&self, violation: Violation, peer: &Peer) -> Response<Body> {
        let now = self.now();
        now.shared.refuse(violation, peer, &now.meters)
    }

    fn trusts(&self, peer: IpAddr) -> bool {
        self.now().shared.trust.vouches(peer)
    }

    fn broken(&self, peer: &Peer, error: &hyper::Error) {
        self.now().meters.broken(peer.addr(), error);
    }
}
