//! Refusals in the form that a gRPC client understands.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use super::Rejection;
use crate::web::Body;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Whether a request is a gRPC call; gRPC-Web, which speaks HTTP/1.1 as well, is not.
pub fn is_call(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let name = b"application/grpc";
    let is_it = kind.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name));
    is_it && matches!(kind.get(name.len()), None | Some(b'+' | b';' | b' '))
}

/// The response to a call that goes no further: a status of gRPC in place of a body. What the
/// refusal says in other fields, such as how long to wait, is metadata of the call.
pub fn refuse_call(rejection: Rejection) -> Response<Body> {
    let (status, _, text) = rejection.class();
    let mut response = rejection.into_response().map(|_| Body::empty());
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(GRPC_STATUS, HeaderValue::from_static(code(status)));
    headers.insert(GRPC_MESSAGE, HeaderValue::from_static(text));
    response
}

/// What gRPC's own table makes of a status (its document on HTTP to gRPC status codes), and what
/// it leaves out: 413 and 431 are limits, 408 and 405 say more than "unknown".
fn code(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "13",
        401 => "16",
        403 => "7",
        404 | 405 | 501 => "12",
        408 => "4",
        413 | 431 => "8",
        429 | 502 | 503 | 504 => "14",
        _ => "2",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_told_by_its_content_type() {
        for (kind, is_it) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("Application/gRPC;charset=utf-8", true),
            ("application/grpc-web", false),
            ("application/grpc-web+proto", false),
            ("application/json", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            assert_eq!(is_call(&headers), is_it, "{kind}");
        }
        assert!(!is_call(&HeaderMap::new()));
    }

    #[test]
    fn a_refused_call_has_a_status_of_its_own_kind() {
        let response = refuse_call(Rejection::NoCredentials);
        assert_eq!(response.status(), StatusCode::OK);
        let headers = response.headers();
        assert_eq!(headers[GRPC_STATUS], "16");
        assert_eq!(headers[GRPC_MESSAGE], "Authentication credentials were not provided.");
        assert_eq!(headers[header::CONTENT_TYPE], "application/grpc");
        assert_eq!(headers[header::WWW_AUTHENTICATE], "Bearer realm=\"api\"");
        assert_eq!(refuse_call(Rejection::UpstreamFull).headers()[header::RETRY_AFTER], "1");
    }
}
