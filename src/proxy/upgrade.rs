//! The opening handshake of a `WebSocket` (RFC 6455 section 4): who asks for one, and whether the
//! upstream agreed.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode, Version};
use http_body::Body as _;
use tokio_util::sync::CancellationToken;

use super::Rejection;
use super::send::Switched;
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
    client: Upgradable,
    /// In place of the client's, where that need not have one (RFC 8441 section 5).
    key: Option<HeaderValue>,
    /// The one right answer to its key.
    accept: String,
    /// Whether the upstream is asked in HTTP/2, where there are no keys.
    http2: bool,
    idle: Duration,
}

/// A `WebSocket` that the upstream opened.
pub(super) struct Opened {
    takeover: Takeover,
    status: StatusCode,
}

impl Handshake {
    /// Reads the handshake; `None` if the request is an ordinary one.
    ///
    /// A handshake in another version of the protocol is refused: what a server makes of it
    /// nobody here could check. So is an extended CONNECT that opens no tunnel, for it is no
    /// request of another kind. An upstream in HTTP/2 (`http2`) is asked by such a one.
    pub(super) fn of(
        route: &Route,
        http2: bool,
        parts: &mut Parts,
        body: &RequestBody,
    ) -> Result<Option<Self>, Rejection> {
        let idle = route.websocket;
        let Some(client) = parts.extensions.remove::<Upgradable>() else { return Ok(None) };
        let is_framed = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING]
            .iter()
            .any(|name| parts.headers.contains_key(name));
        let headers = &parts.headers;
        match client {
            Upgradable::Connection(_) => {
                let asks = parts.method == Method::GET
                    && parts.version == Version::HTTP_11
                    && switches(headers)
                    && body.is_end_stream()
                    && !is_framed;
                let Some(idle) = idle.filter(|_| asks) else { return Ok(None) };
                check_version(headers)?;
                let key = only(headers, &header::SEC_WEBSOCKET_KEY).filter(|key| is_key(key));
                let accept = key.map(|key| accept(key.as_bytes()));
                Ok(accept.map(|accept| Self { client, key: None, accept, http2, idle }))
            }
            Upgradable::Stream { .. } => {
                let idle = idle.ok_or(Rejection::Connect)?;
                if is_framed {
                    return Err(Rejection::BadFraming);
                }
                check_version(headers)?;
                let key = fresh_key()?;
                let accept = accept(key.as_bytes());
                Ok(Some(Self { client, key: Some(key), accept, http2, idle }))
            }
        }
    }

    /// Sets what ended here as hop-by-hop: the upstream is asked for a `WebSocket`, too.
    pub(super) fn ask(&self, headers: &mut HeaderMap) {
        if self.http2 {
            headers.remove(header::SEC_WEBSOCKET_KEY);
            return;
        }
        headers.insert(header::CONNECTION, UPGRADE);
        headers.insert(header::UPGRADE, WEBSOCKET);
        if let Some(key) = &self.key {
            headers.insert(header::SEC_WEBSOCKET_KEY, key.clone());
        }
    }

    /// The upstream answered without opening one. To a CONNECT any success would say that there
    /// is a tunnel.
    pub(super) fn refused(&self, response: &Response<Body>) -> Result<(), Rejection> {
        let is_stream = matches!(self.client, Upgradable::Stream { .. });
        if is_stream && response.status().is_success() {
            return Err(Rejection::UpstreamSwitched);
        }
        Ok(())
    }

    /// The upstream says that it opened one, there.
    pub(super) fn answered(
        self,
        watch: Option<Watch>,
        response: &mut Response<Body>,
        upstream: Switched,
    ) -> Result<Opened, Rejection> {
        let headers = response.headers_mut();
        if matches!(upstream, Switched::Connection(_)) {
            let proof = only(headers, &header::SEC_WEBSOCKET_ACCEPT);
            if !switches(headers) || proof.is_none_or(|proof| *proof != self.accept) {
                return Err(Rejection::UpstreamSwitched);
            }
        } else {
            // Who is asked without a key has nothing to prove: its success is the tunnel.
            let accept = HeaderValue::try_from(self.accept);
            let accept = accept.map_err(|_| Rejection::UpstreamSwitched)?;
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::TRANSFER_ENCODING);
        let traffic = Arc::<Traffic>::default();
        let (client, client_gone, status) = match self.client {
            Upgradable::Connection(client) => (client, None, StatusCode::SWITCHING_PROTOCOLS),
            Upgradable::Stream { upgrade, gone } => (upgrade, Some(gone), StatusCode::OK),
        };
        let ends = Ends { client, client_gone, upstream };
        let leaving = CancellationToken::new();
        let terms = Terms {
            idle: self.idle,
            watch: watch.map(Watch::of_a_lasting_one),
            traffic: Arc::clone(&traffic),
            leaving: leaving.clone(),
        };
        Ok(Opened { takeover: Takeover::new(ends.run(terms), traffic, leaving), status })
    }
}

impl Opened {
    /// Says so to the client.
    pub(super) fn announce(self, response: &mut Response<Body>) {
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if self.status == StatusCode::SWITCHING_PROTOCOLS {
            headers.insert(header::CONNECTION, UPGRADE);
            headers.insert(header::UPGRADE, WEBSOCKET);
        } else {
            // It answers a key of ours.
            headers.remove(header::SEC_WEBSOCKET_ACCEPT);
        }
        response.extensions_mut().insert(self.takeover);
    }
}

fn check_version(headers: &HeaderMap) -> Result<(), Rejection> {
    let version = only(headers, &header::SEC_WEBSOCKET_VERSION);
    version.filter(|version| *version == "13").map(|_| ()).ok_or(Rejection::WebSocketVersion)
}

/// A key that nobody used before (RFC 6455 section 4.1).
fn fresh_key() -> Result<HeaderValue, Rejection> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Rejection::UpstreamFailed(error.into()))?;
    let key = HeaderValue::try_from(STANDARD.encode(bytes));
    key.map_err(|error| Rejection::UpstreamFailed(error.into()))
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
