//! `POST register/`: an account for whoever asks, or for whoever is invited.

use http::StatusCode;
use serde_json::json;

use super::error::EndpointError;
use super::fields::Form;
use super::reply::Outcome;
use super::{Endpoints, Registration, Request};
use crate::secret::Secret;
use crate::session::{NameObjection, NewAccount, Registered};

const TAKEN: &str = "A user with that username already exists.";
const ALIKE: &str = "A user with a username that looks like this one already exists.";
pub(super) const EMAIL_TAKEN: &str = "user with this email address already exists.";
/// What is said of every invitation that is not good, whatever the reason.
const NOT_INVITED: &str = "This invitation is not valid.";
pub(super) const INVITE: &str = "invite";

/// Tells all that is wrong at once. The password is in no answer, in no form.
pub(super) async fn handle(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let mut form = request.into_form(cx);
    let invited = is_invited(cx, &mut form).await?;
    if invited || cx.settings.register == Registration::Open {
        object(cx, &mut form).await?;
    }
    let mut values = form.finish()?;
    let invitation = Some(values.take(INVITE)).filter(|text| !text.is_empty());
    let account = NewAccount {
        username: values.take("username"),
        email: values.take("email"),
        password: Some(Secret::from(values.take("password"))),
        roles: Vec::new(),
    };
    // Somebody else may have been faster.
    let refused = match cx.accounts.register(account, invitation.as_deref()).await? {
        Registered::Created(user) => {
            let body = json!({ "username": user.username, "email": user.email });
            return Ok(Outcome { status: StatusCode::CREATED, ..Outcome::ok(body) }.about(&user.id));
        }
        Registered::NameTaken => ("username", TAKEN),
        Registered::NameAlike => ("username", ALIKE),
        Registered::EmailTaken => ("email", EMAIL_TAKEN),
        Registered::NotInvited => (INVITE, NOT_INVITED),
    };
    let (field, text) = refused;
    Err(EndpointError::Fields(vec![(field, vec![text.to_owned()])]))
}

/// Whether the call brings a good invitation, without which there may be nothing to say.
///
/// One that is not good is refused even where none is needed: whoever sends it counts on the
/// roles that it gives.
async fn is_invited(cx: &Endpoints, form: &mut Form) -> Result<bool, EndpointError> {
    let text = form.good(INVITE).unwrap_or_default();
    if text.is_empty() {
        if cx.settings.register == Registration::Invite {
            form.demand(INVITE);
        }
        return Ok(false);
    }
    let email = form.good("email").unwrap_or_default();
    let invited = cx.accounts.is_invited(text, email).await?;
    if !invited {
        form.refuse(INVITE, vec![NOT_INVITED]);
    }
    Ok(invited)
}

/// Finds out what the store and the policy of passwords have against the account.
async fn object(cx: &Endpoints, form: &mut Form) -> Result<(), EndpointError> {
    let name = form.good("username").unwrap_or_default();
    let email = form.good("email").unwrap_or_default();
    let objections = cx.accounts.objections(name, email).await?;
    let weaknesses = form.good("password").map_or_else(Vec::new, |password| {
        cx.accounts.passwords().weaknesses(password, name, email)
    });
    form.refuse("password", weaknesses);
    let text = objections.username.map(|objection| match objection {
        NameObjection::Taken => TAKEN,
        NameObjection::Alike => ALIKE,
    });
    form.refuse("username", text.into_iter().collect());
    form.refuse("email", objections.email.then_some(EMAIL_TAKEN).into_iter().collect());
    Ok(())
}
