//! `POST token/`: name and password for a pair of tokens.

use serde_json::json;

use super::error::{EndpointError, LoginRefusal};
use super::reply::Outcome;
use super::{Endpoints, LoginFailure, Request, login};

pub(super) async fn handle(cx: &Endpoints, mut request: Request) -> Result<Outcome, EndpointError> {
    let style = cx.settings.login_failure;
    let refusal = match style {
        LoginFailure::Original => LoginRefusal::Original,
        LoginFailure::SimpleJwt => LoginRefusal::SimpleJwt,
    };
    let devices = request.devices();
    let (values, client) = request.into_values(cx)?;
    let login = login::user(cx, values, &devices, refusal).await?;
    let pair = cx.sessions.log_in(&login.user, client).await?;
    let body = match style {
        LoginFailure::Original => json!({ "access": pair.access, "refresh": pair.refresh }),
        LoginFailure::SimpleJwt => json!({ "refresh": pair.refresh, "access": pair.access }),
    };
    Ok(login.outcome(body))
}
