//! `GET sessions/` and `DELETE sessions/{id}/`: where the caller is logged in.

use serde_json::{Value, json};

use super::error::EndpointError;
use super::reply::Outcome;
use super::{Endpoints, Request};
use crate::store::EndReason;

/// Most sessions of one answer.
const MOST: usize = 100;

/// The living sessions of the caller, the newest first.
pub(super) async fn list(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let caller = request.caller.ok_or(EndpointError::NoCredentials)?;
    let user = caller.user.ok_or(EndpointError::NoCredentials)?;
    let sessions = cx.accounts.sessions(user, MOST).await?;
    let shown = sessions.into_iter().map(|session| {
        let last_used = cx.sessions.last_use(session.id).max(Some(session.last_used));
        json!({
            "id": session.id.to_string(),
            "device": session.device,
            "address": session.address,
            "started": session.started.to_string(),
            "last_used": last_used.unwrap_or(session.last_used).to_string(),
            "current": caller.identity.session == Some(session.id),
        })
    });
    Ok(Outcome::ok(Value::Array(shown.collect())).about(&user))
}

/// Ends one of them. What is not there, is somebody else's or has ended is all the same.
pub(super) async fn end(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let user = request.caller.and_then(|caller| caller.user);
    let user = user.ok_or(EndpointError::NoCredentials)?;
    let id = request.id.parse().map_err(|_| EndpointError::NotFound)?;
    if !cx.accounts.end_session(user, id, EndReason::LoggedOut).await? {
        return Err(EndpointError::NotFound);
    }
    Ok(Outcome::nothing().about(&user))
}
