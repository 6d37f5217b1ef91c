//! The way of a question: another proxy asks whether it may forward a request.

use std::net::IpAddr;

use http::request::Parts;
use http::{Method, Response, Version};

use super::State;
use crate::forward_auth::{self, Question};
use crate::gateway::record::{Caller, Record};
use crate::gateway::{http2, intake};
use crate::policy::Place;
use crate::proxy::{Known, Rejection, strip_identity};
use crate::session::Authenticated;
use crate::web::{Body, CanonicalPath, Peer};

impl State {
    /// Answers a proxy as the request that it asks about would be answered, but for its upstream.
    pub(super) async fn advise(
        &self,
        mut parts: Parts,
        peer: &Peer,
        record: &mut Record,
    ) -> Result<Response<Body>, Rejection> {
        let shared = &*self.shared;
        strip_identity(shared.sessions.headers(), &mut parts.headers);
        // Before its fields are taken with all that speak of the client.
        let rest = shared.forward_auth.as_ref().and_then(|ours| ours.rest(parts.uri.path()));
        let rest = rest.unwrap_or_default();
        let softly = forward_auth::knows_two(&parts, rest);
        let question = Question::read(&parts, rest);
        let origin = shared.origin(&mut parts, peer, record);
        if !origin.trusted {
            return Err(Rejection::UntrustedProxy);
        }
        let decided = match question {
            Ok(question) => self.decide(question, parts, origin.client, record).await,
            Err(error) => Err(Rejection::BadQuestion(error.into())),
        };
        if !softly {
            return decided;
        }
        Ok(decided.unwrap_or_else(|rejection| {
            let (status, code, _) = rejection.class();
            record.refused(status, code, Some(&rejection));
            let mut response = rejection.into_response();
            forward_auth::soften(&mut response);
            response
        }))
    }

    async fn decide(
        &self,
        question: Question,
        mut parts: Parts,
        client: IpAddr,
        record: &mut Record,
    ) -> Result<Response<Body>, Rejection> {
        let shared = &*self.shared;
        let undecided = shared.admit(&self.meters)?;
        if parts.version == Version::HTTP_2 {
            http2::check(&mut parts, shared.fields)?;
        }
        // It is the client's connection that counts, of which no more is known.
        let peer = Peer::local();
        let peer = &if question.is_https { peer.over_tls(None) } else { peer };
        question.put_on(&mut parts);
        record.asked(&parts);
        let host = intake::check(&mut parts, &shared.messages, &shared.hosts, peer)?;
        let raw = parts.uri.path().to_owned();
        let path = CanonicalPath::parse(&raw)?;
        record.judged(&path, peer);
        let route = match shared.routes.place(&host, &path, &parts.method)? {
            // They look at credentials themselves.
            Place::Own => return Ok(self.allowed(None)),
            _ if parts.method == Method::TRACE => return Err(Rejection::Trace),
            Place::Route(route) => route,
            Place::MethodNotAllowed(allow) => {
                return Err(Rejection::MethodNotAllowed(allow.clone()));
            }
            Place::Nowhere => return Err(Rejection::NoRoute),
        };
        record.route(route.number);
        let mut known = Known { undecided: Some(undecided), caller: None, would: None };
        let admitted = self.proxy.permit(route, client, &mut parts, &mut known).await;
        record.would(known.would);
        if let Some(caller) = &known.caller {
            record.caller(Caller::Known(caller.clone()));
        }
        admitted?;
        Ok(self.allowed(known.caller.as_deref()))
    }

    fn allowed(&self, caller: Option<&Authenticated>) -> Response<Body> {
        let names = self.shared.sessions.headers().iter().map(|(name, _)| name);
        let told = caller.into_iter().flat_map(|caller| &caller.headers);
        forward_auth::allowed(names, told)
    }
}
