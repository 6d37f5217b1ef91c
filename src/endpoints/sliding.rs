//! `POST token/sliding/` and `token/sliding/refresh/`: one token that opens and renews itself.

use serde_json::json;

use super::error::{EndpointError, LoginRefusal};
use super::login::For;
use super::reply::Outcome;
use super::{Endpoints, Request, login};
use crate::session::Wanted;

/// Name and password for a sliding token. There is no view of the original's own here, so a
/// refusal reads as `SimpleJWT`'s whatever the style.
pub(super) async fn obtain(cx: &Endpoints, mut request: Request) -> Result<Outcome, EndpointError> {
    let devices = request.devices();
    let (values, client) = request.into_values(cx)?;
    let purpose = For::Session(Wanted::Sliding);
    let login = login::user(cx, values, &devices, LoginRefusal::SimpleJwt, purpose).await?;
    let token = cx.sessions.log_in_sliding(&login.user, client, None).await?;
    Ok(login.outcome(json!({ "token": token })))
}

/// A sliding token for a later one.
pub(super) async fn refresh(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let (mut values, _client) = request.into_values(cx)?;
    let token = cx.sessions.refresh_sliding(&values.take("token")).await?;
    Ok(Outcome::ok(json!({ "token": token })))
}
