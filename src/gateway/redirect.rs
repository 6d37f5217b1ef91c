//! Listeners that only send their clients to `https://`.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;

use super::meters::Meters;
use super::plan::Plans;
use super::record::Record;
use super::shared::Shared;
use super::{http2, intake};
use crate::proxy::{Rejection, X_REQUEST_ID};
use crate::server::{Handler, Violation};
use crate::web::{Body, Crumb, Peer, SessionCookie};

/// Answers every request for a host of ours with where it is served over TLS, and no other; but
/// an authority that issues certificates finds its proofs.
///
/// Nothing else is served: no route, no endpoint, no upstream. A credential that comes here went
/// over the network in clear; it is refused, so that somebody mends the client.
#[derive(Debug)]
pub(super) struct Redirect {
    pub(super) plans: Arc<Plans>,
    /// Where TLS is spoken here, unless that is its own port.
    pub(super) port: Option<u16>,
    pub(super) meters: Arc<Meters>,
}

impl Redirect {
    fn answer(
        &self,
        shared: &Shared,
        parts: &mut Parts,
        peer: &Peer,
        record: &mut Record,
    ) -> Result<Response<Body>, Rejection> {
        record.client(shared.trust.take(peer, &mut parts.headers).client, None);
        if parts.version == Version::HTTP_2 {
            http2::check(parts, shared.fields)?;
        }
        if let Some(proof) = shared.prove(parts, peer) {
            return Ok(proof);
        }
        let host = intake::check(parts, &shared.messages, &shared.hosts, peer)?;
        if !shared.hosts.name(&host) {
            return Err(Rejection::Misdirected);
        }
        let session = SessionCookie::new(true).find(&parts.headers);
        if parts.headers.contains_key(header::AUTHORIZATION) || session != Crumb::Absent {
            return Err(Rejection::InClear);
        }
        let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
        if !target.starts_with('/') {
            return Err(Rejection::BadTarget);
        }
        // Before us may be something that has another port.
        let port = shared.public.as_ref().map_or(self.port, |public| public.port);
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        let location = HeaderValue::try_from(format!("https://{host}{port}{target}"));
        let mut response = Response::new(Body::empty());
        // The method and the body stay what they are (RFC 9110 section 15.4.9).
        *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
        let location = location.map_err(|_| Rejection::BadTarget)?;
        response.headers_mut().insert(header::LOCATION, location);
        Ok(response)
    }
}

impl Handler for Redirect {
    async fn handle(&self, request: Request<Incoming>, peer: Arc<Peer>) -> Response<Body> {
        let (mut parts, _body) = request.into_parts();
        let version = parts.version;
        let plan = self.plans.current();
        let (id, meters) = (plan.shared.ids.next(), Arc::clone(&self.meters));
        let mut record = Record::start(&parts, id, peer.addr(), meters, None);
        let answered = self.answer(&plan.shared, &mut parts, &peer, &mut record);
        let mut response = answered.unwrap_or_else(|rejection| {
            let (status, code, _) = rejection.class();
            record.refused(status, code, Some(&rejection));
            rejection.into_response()
        });
        let headers = response.headers_mut();
        headers.insert(X_REQUEST_ID, record.request_id().clone());
        // The next request belongs elsewhere, and what is left of this one is not wanted.
        if version != Version::HTTP_2 {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        record.finish(response)
    }

    fn refuse(&self, violation: Violation, peer: &Peer) -> Response<Body> {
        self.plans.current().shared.refuse(violation, peer, &self.meters)
    }

    fn trusts(&self, peer: IpAddr) -> bool {
        self.plans.current().shared.trust.vouches(peer)
    }

    fn broken(&self, peer: &Peer, error: &hyper::Error) {
        self.meters.broken(peer.addr(), error);
    }
}
