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
/// end; without one the caller is taken for this machine itself.
#[derive(Clone)]
pub struct GatewayService(Arc<Front>);

impl Gateway {
    /// The gateway as a tower service. Upstream connections live as long as the service.
    pub fn service(&self) -> GatewayService {
        GatewayService(self.front())
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
        let peer = request.extensions_mut().remove::<Peer>().unwrap_or_else(Peer::local);
        Box::pin(async move { Ok(front.answer(request, &peer).await) })
    }
}

impl fmt::Debug for GatewayService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GatewayService")
    }
}
