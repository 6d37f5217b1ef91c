//! The way of a question: another proxy asks whether it may forward a request.

use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;
use http::{Response, Version};
use http_body_util::BodyExt;

use super::State;
use crate::forward_auth::{self, Question, envoy};
use crate::gateway::record::{Caller, Record};
use crate::gateway::{http2, intake};
use crate::proxy::{Known, Rejection, X_REQUEST_ID, strip_identity};
use crate::web::{Body, CanonicalPath, Peer, RequestBody};

impl State {
    /// Answers a proxy as the request that it asks about would be answered, but for its upstream.
    pub(super) async fn advise(
        &self,
        mut parts: Parts,
        body: RequestBody,
        peer: &Peer,
        record: &mut Record,
    ) -> Result<Response<Body>, Rejection> {
        let shared = &*self.shared;
        strip_identity(shared.sessions.headers(), &mut parts.headers);
        if parts.uri.path() == envoy::CHECK {
            return Box::pin(self.check(parts, body, peer, record)).await;
        }
        // Before its fields are taken with all that speak of the client.
        let rest = shared.forward_auth.as_ref().and_then(|ours| ours.rest(parts.uri.path()));
        let rest = rest.unwrap_or_default();
        let softly = forward_auth::knows_two(&parts, rest);
        let question = Question::read(&parts, rest);
        let origin = shared.origin(&mut parts, peer, record);
        if !origin.trusted {
            return Err(Rejection::UntrustedProxy);
        }
        if parts.version == Version::HTTP_2 {
            http2::check(&mut parts, shared.fields)?;
        }
        let decided = match question {
            Ok(question) => self.decide(question, parts, origin.client, record).await,
            Err(error) => Err(Rejection::BadQuestion(error.into())),
        };
        if !softly {
            return decided;
        }
        Ok(decided.unwrap_or_else(|rejection| {
            let mut response = told(rejection, record);
            forward_auth::soften(&mut response);
            response
        }))
    }

    /// The same for Envoy, which puts the request into a call of gRPC.
    async fn check(
        &self,
        mut parts: Parts,
        mut body: RequestBody,
        peer: &Peer,
        record: &mut Record,
    ) -> Result<Response<Body>, Rejection> {
        let shared = &*self.shared;
        if !shared.origin(&mut parts, peer, record).trusted {
            return Err(Rejection::UntrustedProxy);
        }
        http2::check(&mut parts, shared.fields)?;
        let undecided = shared.admit(&self.meters)?;
        body.limit(envoy::LONGEST)?;
        let call = body.collect().await?.to_bytes();
        let decided = match envoy::read(call) {
            Ok((question, headers)) => {
                parts.headers = headers;
                strip_identity(shared.sessions.headers(), &mut parts.headers);
                let client = shared.trust.take(peer, &mut parts.headers).client;
                record.client(client, None);
                self.decide(question, parts, client, record).await
            }
            Err(error) => Err(Rejection::BadQuestion(error.into())),
        };
        drop(undecided);
        let mut response = decided.unwrap_or_else(|rejection| told(rejection, record));
        response.headers_mut().insert(X_REQUEST_ID, record.request_id().clone());
        Ok(envoy::answer(response).await)
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
        // It is the client's connection that counts, of which no more is known.
        let peer = Peer::local();
        let peer = &if question.is_https { peer.over_tls(None) } else { peer };
        question.put_on(&mut parts);
        record.asked(&parts);
        let host = intake::check(&mut parts, &shared.messages, &shared.hosts, peer)?;
        let raw = parts.uri.path().to_owned();
        let path = CanonicalPath::parse(&raw)?;
        record.judged(&path, peer);
        // What is answered here is nothing to forward: the proxy sends it here itself.
        let route = shared.route(&host, &path, &parts.method)?.ok_or(Rejection::NoRoute)?;
        record.route(route.number);
        let mut known = Known::nothing(undecided);
        let admitted = self.proxy.permit(route, client, &mut parts, &mut known).await;
        record.would(known.would);
        if let Some(caller) = &known.caller {
            record.caller(Caller::Known(Arc::clone(caller)));
        }
        admitted?;
        let names = shared.sessions.headers().iter().map(|(name, _)| name);
        let told = known.caller.iter().flat_map(|caller| &caller.headers);
        Ok(forward_auth::allowed(names, told))
    }
}

/// A no, which is not the answer to the request at hand.
fn told(rejection: Rejection, record: &mut Record) -> Response<Body> {
    let (status, code, _) = rejection.class();
    record.refused(status, code, Some(&rejection));
    rejection.into_response()
}
