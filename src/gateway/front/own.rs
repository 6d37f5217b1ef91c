//! What is answered here and not forwarded: the gateway's own endpoints, and preflights.

use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;
use http::{Method, Response};

use super::desk::EndpointDesk;
use super::office::Bureau;
use super::{Reach, State};
use crate::audit::{Actor, Origin, asked_by};
use crate::endpoints::Call;
use crate::gateway::record::{Caller, Record};
use crate::pages::{Pages, Shown, Visited};
use crate::policy::{Place, Route};
use crate::proxy::Rejection;
use crate::web::{Body, CanonicalPath, Cors, RequestBody};

impl State {
    /// The rule for cross-origin requests with that method. Without one a preflight is a request
    /// like others, and the upstream may have an answer.
    pub(super) fn rule(
        &self,
        host: &str,
        path: &CanonicalPath<'_>,
        method: &Method,
        client: IpAddr,
        record: &mut Record,
    ) -> Result<Option<&Cors>, Rejection> {
        let route = match self.shared.routes.place(host, path, method)? {
            Place::Own => return Ok(self.cors_of_own(path.as_str())),
            Place::Route(route) if self.reach == Reach::Routes => route,
            Place::Route(_) | Place::MethodNotAllowed(_) | Place::Nowhere => return Ok(None),
        };
        let Some(rule) = &route.cors else { return Ok(None) };
        record.route(route.number);
        if route.admits(client) { Ok(Some(rule)) } else { Err(Rejection::AddressForbidden) }
    }

    /// The rule of the auth endpoints. Pages are for nobody's scripts.
    pub(super) fn cors_of_own(&self, path: &str) -> Option<&Cors> {
        let is_page = self.shared.pages.as_ref().is_some_and(|pages| pages.owns(path));
        self.shared.endpoint_cors.as_ref().filter(|_| !is_page)
    }

    /// The route of a request; `None` where an endpoint answers.
    pub(super) fn way(
        &self,
        host: &str,
        path: &CanonicalPath<'_>,
        method: &Method,
    ) -> Result<Option<&Arc<Route>>, Rejection> {
        match self.reach {
            Reach::Routes => self.shared.route(host, path, method),
            Reach::Endpoints => match self.shared.routes.place(host, path, method)? {
                Place::Own => Ok(None),
                Place::Route(_) | Place::MethodNotAllowed(_) | Place::Nowhere => {
                    Err(Rejection::NoRoute)
                }
            },
        }
    }

    pub(super) async fn own(
        &self,
        parts: &Parts,
        body: RequestBody,
        host: &str,
        path: &str,
        client: IpAddr,
        record: &mut Record,
    ) -> Response<Body> {
        let pages = self.shared.pages.as_ref().filter(|_| self.reach == Reach::Routes);
        if let Some(pages) = pages.filter(|pages| pages.owns(path)) {
            let visit = Visited { parts, path, client, body };
            return Box::pin(self.page(pages, visit, host, client, record)).await;
        }
        let (method, headers) = (&parts.method, &parts.headers);
        let call = Call { method, host, path, headers, client, caller: None, body };
        let origin = Origin {
            actor: Actor::Client,
            address: Some(client),
            request: Some(record.request_id().clone()),
        };
        let reply = asked_by(origin, self.shared.endpoints.answer(call)).await;
        if let Some(endpoint) = reply.endpoint {
            record.endpoint(endpoint);
        }
        if let Some(user) = reply.user {
            record.caller(Caller::Named(user, reply.key));
        }
        if let Some(code) = reply.code {
            let error =
                reply.error.as_deref().map(|error| error as &(dyn std::error::Error + 'static));
            record.refused(reply.response.status(), code, error);
        }
        reply.response
    }

    /// A page for people.
    async fn page(
        &self,
        pages: &Pages,
        visit: Visited<'_>,
        host: &str,
        client: IpAddr,
        record: &mut Record,
    ) -> Response<Body> {
        let id = record.request_id().clone();
        let bureau = Bureau::new(&self.shared, client, id.clone());
        let desk = EndpointDesk::new(&self.shared, host, client, id, &visit.parts.headers);
        let shown = pages.answer(visit, &desk, &bureau).await;
        let Shown { response, page, caller, code, error } = shown;
        if let Some(page) = page {
            record.endpoint(page);
        }
        if let Some(caller) = caller {
            record.caller(Caller::Known(caller));
        } else if let Some(user) = desk.user() {
            record.caller(Caller::Named(user, None));
        }
        if let Some(code) = code {
            let error = error.as_deref().map(|error| error as &(dyn std::error::Error + 'static));
            record.refused(response.status(), code, error);
        }
        response
    }
}
