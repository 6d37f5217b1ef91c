//! `POST register/`: an account for whoever asks.

use http::StatusCode;
use serde_json::json;

use super::error::EndpointError;
use super::reply::Outcome;
use super::{Endpoints, Request};
use crate::secret::Secret;
use crate::session::{NewAccount, Registered};

const TAKEN: &str = "A user with that username already exists.";

/// Tells all that is wrong at once. The password is in no answer, in no form.
pub(super) async fn handle(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let mut form = request.into_form(cx);
    let (name, email) = (form.good("username"), form.good("email"));
    let taken = match name {
        Some(name) => cx.accounts.is_taken(name).await?,
        None => false,
    };
    let weaknesses = form.good("password").map_or_else(Vec::new, |password| {
        let passwords = cx.accounts.passwords();
        passwords.weaknesses(password, name.unwrap_or_default(), email.unwrap_or_default())
    });
    form.refuse("password", weaknesses);
    form.refuse("username", taken.then_some(TAKEN).into_iter().collect());
    let mut values = form.finish()?;
    let account = NewAccount {
        username: values.take("username"),
        email: values.take("email"),
        password: Some(Secret::from(values.take("password"))),
        roles: Vec::new(),
    };
    match cx.accounts.register(account).await? {
        Registered::Created(user) => {
            let body = json!({ "username": user.username, "email": user.email });
            Ok(Outcome { status: StatusCode::CREATED, ..Outcome::ok(body) }.about(&user.id))
        }
        // Somebody else was faster.
        Registered::NameTaken => {
            Err(EndpointError::Fields(vec![("username", vec![TAKEN.to_owned()])]))
        }
    }
}
