//! The end of a user: asked for once, with what goes with it.

use serde_json::json;

use super::user_acts::to_the_same;
use super::{is_oneself, items, joined, not_to_oneself, text};
use crate::pages::confirm::{Confirm, Fact};
use crate::pages::form::Form;
use crate::pages::office::Denied;
use crate::pages::outcome::Outcome;
use crate::pages::visit::Context;

const ASKED: Confirm = Confirm {
    title: "Delete a user for good?",
    warning: "This goes with it, and does not come back:",
    facts: &["Username", "E-mail address", "Sessions", "API keys", "Groups"],
    submit: "Delete for good",
};

/// What it says beside its template.
#[cfg(test)]
pub(super) fn texts() -> impl Iterator<Item = &'static str> {
    ASKED.texts()
}

pub(super) async fn get(cx: &Context<'_>) -> Outcome {
    let name = cx.query.text("name");
    let (id, facts) = match facts(cx, name).await {
        Ok(found) => found,
        Err(denied) => return cx.denied("", &denied),
    };
    let action = cx.site("user/delete", &[("name", name), ("id", &id)]);
    let back = cx.site("user", &[("name", name)]);
    cx.on_site("", ASKED.view(facts, &Form::default(), &action, &back)).into()
}

pub(super) async fn post(cx: &Context<'_>, _form: Form) -> Outcome {
    let name = cx.query.text("name");
    if is_oneself(cx, name) {
        return cx.denied("", &not_to_oneself());
    }
    match to_the_same(cx, name, json!({ "command": "delete", "name": name })).await {
        Ok(_) => Outcome::go(cx.site("", &[("done", "deleted")])),
        Err(denied) => cx.denied("", &denied),
    }
}

/// The user's number, and the facts in the order of their names.
async fn facts(cx: &Context<'_>, name: &str) -> Result<(String, [Fact; 5]), Denied> {
    let user = cx.command(json!({ "command": "user-show", "name": name })).await?;
    let mut sessions = cx.command(json!({ "command": "session-list", "name": name })).await?;
    let asked = json!({ "command": "api-key-list", "user": name, "after": null, "limit": 1 });
    let mut keys = cx.command(asked).await?;
    let id = user.get("id").map(ToString::to_string).unwrap_or_default();
    let facts = [
        text(&user, "username").into(),
        text(&user, "email").into(),
        items(&mut sessions, "sessions").len().to_string().into(),
        items(&mut keys, "keys").len().to_string().into(),
        joined(&user, "groups").into(),
    ];
    Ok((id, facts))
}
