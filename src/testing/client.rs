//! Who asks the gateway of a test.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::gateway::GatewayService;
use crate::session::Pair;
use crate::web::{BodyError, Peer};

/// Asks a [`TestGateway`](super::TestGateway), with the access token of a session where it has one.
/// A request takes the whole way of one but for a socket. What cannot be the path of a request ends
/// the test.
///
/// ```
/// use std::path::Path;
///
/// use portcullis::Config;
/// use portcullis::testing::TestGateway;
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let gateway = TestGateway::new(Config::built_in(Path::new("."))?.config)?;
/// let mut alice = gateway.sign_in("alice", &[]).await?;
/// assert_eq!(alice.post("/orders/", &json!({ "of": "tea" })).await.status, 200);
///
/// alice.renew().await;
/// assert_eq!(alice.get("/orders/7").await.status, 200);
/// alice.log_out().await;
/// assert_eq!(alice.get("/orders/7").await.status, 401);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    service: GatewayService,
    prefix: Arc<str>,
    host: Arc<str>,
    tokens: Option<Pair>,
    peer: Option<Peer>,
}

/// What a [`Client`] was answered, whole.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The header.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Whether the body ended as it should, and was not broken off.
    pub complete: bool,
}

impl Reply {
    /// The body as text; what is no UTF-8 in it is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as what JSON it is.
    ///
    /// # Errors
    ///
    /// If it is no JSON, or of something else.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}

impl Client {
    pub(super) const fn new(
        service: GatewayService,
        prefix: Arc<str>,
        host: Arc<str>,
        tokens: Option<Pair>,
    ) -> Self {
        Self { service, prefix, host, tokens, peer: None }
    }

    /// The same from another address than this machine's.
    #[must_use]
    pub fn from(mut self, address: IpAddr) -> Self {
        self.peer = Some(Peer::tcp((address, 50_000).into(), None));
        self
    }

    /// The access token, for who sends it himself.
    pub fn token(&self) -> Option<&str> {
        self.tokens.as_ref().map(|tokens| tokens.access.as_str())
    }

    /// Asks for a path, which may have a query.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, None).await
    }

    /// Sends JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::POST, path, Some(body)).await
    }

    /// Sends JSON.
    pub async fn put(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::PUT, path, Some(body)).await
    }

    /// Asks for an end.
    pub async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, None).await
    }

    /// Sends a request as it is, but that it gets a `Host` and, where it has no `Authorization`, the
    /// access token.
    pub async fn ask<B>(&self, request: Request<B>) -> Reply
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        let mut request = request;
        let headers = request.headers_mut();
        if let Ok(host) = HeaderValue::from_str(&self.host) {
            headers.entry(header::HOST).or_insert(host);
        }
        let bearer = self.token().map(|token| HeaderValue::try_from(format!("Bearer {token}")));
        if let Some(Ok(bearer)) = bearer {
            headers.entry(header::AUTHORIZATION).or_insert(bearer);
        }
        if let Some(peer) = &self.peer {
            request.extensions_mut().insert(peer.clone());
        }
        let response = match self.service.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let (parts, mut body) = response.into_parts();
        let mut whole = Vec::new();
        let complete = loop {
            match body.frame().await {
                None => break true,
                Some(Err(_)) => break false,
                Some(Ok(frame)) => whole.extend(frame.into_data().unwrap_or_default()),
            }
        };
        Reply { status: parts.status, headers: parts.headers, body: whole.into(), complete }
    }

    /// Buys new tokens by the refresh token, as programs do.
    pub async fn renew(&mut self) -> Reply {
        let reply = self.spend("token/refresh/").await;
        if let Some(tokens) = &mut self.tokens
            && let Ok(bought) = reply.json::<Value>()
        {
            for (kept, name) in [(&mut tokens.access, "access"), (&mut tokens.refresh, "refresh")] {
                if let Some(token) = bought.get(name).and_then(Value::as_str) {
                    token.clone_into(kept);
                }
            }
        }
        reply
    }

    /// Ends the session. The client keeps its tokens, which are worth nothing any more.
    pub async fn log_out(&self) -> Reply {
        self.spend("logout/").await
    }

    async fn spend(&self, endpoint: &str) -> Reply {
        let refresh = self.tokens.as_ref().map(|tokens| tokens.refresh.as_str());
        let path = format!("{}/{endpoint}", self.prefix);
        // With the refresh token alone: an access token may be dead by then.
        let stranger = Self { tokens: None, ..self.clone() };
        Box::pin(stranger.post(&path, &json!({ "refresh": refresh }))).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Reply {
        let text = body.map(Value::to_string).unwrap_or_default();
        let mut request = Request::new(Full::new(Bytes::from(text)));
        *request.method_mut() = method;
        if body.is_some() {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(header::CONTENT_TYPE, json);
        }
        *request.uri_mut() = target(path);
        self.ask(request).await
    }
}

#[expect(clippy::panic, reason = "a slip of a test ends the test")]
fn target(path: &str) -> Uri {
    let target = path.parse().ok().filter(|target: &Uri| target.path().starts_with('/'));
    target.unwrap_or_else(|| panic!("`{path}` is no path of a request; write it as in `/a/b?c=d`"))
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("tokens", &self.tokens).finish_non_exhaustive()
    }
}
