//! `POST api-token-auth/`: name and password for the user's API key, always the same one. Nobody
//! gets it who has a second factor: the key would open without.

use serde_json::json;

use super::error::{EndpointError, LoginRefusal};
use super::login::For;
use super::reply::Outcome;
use super::{Endpoints, Request, login};

pub(super) async fn handle(cx: &Endpoints, mut request: Request) -> Result<Outcome, EndpointError> {
    let devices = request.devices();
    let (values, _client) = request.into_values(cx)?;
    let login = login::user(cx, values, &devices, LoginRefusal::ApiToken, For::ApiKey).await?;
    let key = cx.sessions.api_key(&login.user).await?;
    Ok(login.outcome(json!({ "token": key })))
}
