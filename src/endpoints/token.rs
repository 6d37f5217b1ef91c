//! `POST token/`: name and password for a pair of tokens.

use serde_json::{Value, json};

use super::error::{EndpointError, LoginRefusal};
use super::login::For;
use super::reply::Outcome;
use super::{Endpoints, LoginFailure, Request, login};
use crate::session::{Pair, Wanted};

pub(super) async fn handle(cx: &Endpoints, mut request: Request) -> Result<Outcome, EndpointError> {
    let refusal = match cx.settings.login_failure {
        LoginFailure::Original => LoginRefusal::Original,
        LoginFailure::SimpleJwt => LoginRefusal::SimpleJwt,
    };
    let devices = request.devices();
    let (values, client) = request.into_values(cx)?;
    let purpose = For::Session(Wanted::Pair);
    let login = login::user(cx, values, &devices, refusal, purpose).await?;
    let pair = cx.sessions.log_in(&login.user, client, None).await?;
    Ok(login.outcome(body(cx, &pair)))
}

/// A pair, in the order of the view whose style is chosen.
pub(super) fn body(cx: &Endpoints, pair: &Pair) -> Value {
    match cx.settings.login_failure {
        LoginFailure::Original => json!({ "access": pair.access, "refresh": pair.refresh }),
        LoginFailure::SimpleJwt => json!({ "refresh": pair.refresh, "access": pair.access }),
    }
}
