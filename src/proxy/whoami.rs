//! The built-in upstream: answers with the request as an upstream sees it.

use http::Response;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use serde_json::{Map, Value, json};

use crate::web::Body;

/// Method, target and header fields in JSON. A field that is there several times is a list.
pub(super) fn answer(parts: &Parts) -> Response<Body> {
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let told = json!({
        "method": parts.method.as_str(),
        "path": target,
        "headers": fields(&parts.headers),
    });
    let text = serde_json::to_string_pretty(&told).unwrap_or_default() + "\n";
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn fields(headers: &HeaderMap) -> Map<String, Value> {
    let mut fields = Map::new();
    for name in headers.keys() {
        let text = |value: &HeaderValue| Value::from(String::from_utf8_lossy(value.as_bytes()));
        let mut values: Vec<Value> = headers.get_all(name).iter().map(text).collect();
        let value =
            if values.len() == 1 { values.pop().unwrap_or_default() } else { values.into() };
        fields.insert(name.to_string(), value);
    }
    fields
}
