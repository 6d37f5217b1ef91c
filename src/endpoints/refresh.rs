//! `POST token/refresh/`: a refresh token for a new access token, and with rotation for its
//! successor.

use serde_json::json;

use super::error::EndpointError;
use super::reply::Outcome;
use super::{Endpoints, Request};

pub(super) async fn handle(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let (mut values, _client) = request.into_values(cx)?;
    let renewed = cx.sessions.refresh(&values.take("refresh")).await?;
    Ok(Outcome::ok(match renewed.refresh {
        Some(refresh) => json!({ "access": renewed.access, "refresh": refresh }),
        None => json!({ "access": renewed.access }),
    }))
}
