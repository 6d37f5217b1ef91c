//! `GET profile/`: the caller's own account, as it is now. `PATCH profile/`: a new address, in
//! force when it is confirmed.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::json;

use super::call::Credential;
use super::error::EndpointError;
use super::fields::{BLANK, REQUIRED};
use super::login::is_own_password;
use super::reply::Outcome;
use super::throttle::Limited;
use super::{Endpoints, Registration, Request, email};
use crate::secret::Secret;
use crate::session::{AccountError, Authenticated, Sessions};
use crate::store::User;
use crate::token::TokenError;

/// The user of our own store that a call speaks for. Somebody whom another issuer vouches for
/// has no account here to look at.
pub(super) async fn caller(
    sessions: &Sessions,
    credential: Credential<'_>,
) -> Result<Arc<Authenticated>, EndpointError> {
    let caller = known(sessions, credential).await?;
    if caller.user.is_none() {
        let (error, presented) = (TokenError::Invalid.into(), sessions.in_header());
        return Err(EndpointError::Auth { error, presented });
    }
    Ok(caller)
}

/// Whom a call speaks for, whoever vouches for them.
pub(super) async fn known(
    sessions: &Sessions,
    credential: Credential<'_>,
) -> Result<Arc<Authenticated>, EndpointError> {
    if let Some(caller) = credential.caller {
        return Ok(Arc::clone(caller));
    }
    let refused = |error| EndpointError::Auth { error, presented: sessions.in_header() };
    let caller = sessions.authenticate(credential.headers).await.map_err(refused)?;
    caller.ok_or(EndpointError::NoCredentials)
}

pub(super) fn handle(request: Request) -> Result<Outcome, EndpointError> {
    let caller = request.caller.ok_or(EndpointError::NoCredentials)?;
    let identity = &caller.identity;
    let email = identity.email.as_deref().unwrap_or_default();
    let body = json!({ "username": identity.username, "email": email });
    Ok(Outcome::ok(body).about(&identity.user_id))
}

/// What is said of a password that is not the caller's.
const WRONG: &str = "Your password was entered incorrectly. Please enter it again.";

/// Nothing is changed here: the letter to the new address has the link that does it.
pub(super) async fn change(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let mailer = cx.accounts.mailer().ok_or(EndpointError::NoMail)?;
    let user = email::caller(cx, &request).await?;
    let from = request.from;
    let mut form = request.into_form(cx);
    let (sent, password) = (form.good("email"), form.good("password"));
    let is_new = sent.is_some_and(|email| !email.is_empty() && email != user.email);
    let (blank, bare) = (sent == Some(""), is_new && password.is_none_or(str::is_empty));
    form.refuse("email", blank.then_some(BLANK).into_iter().collect());
    form.refuse("password", bare.then_some(REQUIRED).into_iter().collect());
    let mut values = form.finish()?;
    let mut body = json!({ "username": user.username, "email": user.email });
    if !is_new {
        return Ok(Outcome::ok(body).about(&user.id));
    }
    let (email, password) = (values.take("email"), Secret::from(values.take("password")));
    // A token alone, found or stolen, takes no account over.
    if !is_own_password(cx, &user, password).await? {
        return Err(EndpointError::Fields(vec![("password", vec![WRONG.to_owned()])]));
    }
    object(cx, &user, &email, from).await?;
    cx.throttles.take_by_recipient(&email, cx.clock.steady()).await?;
    mailer.ask_new_email(&user, &email).await.map_err(AccountError::from)?;
    if let Some(body) = body.as_object_mut() {
        let told = "The new address takes effect when it is confirmed by the mail to it.";
        body.insert("detail".to_owned(), told.into());
    }
    Ok(Outcome::ok(body).about(&user.id))
}

/// Refuses an address that is somebody else's where addresses are unique, if whoever asks could
/// learn the same by registering, and counted with that. Where it cannot be told, whoever has the
/// address learns it by the letter.
async fn object(
    cx: &Endpoints,
    user: &User,
    email: &str,
    from: IpAddr,
) -> Result<(), EndpointError> {
    if cx.settings.register != Registration::Open || !cx.accounts.has_unique_emails() {
        return Ok(());
    }
    let now = cx.clock.steady();
    cx.throttles.take_by_address(cx.accounts.audit(), Limited::Registrations, from, now).await?;
    if cx.accounts.is_email_taken(user.id, email).await? { Err(email::taken()) } else { Ok(()) }
}
