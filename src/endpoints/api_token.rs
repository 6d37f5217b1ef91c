//! `POST api-token-auth/`: name and password for the user's API key, always the same one.

use serde_json::json;

use super::error::{EndpointError, LoginRefusal};
use super::reply::Outcome;
use super::{Endpoints, Request, login};

pub(super) async fn handle(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let (values, _client) = request.into_values(cx)?;
    let user = login::user(cx, values, LoginRefusal::ApiToken).await?;
    let key = cx.sessions.api_key(&user).await?;
    Ok(Outcome::ok(json!({ "token": key })).about(&user.id))
}
