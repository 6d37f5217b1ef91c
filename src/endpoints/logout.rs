//! `POST logout/` and `logout/all/`: the caller's session, or all of the user's.

use serde_json::json;

use super::error::EndpointError;
use super::reply::Outcome;
use super::{Endpoints, Request};
use crate::store::UserChange;

/// Ends the session of the access token in the header and that of the refresh token in the body,
/// whichever is there. One of them is enough: who has a dead access token can still log out.
pub(super) async fn handle(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let (mut request, mut user) = (request, None);
    let (caller, shut_out) = (request.caller.take(), request.shut_out.take());
    let (mut values, _client) = request.into_values(cx)?;
    let refresh = values.take("refresh");
    if let Some(caller) = &caller {
        if cx.sessions.log_out(caller).await? {
            user = caller.user;
        } else if refresh.is_empty() {
            return Err(EndpointError::NoSession);
        }
    }
    if !refresh.is_empty() {
        match cx.sessions.log_out_by(&refresh).await {
            Ok(owner) => user = Some(owner),
            Err(error) if user.is_none() || error.status().is_server_error() => {
                return Err(error.into());
            }
            // The two are mostly of one session, which has just ended.
            Err(_) => {}
        }
    }
    let Some(user) = user else {
        return Err(shut_out.unwrap_or(EndpointError::NoCredentials));
    };
    Ok(Outcome::ok(json!({})).about(&user))
}

/// Ends every session of the user, the caller's too.
pub(super) async fn everywhere(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let user = request.caller.and_then(|caller| caller.user);
    let user = user.ok_or(EndpointError::NoCredentials)?;
    let at = cx.clock.now();
    cx.accounts.change(user, UserChange::LoggedOutEverywhere(at)).await?;
    Ok(Outcome::ok(json!({})).about(&user))
}
