//! The question as Envoy asks it in gRPC (`envoy.service.auth.v3`), and the answer.
//!
//! The messages are those of `external_auth.proto` and what it refers to, as far as they are used
//! here.

use std::collections::HashMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt, Collected, Full};
use prost::Message;

use super::question::{has_dot_segments, origin_form};
use super::{Question, Unreadable};
use crate::web::Body;

/// Where it asks.
pub const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

/// Longest question, in bytes: a head, and what Envoy knows of its connection.
pub const LONGEST: u64 = 1024 * 1024;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Of a refusal, what its client is to read.
static TOLD: [HeaderName; 6] = [
    header::CONTENT_TYPE,
    header::CACHE_CONTROL,
    header::WWW_AUTHENTICATE,
    header::ALLOW,
    header::RETRY_AFTER,
    HeaderName::from_static("x-request-id"),
];
/// gRPC's codes for a yes, and for a no.
const OK: i32 = 0;
const PERMISSION_DENIED: i32 = 7;
/// `OVERWRITE_IF_EXISTS_OR_ADD`.
const OVERWRITE: i32 = 2;

#[derive(Clone, PartialEq, Message)]
struct CheckRequest {
    #[prost(message, optional, tag = "1")]
    attributes: Option<Attributes>,
}

#[derive(Clone, PartialEq, Message)]
struct Attributes {
    #[prost(message, optional, tag = "1")]
    source: Option<Source>,
    #[prost(message, optional, tag = "4")]
    request: Option<Asked>,
}

#[derive(Clone, PartialEq, Message)]
struct Source {
    #[prost(message, optional, tag = "1")]
    address: Option<Address>,
}

#[derive(Clone, PartialEq, Message)]
struct Address {
    #[prost(message, optional, tag = "1")]
    socket: Option<Socket>,
}

#[derive(Clone, PartialEq, Message)]
struct Socket {
    #[prost(string, tag = "2")]
    address: String,
}

#[derive(Clone, PartialEq, Message)]
struct Asked {
    #[prost(message, optional, tag = "2")]
    http: Option<HttpRequest>,
}

#[derive(Clone, PartialEq, Message)]
struct HttpRequest {
    #[prost(string, tag = "2")]
    method: String,
    #[prost(map = "string, string", tag = "3")]
    headers: HashMap<String, String>,
    /// With the query.
    #[prost(string, tag = "4")]
    path: String,
    #[prost(string, tag = "5")]
    host: String,
    #[prost(string, tag = "6")]
    scheme: String,
}

