//! Answers as they go out: JSON, and the fields that each carries.

use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use serde::Serialize;
use serde_json::Value;

use super::call::Reply;
use super::error::{EndpointError, seconds};
use crate::web::Body;

/// What a call got that was not refused.
pub(super) struct Outcome {
    /// 200, 201 or 204.
    pub(super) status: StatusCode,
    /// The answer.
    pub(super) body: Value,
    /// `Set-Cookie`.
    pub(super) cookie: Option<HeaderValue>,
    /// Whom it was about, for the access log.
    pub(super) user: Option<String>,
}

impl Outcome {
    /// 200 with this.
    pub(super) const fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, body, cookie: None, user: None }
    }

    /// 204, which has no body.
    pub(super) fn nothing() -> Self {
        Self { status: StatusCode::NO_CONTENT, ..Self::ok(Value::Null) }
    }

    /// Says whom it was about.
    pub(super) fn about(self, user: &impl ToString) -> Self {
        Self { user: Some(user.to_string()), ..self }
    }
}

/// The reply to a call that got what it asked for.
pub(super) fn done(outcome: Outcome, allow: HeaderValue) -> Reply {
    let mut response = if outcome.status == StatusCode::NO_CONTENT {
        let mut empty = Response::new(Body::empty());
        *empty.status_mut() = outcome.status;
        empty
    } else {
        json(outcome.status, &outcome.body)
    };
    dress(response.headers_mut(), Some(allow));
    if let Some(cookie) = outcome.cookie {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Reply { user: outcome.user, ..plain(response) }
}

/// The reply to a call that did not.
pub(super) fn refused(error: EndpointError, allow: Option<HeaderValue>) -> Reply {
    let (_, code) = error.class();
    let answer = error.answer();
    let challenge = error.challenge();
    let mut response = json(answer.status, &answer.body);
    let headers = response.headers_mut();
    dress(headers, allow);
    if answer.status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    if let Some(wait) = answer.retry_after {
        headers.insert(header::RETRY_AFTER, seconds(wait).into());
    }
    Reply { code: Some(code), error: Some(Box::new(error)), ..plain(response) }
}

/// A reply of which nothing more is known.
pub(super) const fn plain(response: Response<Body>) -> Reply {
    Reply { response, code: None, endpoint: None, user: None, key: None, error: None }
}

/// A JSON answer with its length, and nothing else. Compact; what is not ASCII stays readable.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response<Body> {
    // Maps with text keys always serialise.
    let text = serde_json::to_string(body).unwrap_or_default();
    // Line ends to JavaScript, and inside strings only: DRF escapes them as well.
    let text = text.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    let length = text.len();
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // Written out, because the answer to a HEAD has it without having the body.
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The fields that the original's answers have, and that no answer may be stored.
fn dress(headers: &mut HeaderMap, allow: Option<HeaderValue>) {
    if let Some(allow) = allow {
        headers.insert(header::ALLOW, allow);
    }
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    let opener = header::HeaderName::from_static("cross-origin-opener-policy");
    headers.insert(opener, HeaderValue::from_static("same-origin"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}
