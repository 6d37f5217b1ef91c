//! What a proxy is told.

use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use crate::web::Body;

/// Yes: with what the upstream is to be told of the caller, for the proxy to pass on. Those of
/// `names` that there is nothing to say in are empty: left out, a proxy might leave what the client
/// has sent there, or worse.
pub fn allowed<'h>(
    names: impl IntoIterator<Item = &'h HeaderName>,
    identity: impl IntoIterator<Item = &'h (HeaderName, HeaderValue)>,
) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    for name in names {
        headers.insert(name, HeaderValue::from_static(""));
    }
    for (name, value) in identity {
        headers.insert(name, value.clone());
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A refusal for a proxy that knows two of them: whatever is not 401 is 403. A failure of ours
/// stays one.
pub fn soften(response: &mut Response<Body>) {
    let status = response.status();
    if status.is_client_error() && status != StatusCode::UNAUTHORIZED {
        *response.status_mut() = StatusCode::FORBIDDEN;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_refusals_are_left() {
        for (status, told) in
            [(200, 200), (400, 403), (401, 401), (404, 403), (429, 403), (503, 503)]
        {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            soften(&mut response);
            assert_eq!(response.status().as_u16(), told);
        }
    }
}
