//! The opening handshake of a `WebSocket` (RFC 6455 section 4): who asks for one, and whether the
//! upstream agreed.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Response, Version};
use http_body::Body as _;
use hyper::upgrade::OnUpgrade;
use tokio_util::sync::CancellationToken;

use super::Rejection;
use super::lease::Lease;
use super::tunnel::{Ends, Terms};
use super::watch::Watch;
use crate::policy::Route;
use crate::web::{Body, RequestBody, Takeover, Traffic, Upgradable, lists};

/// What a key is hashed with (RFC 6455 section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const UPGRADE: HeaderValue = HeaderValue::from_static("Upgrade");

/// A request for a `WebSocket` on a route that has them.
pub(super) struct Handshake {
    client: OnUpgrade,
    /// The one right answer to its key.
    accept: String,
    idle: Duration,
}

/// A `WebSocket` that the upstream opened.
pub(super) struct Opened(Takeover);

impl Handshake {
    /// Reads the handshake; `None` if the request is an ordinary one.
    ///
    /// A handshake in another version of the protocol is refused: what a server makes of it
    /// nobody here could check.
    pub(super) fn of(
        route: &Route,
        parts: &mut Parts,
        body: &RequestBody,
    ) -> Result<Option<Self>, Rejection> {
        let Some(idle) = route.websocket else { return Ok(None) };
        let Some(Upgradable(client)) = parts.extensions.remove() else { return Ok(None) };
        let headers = &parts.headers;
        let asks = parts.method == Method::GET
            && parts.version == Version::HTTP_11
            && switches(headers)
            && body.is_end_stream()
            && !headers.contains_key(header::CONTENT_LENGTH)
            && !headers.contains_key(header::TRANSFER_ENCODING);
        if !asks {
            return Ok(None);
        }
        if only(headers, &header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err(Rejection::WebSocketVersion);
        }
        let key = only(headers, &header::SEC_WEBSOCKET_KEY).filter(|key| is_key(key));
        Ok(key.map(|key| Self { client, accept: accept(key.as_bytes()), idle }))
    }

    /// The upstream says that it opened one, on that connection.
    pub(super) fn answered(
        self,
        watch: Option<Watch>,
        response: &mut Response<Body>,
        upstream: Lease,
    ) -> Result<Opened, Rejection> {
        let headers = response.headers_mut();
        let proof = only(headers, &header::SEC_WEBSOCKET_ACCEPT);
        if !switches(headers) || proof.is_none_or(|proof| *proof != self.accept) {
            return Err(Rejection::UpstreamSwitched);
        }
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::TRANSFER_ENCODING);
        let traffic = Arc::<Traffic>::default();
        let ends = Ends { client: self.client, upstream };
        let leaving = CancellationToken::new();
        let terms = Terms {
            idle: self.idle,
            watch: watch.map(Watch::of_a_lasting_one),
            traffic: Arc::clone(&traffic),
            leaving: leaving.clone(),
        };
        Ok(Opened(Takeover::new(ends.run(terms), traffic, leaving)))
    }
}

impl Opened {
    /// Says so to the client.
    pub(super) fn announce(self, response: &mut Response<Body>) {
        response.headers_mut().insert(header::CONNECTION, UPGRADE);
        response.headers_mut().insert(header::UPGRADE, WEBSOCKET);
        response.extensions_mut().insert(self.0);
    }
}

/// Sets what ended here as hop-by-hop: the upstream is asked for a `WebSocket`, too.
pub(super) fn ask(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, UPGRADE);
    headers.insert(header::UPGRADE, WEBSOCKET);
}

/// Whether a head switches to `WebSocket` and to nothing else.
fn switches(headers: &HeaderMap) -> bool {
    only(headers, &header::UPGRADE)
        .is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
        && lists(headers, &header::CONNECTION, &["upgrade"])
}

/// The value of a field that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// Sixteen bytes in base64 (RFC 6455 section 4.1).
fn is_key(key: &HeaderValue) -> bool {
    STANDARD.decode(key.as_bytes()).is_ok_and(|bytes| bytes.len() == 16)
}

/// The answer that proves that a server read the key (RFC 6455 section 4.2.2).
fn accept(key: &[u8]) -> String {
    let text = [key, GUID].concat();
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6455 section 1.3.
    #[test]
    fn a_key_has_one_right_answer() {
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_key_is_sixteen_bytes_in_strict_base64() {
        for (key, good) in [
            ("dGhlIHNhbXBsZSBub25jZQ==", true),
            ("dGhlIHNhbXBsZSBub25jZQ", false),
            ("dGhlIHNhbXBsZSBub25jZR==", false),
            ("dGhlIHNhbXBsZSBub25j", false),
            ("dGhlIHNhbXBsZSBub25jZQ==, x", false),
            ("", false),
        ] {
            assert_eq!(is_key(&HeaderValue::from_static(key)), good, "{key}");
        }
    }
}
