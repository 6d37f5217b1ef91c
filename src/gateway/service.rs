//! The gateway as a tower service, to be mounted in another program.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use tower::Service;

use super::Gateway;
use super::front::Front;
use crate::web::{Body, BodyError, Peer};

/// A gateway that answers requests one by one. Clones share everything.
///
/// Every outcome is a response. A [`Peer`] in the request's extensions says who is at the other
/// end; without one all callers have the address of this machine, and `trust` holds for none. A WebSocket handshake is an
/// ordinary request here, for its connection is somebody else's.
///
/// ```
/// # use std::path::Path;
/// # use std::sync::Arc;
/// # use portcullis::store::RedbStore;
/// use http::{Request, StatusCode};
/// use portcullis::Peer;
/// use portcullis::{Config, Gateway, GatewayService};
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let config = Config::built_in(Path::new("."))?.config;
/// # let builder = Gateway::builder(config);
/// # let builder = builder.store(Arc::new(RedbStore::in_memory()?)).ephemeral_keys();
/// # let gateway = builder.build()?;
/// let service: GatewayService = gateway.service();
///
/// let mut request = Request::get("/public/").header("host", "localhost").body(String::new())?;
/// request.extensions_mut().insert(Peer::tcp("192.0.2.7:50000".parse()?, None));
/// assert_eq!(service.clone().oneshot(request).await?.status(), StatusCode::OK);
///
/// let request = Request::get("/orders").header("host", "localhost").body(String::new())?;
/// assert_eq!(service.oneshot(request).await?.status(), StatusCode::UNAUTHORIZED);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct GatewayService(Arc<Front>);

impl Gateway {
    /// The gateway as a tower service. Upstream connections live as long as the service. What is to
    /// be done beside requests, somebody has to [have done](Self::keep).
    pub fn service(&self) -> GatewayService {
        self.export_for_service();
        GatewayService(self.front())
    }

    /// The endpoints alone as a tower service, for a program that has handlers of its own beside
    /// them: registration, login and all that is below `auth.prefix`, their description and the key
    /// set. Everything else is answered with 404, the routes of the policy, too, and nothing is
    /// forwarded. A request takes the same way to them as ever: host, framing, client address, the
    /// one reading of its path, and every limit.
    ///
    /// They are mounted under the paths that they have, so that a router must not shorten these:
    /// `Router::fallback_service` of axum does not, `Router::nest_service` does.
    ///
    /// ```
    /// # use std::path::Path;
    /// # use std::sync::Arc;
    /// # use portcullis::store::RedbStore;
    /// use http::{Request, StatusCode};
    /// use portcullis::{Config, Gateway};
    /// use tower::ServiceExt;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let config = Config::parse("policy", "", Path::new("."))?.config;
    /// let builder = Gateway::builder(config);
    /// # let builder = builder.store(Arc::new(RedbStore::in_memory()?)).ephemeral_keys();
    /// let endpoints = builder.build()?.endpoints();
    ///
    /// let ask = |path: &str| Request::get(path).header("host", "localhost").body(String::new());
    /// let keys = endpoints.clone().oneshot(ask("/.well-known/jwks.json")?).await?;
    /// assert_eq!(keys.status(), StatusCode::OK);
    /// assert_eq!(endpoints.oneshot(ask("/orders")?).await?.status(), StatusCode::NOT_FOUND);
    /// # Ok(())
    /// # }
    /// ```
    pub fn endpoints(&self) -> GatewayService {
        self.export_for_service();
        GatewayService(self.fronts().at_endpoints())
    }
}

impl GatewayService {
    pub(super) const fn of(front: Arc<Front>) -> Self {
        Self(front)
    }
}

impl<B> Service<Request<B>> for GatewayService
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BodyError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let front = Arc::clone(&self.0);
        // Of whom nobody says who it is, nothing that it says of others is believed.
        let peer = request.extensions_mut().remove::<Peer>();
        let peer = peer.unwrap_or_else(|| Peer::local().for_somebody());
        Box::pin(async move { Ok(front.answer(request, &peer).await) })
    }
}

impl fmt::Debug for GatewayService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GatewayService")
    }
}
