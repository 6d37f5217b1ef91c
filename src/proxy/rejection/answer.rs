//! What a rejection is answered with.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use serde::Serialize;

use super::{FACTOR, Rejection, STEP_UP};
use crate::identity::MFA;
use crate::proxy::respond::{RATE_LIMIT, RATE_LIMIT_POLICY};
use crate::web::Body;

impl Rejection {
    /// The response for the client.
    pub fn into_response(self) -> Response<Body> {
        let (status, code, text) = self.class();
        let body = if let Self::Refused(refused) = &self {
            Bytes::from_static(refused.error.body(refused.presented).as_bytes())
        } else if matches!(self, Self::NoCredentials | Self::Forbidden | Self::AddressForbidden) {
            // Existing clients know these bodies from the profile endpoint.
            Told { detail: text, code: None }.json()
        } else {
            Told { detail: text, code: Some(code) }.json()
        };
        let mut response = json_response(status, body);
        let headers = response.headers_mut();
        if let Some(challenge) = self.challenge(status) {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(allow) = self.allow() {
            headers.insert(header::ALLOW, allow);
        }
        if matches!(self, Self::WebSocketVersion) {
            // RFC 6455 section 4.4 and RFC 9110 section 15.5.22.
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade, close"));
        }
        let unsure = matches!(self, Self::BadFraming | Self::Malformed(_) | Self::UpstreamSwitched);
        if unsure || matches!(self, Self::Overloaded | Self::OutOfFiles(_)) {
            // Where this request ends, and whether what follows is one, nobody can tell; and a
            // connection that waits costs memory and a file, too.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if matches!(self, Self::Certificate) {
            // Nothing on this connection will be answered.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Self::Throttled(too_many) = self {
            headers.insert(header::RETRY_AFTER, too_many.retry_after().into());
            headers.insert(RATE_LIMIT_POLICY, too_many.policy);
            headers.insert(RATE_LIMIT, too_many.limit);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }

    /// RFC 6750 section 3: no `error` where no credential was sent. RFC 9470 section 3 for a login
    /// that is too old, or not good enough.
    fn challenge(&self, status: StatusCode) -> Option<HeaderValue> {
        let better = |text: &str, wanted: &str| {
            HeaderValue::try_from(format!(
                "Bearer realm=\"api\", error=\"insufficient_user_authentication\", \
                 error_description=\"{text}\", {wanted}"
            ))
        };
        if let Self::StaleLogin(within) = self {
            return better(STEP_UP, &format!("max_age={}", within.as_secs())).ok();
        }
        if let Self::NeedsFactor = self {
            return better(FACTOR, &format!("acr_values=\"{MFA}\"")).ok();
        }
        let text = if matches!(self, Self::NoCredentials | Self::Certificate) {
            r#"Bearer realm="api""#
        } else {
            r#"Bearer realm="api", error="invalid_token""#
        };
        (status == StatusCode::UNAUTHORIZED).then(|| HeaderValue::from_static(text))
    }

    fn allow(&self) -> Option<HeaderValue> {
        if let Self::MethodNotAllowed(allow) = self {
            return Some(allow.clone());
        }
        // TRACE is refused on every route, so this says little; but 405 must say something.
        matches!(self, Self::Trace).then(|| HeaderValue::from_static("GET, HEAD, POST"))
    }
}

/// The body of a rejection.
#[derive(Serialize)]
struct Told {
    detail: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
}

impl Told {
    fn json(&self) -> Bytes {
        // Two texts always serialise.
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}

fn json_response(status: StatusCode, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
