//! A user who is made by an operator.

use serde_json::{Value, json};

use super::{text, words};
use crate::pages::form::Form;
use crate::pages::office::Denied;
use crate::pages::outcome::{Outcome, View};
use crate::pages::visit::Context;

const TITLE: &str = "Add a user";

/// What it says beside its template.
#[cfg(test)]
pub(super) fn texts() -> impl Iterator<Item = &'static str> {
    [TITLE].into_iter()
}

/// What it is filled with, of somebody made up.
pub(super) fn sample() -> Value {
    json!({
        "faults": ["the name is taken"],
        "action": "/manage/user/add/",
        "name": "bob",
        "email": "bob@example.com",
        "roles": "editor viewer",
    })
}

pub(super) async fn get(cx: &Context<'_>) -> Outcome {
    view(cx, &Form::default(), None)
}

pub(super) async fn post(cx: &Context<'_>, form: Form) -> Outcome {
    let password = form.text("password");
    let made = cx.command(json!({
        "command": "user-add",
        "name": form.text("name").trim(),
        "email": form.text("email").trim(),
        "roles": words(form.text("roles")),
        "password": (!password.is_empty()).then_some(password),
    }));
    match made.await {
        Ok(user) => {
            Outcome::go(cx.site("user", &[("name", text(&user, "username")), ("done", "added")]))
        }
        Err(denied) => view(cx, &form, Some(&denied)),
    }
}

fn view(cx: &Context<'_>, sent: &Form, denied: Option<&Denied>) -> Outcome {
    let data = json!({
        "faults": denied.map(|denied| denied.told(cx.language)).into_iter().collect::<Vec<_>>(),
        "action": cx.site("user/add", &[]),
        "name": sent.text("name"),
        "email": sent.text("email"),
        "roles": sent.text("roles"),
    });
    View::told(cx.site_page("", "user_add.html", TITLE, data), denied).into()
}
