//! `POST token/verify/`: whether a token of any kind is good now.

use serde_json::json;

use super::error::EndpointError;
use super::reply::Outcome;
use super::{Endpoints, Request};

pub(super) async fn handle(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let (mut values, _client) = request.into_values(cx)?;
    cx.sessions.check(&values.take("token")).await?;
    Ok(Outcome::ok(json!({})))
}
