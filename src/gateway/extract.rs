//! The caller of a request, for handlers that cannot do without one.

use http::Response;

use crate::proxy::Rejection;
use crate::web::Body;

/// A handler needs a caller, and the request has none: the route is open to anyone, or no gateway is
/// in front of it.
///
/// ```
/// use portcullis::NoIdentity;
///
/// let response = NoIdentity.into_response();
/// assert_eq!(response.headers()["www-authenticate"], r#"Bearer realm="api""#);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("request without a caller")]
pub struct NoIdentity;

impl NoIdentity {
    /// The 401 that a route for users answers.
    pub fn into_response(self) -> Response<Body> {
        Rejection::NoCredentials.into_response()
    }
}

#[cfg(feature = "axum")]
mod axum {
    use std::convert::Infallible;

    use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
    use axum_core::response::{IntoResponse, Response};
    use http::request::Parts;

    use super::NoIdentity;
    use crate::identity::Identity;

    impl<S: Send + Sync> FromRequestParts<S> for Identity {
        type Rejection = NoIdentity;

        async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NoIdentity> {
            Self::of(&parts.extensions).cloned().ok_or(NoIdentity)
        }
    }

    impl<S: Send + Sync> OptionalFromRequestParts<S> for Identity {
        type Rejection = Infallible;

        async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
            Ok(Self::of(&parts.extensions).cloned())
        }
    }

    impl IntoResponse for NoIdentity {
        fn into_response(self) -> Response {
            Self::into_response(self).map(axum_core::body::Body::new)
        }
    }
}
