//! The program's own handlers, where the gateway is a part of one.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use tower::{Service, ServiceExt};

use super::prepare::Outfit;
use super::watch::Watch;
use super::watched::watched;
use super::{Proxy, Rejection, Target, send};
use crate::identity::Identity;
use crate::policy::Route;
use crate::web::{Body, BodyError, RequestBody, Upgradable, lists};

/// An answer on its way.
pub type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// What answers for upstreams that are `inner`: a service of the program that the gateway is a part
/// of. Clones share it.
#[derive(Clone)]
pub struct Inner(Arc<dyn Fn(Request<Body>) -> Answering + Send + Sync>);

/// Whether a request opens a `WebSocket`: what says so ends here as hop-by-hop, and goes on to a
/// handler that has the same connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Opening {
    WebSocket,
    Nothing,
}

/// A service that can answer for an upstream: every tower service for [`Request<Body>`] that can be
/// cloned and shared by threads, cannot fail, and answers with a body of bytes. An axum router is
/// one.
///
/// ```
/// use std::convert::Infallible;
///
/// use http::{Request, Response};
/// use http_body_util::{BodyExt, Full};
/// use portcullis::{Answering, Body, BodyError, InnerService};
/// use tower::service_fn;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hello = service_fn(async |request: Request<Body>| {
///     let text = format!("hello {}", request.uri().path());
///     Ok::<_, Infallible>(Response::new(Full::from(text)))
/// });
/// let request = Request::builder().uri("/alice").body(Body::empty())?;
/// let answering: Answering = hello.answer(request);
/// let body: Result<_, BodyError> = answering.await.into_body().collect().await;
/// assert_eq!(body.map_err(|error| error.to_string())?.to_bytes(), "hello /alice");
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no service that a gateway can be laid around",
    note = "it has to be a `tower::Service<Request<portcullis::Body>>` with `Error = Infallible`, \
            be `Clone + Send + Sync + 'static`, and answer with a body of `Bytes`"
)]
pub trait InnerService: Clone + Send + Sync + 'static {
    /// Answers one request.
    fn answer(self, request: Request<Body>) -> Answering;
}

impl<S, B> InnerService for S
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BodyError>,
{
    fn answer(self, request: Request<Body>) -> Answering {
        let answering = self.oneshot(request);
        Box::pin(async move {
            match answering.await {
                Ok(response) => response.map(Body::stream),
                Err(never) => match never {},
            }
        })
    }
}

impl Inner {
    /// Has that service answer, a clone of it each request.
    pub fn new(service: impl InnerService) -> Self {
        Self(Arc::new(move |request| service.clone().answer(request)))
    }
}

impl Proxy {
    /// Whether requests of that route are answered by the program itself.
    pub(super) fn is_inner(&self, route: &Route) -> bool {
        let upstream = self.upstreams.0.get(route.upstream);
        upstream.is_some_and(|upstream| upstream.settings.target == Target::Inner)
    }

    /// Has the program answer. With the head it is told who asks: as an
    /// [`Identity`] in the extensions, and in the headers of the table.
    pub(super) async fn pass(
        &self,
        outfit: &Outfit<'_>,
        mut parts: Parts,
        body: RequestBody,
        opening: Opening,
        watch: Option<Watch>,
    ) -> Result<send::Reply, Rejection> {
        let inner = self.inner.as_ref().ok_or(Rejection::UpstreamUnreachable(None))?;
        outfit.set_ours(&mut parts.headers);
        // Whatever somebody around us has put there.
        parts.extensions.remove::<Identity>();
        if let Some(caller) = outfit.caller {
            parts.extensions.insert(caller.identity.clone());
        }
        if opening == Opening::WebSocket {
            opens(&mut parts.headers);
        }
        let answering = (inner.0)(Request::from_parts(parts, Body::stream(body)));
        let response = match outfit.route.timeout {
            Some(patience) => tokio::time::timeout(patience, answering)
                .await
                .map_err(|_late| Rejection::UpstreamTimeout(patience))?,
            None => answering.await,
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS && opening == Opening::Nothing {
            return Err(Rejection::UpstreamSwitched);
        }
        let (parts, body) = response.into_parts();
        let body = watched(body, watch, &parts.headers);
        Ok(send::Reply { response: Response::from_parts(parts, body), switched: None })
    }
}

impl Opening {
    /// What a request asks of its connection, over HTTP/1.1. What its route does not have, the
    /// handler cannot open.
    pub(super) fn of(route: &Route, parts: &mut Parts) -> Result<Self, Rejection> {
        // Our own server keeps it for tunnels of its own.
        match parts.extensions.remove() {
            Some(Upgradable::Connection(upgrade)) => {
                parts.extensions.insert(upgrade);
            }
            // An extended CONNECT: an ordinary answer to it would open a tunnel to nowhere.
            Some(Upgradable::Stream { .. }) => return Err(Rejection::Connect),
            None => {}
        }
        let asks = route.websocket.is_some()
            && parts.method == Method::GET
            && lists(&parts.headers, &header::CONNECTION, &["upgrade"])
            && lists(&parts.headers, &header::UPGRADE, &["websocket"]);
        if asks {
            return Ok(Self::WebSocket);
        }
        parts.extensions.remove::<OnUpgrade>();
        Ok(Self::Nothing)
    }
}

/// Says again of an answer what was dropped as hop-by-hop: whoever serves the connection lets the
/// handler have it.
pub(super) fn announce(response: &mut Response<Body>) {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        opens(response.headers_mut());
    }
}

fn opens(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inner")
    }
}
