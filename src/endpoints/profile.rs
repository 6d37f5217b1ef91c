//! `GET profile/`: the caller's own account, as it is now.

use std::sync::Arc;

use http::HeaderMap;
use serde_json::json;

use super::Request;
use super::error::EndpointError;
use super::reply::Outcome;
use crate::session::{Authenticated, Sessions};
use crate::token::TokenError;

/// The user of our own store that a call speaks for. Somebody whom another issuer vouches for
/// has no account here to look at.
pub(super) async fn caller(
    sessions: &Sessions,
    headers: &HeaderMap,
) -> Result<Arc<Authenticated>, EndpointError> {
    let caller = known(sessions, headers).await?;
    if caller.user.is_none() {
        let (error, presented) = (TokenError::Invalid.into(), sessions.in_header());
        return Err(EndpointError::Auth { error, presented });
    }
    Ok(caller)
}

/// Whom a call speaks for, whoever vouches for them.
pub(super) async fn known(
    sessions: &Sessions,
    headers: &HeaderMap,
) -> Result<Arc<Authenticated>, EndpointError> {
    let refused = |error| EndpointError::Auth { error, presented: sessions.in_header() };
    let caller = sessions.authenticate(headers).await.map_err(refused)?;
    caller.ok_or(EndpointError::NoCredentials)
}

pub(super) fn handle(request: Request) -> Result<Outcome, EndpointError> {
    let caller = request.caller.ok_or(EndpointError::NoCredentials)?;
    let identity = &caller.identity;
    let email = identity.email.as_deref().unwrap_or_default();
    let body = json!({ "username": identity.username, "email": email });
    Ok(Outcome::ok(body).about(&identity.user_id))
}