#[derive(Clone, PartialEq, Message)]
struct CheckResponse {
    #[prost(message, optional, tag = "1")]
    status: Option<Status>,
    #[prost(message, optional, tag = "2")]
    denied: Option<Denied>,
    #[prost(message, optional, tag = "3")]
    allowed: Option<Allowed>,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Denied {
    #[prost(message, optional, tag = "1")]
    status: Option<HttpStatus>,
    #[prost(message, repeated, tag = "2")]
    headers: Vec<HeaderOption>,
    #[prost(string, tag = "3")]
    body: String,
}

#[derive(Clone, PartialEq, Message)]
struct HttpStatus {
    #[prost(int32, tag = "1")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Allowed {
    #[prost(message, repeated, tag = "2")]
    headers: Vec<HeaderOption>,
    #[prost(string, repeated, tag = "5")]
    headers_to_remove: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct HeaderOption {
    #[prost(message, optional, tag = "1")]
    header: Option<Header>,
    #[prost(int32, tag = "3")]
    append_action: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Header {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// Reads the body of a call: the question, and the fields of the request that it is about.
///
/// # Errors
///
/// [`Unreadable`]: end the call with a status of gRPC.
pub fn read(call: Bytes) -> Result<(Question, HeaderMap), Unreadable> {
    const MESSAGE: Unreadable = Unreadable::Field("CheckRequest");
    let message = CheckRequest::decode(unframed(call).ok_or(MESSAGE)?).map_err(|_| MESSAGE)?;
    let Attributes { source, request } = message.attributes.ok_or(MESSAGE)?;
    let asked = request.and_then(|request| request.http).ok_or(MESSAGE)?;
    let method = Method::from_bytes(asked.method.as_bytes());
    let target = origin_form(asked.path.as_bytes());
    let question = Question {
        method: method.map_err(|_| Unreadable::Field("method"))?,
        target: target.ok_or(Unreadable::Field("path"))?,
        host: HeaderValue::try_from(asked.host).map_err(|_| Unreadable::Field("host"))?,
        is_https: asked.scheme.eq_ignore_ascii_case("https"),
    };
    if has_dot_segments(question.target.path()) {
        return Err(Unreadable::DotSegments);
    }
    let mut headers = HeaderMap::new();
    for (name, value) in asked.headers {
        // Those of HTTP/2 are said beside them.
        if name.starts_with(':') {
            continue;
        }
        let name = HeaderName::try_from(name).map_err(|_| Unreadable::Field("headers"))?;
        let value = HeaderValue::try_from(value).map_err(|_| Unreadable::Field("headers"))?;
        headers.append(name, value);
    }
    let address = source.and_then(|source| source.address?.socket).map(|socket| socket.address);
    if let Some(address) = address.and_then(|address| HeaderValue::try_from(address).ok()) {
        // What stands before it, whoever is at that address may have written.
        let is_told = headers.get_all(FORWARDED_FOR).iter().next_back().is_some_and(|told| {
            let last = told.as_bytes().rsplit(|byte| *byte == b',').next();
            last.is_some_and(|last| last.trim_ascii() == address.as_bytes())
        });
        if !is_told {
            headers.append(FORWARDED_FOR, address);
        }
    }
    Ok((question, headers))
}

/// The answer to a call, from what a request by HTTP would be answered.
pub async fn answer(response: Response<Body>) -> Response<Body> {
    let (parts, body) = response.into_parts();
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let set = |name: &HeaderName, value: &HeaderValue| HeaderOption {
        header: Some(Header { key: name.as_str().to_owned(), value: text(value) }),
        append_action: OVERWRITE,
    };
    let message = if parts.status == StatusCode::OK {
        let identity = parts.headers.iter().filter(|(name, _)| !TOLD.contains(name));
        let (told, absent): (Vec<_>, Vec<_>) = identity.partition(|(_, value)| !value.is_empty());
        CheckResponse {
            status: Some(Status { code: OK }),
            denied: None,
            allowed: Some(Allowed {
                headers: told.into_iter().map(|(name, value)| set(name, value)).collect(),
                headers_to_remove: absent
                    .iter()
                    .map(|(name, _)| name.as_str().to_owned())
                    .collect(),
            }),
        }
    } else {
        let told = TOLD
            .iter()
            .flat_map(|name| parts.headers.get_all(name).iter().map(move |value| (name, value)));
        let headers = told.map(|(name, value)| set(name, value)).collect();
        // A refusal is whole, and its body is text.
        let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
        CheckResponse {
            status: Some(Status { code: PERMISSION_DENIED }),
            denied: Some(Denied {
                status: Some(HttpStatus { code: parts.status.as_u16().into() }),
                headers,
                body: String::from_utf8_lossy(&body).into_owned(),
            }),
            allowed: None,
        }
    };
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let body = Full::new(framed(&message)).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(Body::stream(body));
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// The one message of a call, which is not compressed (gRPC over HTTP/2, "Length-Prefixed-Message").
fn unframed(mut call: Bytes) -> Option<Bytes> {
    let (compressed, length) = (call.try_get_u8().ok()?, call.try_get_u32().ok()?);
    let whole = usize::try_from(length).is_ok_and(|length| length == call.len());
    (compressed == 0 && whole).then_some(call)
}

fn framed(message: &CheckResponse) -> Bytes {
    let message = message.encode_to_vec();
    let mut call = BytesMut::with_capacity(message.len() + 5);
    call.put_u8(0);
    call.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    call.put_slice(&message);
    call.freeze()
}

#[cfg(test)]
mod tests;
