//! `POST email/verify/` and `email/verify/confirm/`: an address is shown to be the caller's.

use serde_json::json;

use super::error::EndpointError;
use super::register::EMAIL_TAKEN;
use super::reply::Outcome;
use super::reset::bad_link;
use super::{Endpoints, Request};
use crate::identity::UserId;
use crate::session::{AccountError, AuthError};
use crate::store::{Confirmation, User};

const NONE: &str = "There is no address to verify.";

pub(super) async fn ask(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let mailer = cx.accounts.mailer().ok_or(EndpointError::NoMail)?;
    let user = caller(cx, &request).await?;
    if user.email.is_empty() {
        return Err(EndpointError::Fields(vec![("email", vec![NONE.to_owned()])]));
    }
    if user.email_verified {
        let body = json!({ "detail": "E-mail address is verified already." });
        return Ok(Outcome::ok(body).about(&user.id));
    }
    cx.throttles.take_by_recipient(&user.email, cx.clock.steady()).await?;
    mailer.ask_verify(&user).await.map_err(AccountError::from)?;
    Ok(Outcome::ok(json!({ "detail": "Verification e-mail sent." })).about(&user.id))
}

pub(super) async fn confirm(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let (mut values, _client) = request.into_values(cx)?;
    let (uid, token) = (values.take("uid"), values.take("token"));
    let id: UserId = uid.parse().map_err(|_| bad_link())?;
    match cx.accounts.confirm_email(id, &token).await? {
        Confirmation::Confirmed(_) => {
            Ok(Outcome::ok(json!({ "detail": "E-mail address is verified." })).about(&id))
        }
        // Only whoever reads the mail to that address learns it.
        Confirmation::EmailTaken => Err(taken()),
        Confirmation::BadToken => Err(bad_link()),
    }
}

/// The address is somebody else's, and has to be one account's.
pub(super) fn taken() -> EndpointError {
    EndpointError::Fields(vec![("email", vec![EMAIL_TAKEN.to_owned()])])
}

/// The account of whoever calls, as the store has it now.
pub(super) async fn caller(cx: &Endpoints, request: &Request) -> Result<User, EndpointError> {
    let caller = request.caller.as_ref().ok_or(EndpointError::NoCredentials)?;
    let gone = || EndpointError::Auth {
        error: AuthError::UserNotFound,
        presented: cx.sessions.in_header(),
    };
    let id = caller.user.ok_or_else(gone)?;
    cx.accounts.get(id).await?.ok_or_else(gone)
}
