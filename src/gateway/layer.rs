//! The gateway as a tower layer, around the handlers of another program.

use tower::Layer;

use super::Gateway;
use super::built::Fronts;
use super::service::GatewayService;
use crate::proxy::{Inner, InnerService};

/// Puts the policy before a service: what it lets through on routes to an upstream that is `inner`
/// is answered by the service, everything else as [`GatewayService`] does it. Clones are one.
///
/// The service finds an [`Identity`](crate::Identity) in the extensions of requests whose caller is
/// known, and the path in the one spelling that was judged. It is laid around a whole router, so
/// that nothing is routed before it is judged.
///
/// ```
/// use std::convert::Infallible;
/// use std::path::Path;
/// use std::sync::Arc;
///
/// use http::{Request, Response, StatusCode};
/// use portcullis::store::RedbStore;
/// use portcullis::Body;
/// use portcullis::{AuthLayer, Config, Gateway, Identity};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let policy = r#"
///     [upstreams]
///     app = { inner = true }
///
///     [routes]
///     "/*" = { to = "app" }
///     "/public/*" = { to = "app", allow = "anyone" }
/// "#;
/// let config = Config::parse("policy", policy, Path::new("."))?.config;
/// let builder = Gateway::builder(config);
/// # let builder = builder.store(Arc::new(RedbStore::in_memory()?)).ephemeral_keys();
/// let layer: AuthLayer = builder.build()?.layer();
/// let service = layer.layer(service_fn(async |request: Request<Body>| {
///     let who = request.extensions().get::<Identity>().map(|caller| caller.username.clone());
///     Ok::<_, Infallible>(Response::new(Body::from(format!("{who:?}"))))
/// }));
///
/// let ask = |path: &str| Request::get(path).header("host", "localhost").body(String::new());
/// let service_of_one = service.clone();
/// assert_eq!(service_of_one.oneshot(ask("/orders")?).await?.status(), StatusCode::UNAUTHORIZED);
/// assert_eq!(service.oneshot(ask("/public/x")?).await?.status(), StatusCode::OK);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AuthLayer(Fronts);

impl Gateway {
    /// The gateway as a tower layer. What is to be done beside requests, somebody has to
    /// [have done](Self::keep).
    pub fn layer(&self) -> AuthLayer {
        self.export_for_service();
        AuthLayer(self.fronts())
    }
}

impl<S: InnerService> Layer<S> for AuthLayer {
    type Service = GatewayService;

    fn layer(&self, inner: S) -> GatewayService {
        GatewayService::of(self.0.before(Some(Inner::new(inner))))
    }
}
