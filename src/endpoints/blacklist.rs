//! `POST token/blacklist/`: ends the session of a refresh token, its access tokens too.

use serde_json::json;

use super::error::EndpointError;
use super::reply::Outcome;
use super::{Endpoints, Request};

pub(super) async fn handle(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let (mut values, _client) = request.into_values(cx)?;
    cx.sessions.blacklist(&values.take("refresh")).await?;
    Ok(Outcome::ok(json!({})))
}
