//! `POST password/change/`: another password for who knows the one before.

use serde_json::json;

use super::error::EndpointError;
use super::factors::second;
use super::login::is_own_password;
use super::reply::Outcome;
use super::{Endpoints, Request, device};
use crate::secret::Secret;
use crate::session::Opened;

/// Every session and token from before is over, the caller's too: the answer has those of a new
/// one. A copy of the old tokens is worth nothing to whoever has it.
pub(super) async fn handle(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let caller = request.caller.clone().ok_or(EndpointError::NoCredentials)?;
    let id = caller.user.ok_or(EndpointError::NoCredentials)?;
    let user = cx.accounts.get(id).await?.ok_or(EndpointError::NoCredentials)?;
    let client = request.client.clone();
    let mut form = request.into_form(cx);
    let weaknesses = form.good("new_password").map_or_else(Vec::new, |password| {
        cx.accounts.passwords().weaknesses(password, &user.username, &user.email)
    });
    form.refuse("new_password", weaknesses);
    let mut values = form.finish()?;
    let old = Secret::from(values.take("old_password"));
    if !is_own_password(cx, &user, old).await? {
        return Err(EndpointError::OldPassword);
    }
    let password = Secret::from(values.take("new_password"));
    let hash = cx.accounts.passwords().hash(password).await.map_err(EndpointError::Password)?;
    // Last: a code is used up by being shown, and whoever was turned away comes again with it. The
    // session that begins is a login like any other, and what was shown in the one before says
    // nothing of whoever has its tokens now.
    let second = second(cx, &user, Secret::from(values.take("otp"))).await?;
    let before = caller.identity.session;
    let changed = cx.sessions.change_password(&user, hash, client, before, second);
    let body = match changed.await? {
        Opened::Pair(pair) => json!({ "access": pair.access, "refresh": pair.refresh }),
        Opened::Sliding(token) => json!({ "token": token }),
    };
    // The device was known by the password that is no longer.
    let cookie = match cx.accounts.get(id).await? {
        Some(user) => device::cookie(cx, &user)?,
        None => None,
    };
    Ok(Outcome { cookie, ..Outcome::ok(body) }.about(&id))
}
