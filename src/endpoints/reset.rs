//! `POST password/reset/` and `password/reset/confirm/`: a new password by a link.

use serde_json::json;

use super::error::EndpointError;
use super::reply::Outcome;
use super::{Endpoints, Request};
use crate::identity::UserId;
use crate::secret::Secret;
use crate::session::AccountError;

/// What is said of a link that is not good, whatever the reason: nobody learns which users are.
const INVALID: &str = "Invalid value";

/// The same for every address, after the same work: who has it is found where the letters are.
pub(super) async fn ask(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let (mut values, _client) = request.into_values(cx)?;
    let email = values.take("email");
    let mailer = cx.accounts.mailer().ok_or(EndpointError::NoMail)?;
    cx.throttles.take_by_recipient(&email, cx.clock.steady()).await?;
    mailer.ask_reset(&email).await.map_err(AccountError::from)?;
    Ok(Outcome::ok(json!({ "detail": "Password reset e-mail has been sent." })))
}

/// The link first: only whoever has a good one learns what is wrong with the password.
pub(super) async fn confirm(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let (mut values, _client) = request.into_values(cx)?;
    let (uid, token) = (values.take("uid"), values.take("token"));
    let password = Secret::from(values.take("new_password"));
    let id: UserId = uid.parse().map_err(|_| bad_link())?;
    let user = cx.accounts.of_reset_token(id, &token).await?.ok_or_else(bad_link)?;
    let text = std::str::from_utf8(password.expose()).unwrap_or_default();
    let weaknesses = cx.accounts.passwords().weaknesses(text, &user.username, &user.email);
    if !weaknesses.is_empty() {
        let texts = weaknesses.iter().map(ToString::to_string).collect();
        return Err(EndpointError::Fields(vec![("new_password", texts)]));
    }
    let user = cx.accounts.reset_password(id, &token, password).await?.ok_or_else(bad_link)?;
    let body = json!({ "detail": "Password has been reset with the new password." });
    Ok(Outcome::ok(body).about(&user.id))
}

pub(super) fn bad_link() -> EndpointError {
    EndpointError::Fields(vec![("token", vec![INVALID.to_owned()])])
}
