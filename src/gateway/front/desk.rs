//! Where pages ask the auth endpoints: in the name of the browser at hand.

use std::net::IpAddr;
use std::sync::Mutex;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http_body_util::{BodyExt, Full};
use serde_json::Value;

use crate::audit::{Actor, Origin, asked_by};
use crate::endpoints::{Call, Reply};
use crate::gateway::shared::Shared;
use crate::pages::{Answer, Asked, Desk, Question};
use crate::web::RequestBody;

/// A browser's way to the endpoints.
pub(super) struct EndpointDesk<'a> {
    shared: &'a Shared,
    host: &'a str,
    client: IpAddr,
    request: HeaderValue,
    headers: HeaderMap,
    /// Whom the endpoints let in or made, for the access log.
    user: Mutex<Option<String>>,
}

impl<'a> EndpointDesk<'a> {
    /// `sent` are the fields of the browser's request, of which its device and its cookies go
    /// along.
    pub(super) fn new(
        shared: &'a Shared,
        host: &'a str,
        client: IpAddr,
        request: HeaderValue,
        sent: &HeaderMap,
    ) -> Self {
        let mut headers = HeaderMap::new();
        for name in [header::USER_AGENT, header::COOKIE] {
            for value in sent.get_all(&name) {
                headers.append(name.clone(), value.clone());
            }
        }
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
        Self { shared, host, client, request, headers, user: Mutex::default() }
    }

    /// The id of whom the endpoints let in or made.
    pub(super) fn user(self) -> Option<String> {
        self.user.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn put(&self, question: Question<'_>) -> Answer {
        let Question { method, endpoint, fields, caller } = question;
        let body = Full::new(Bytes::from(fields.to_string()));
        let path = self.shared.endpoints.path_of(endpoint);
        let call = Call {
            method: &method,
            host: self.host,
            path: &path,
            headers: &self.headers,
            client: self.client,
            caller,
            body: RequestBody::new(body, &self.shared.messages),
        };
        let origin = Origin {
            actor: Actor::Client,
            address: Some(self.client),
            request: Some(self.request.clone()),
        };
        let reply = asked_by(origin, self.shared.endpoints.answer(call)).await;
        let Reply { response, code, user, error, .. } = reply;
        if user.is_some() {
            *self.user.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = user;
        }
        let (parts, body) = response.into_parts();
        // It is whole, and JSON: an endpoint has made it.
        let body = body.collect().await.map(http_body_util::Collected::to_bytes);
        let body = body.unwrap_or_default();
        Answer {
            status: parts.status,
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
            cookie: parts.headers.get(header::SET_COOKIE).cloned(),
            retry_after: parts.headers.get(header::RETRY_AFTER).cloned(),
            code,
            error,
        }
    }
}

impl Desk for EndpointDesk<'_> {
    fn ask<'a>(&'a self, question: Question<'a>) -> Asked<'a> {
        Box::pin(self.put(question))
    }
}
