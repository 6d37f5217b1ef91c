//! The end of a user: asked for once, with what goes with it.

use serde_json::{Value, json};

use super::user_acts::not_to_oneself;
use super::{items, joined, text};
use crate::pages::form::Form;
use crate::pages::office::Denied;
use crate::pages::outcome::Outcome;
use crate::pages::visit::Context;

const TITLE: &str = "Delete a user for good?";
const SUBMIT: &str = "Delete for good";
const WARNING: &str = "This goes with it, and does not come back:";
const FACTS: [&str; 5] = ["Username", "E-mail address", "Sessions", "API keys", "Groups"];

/// What it says beside its template.
#[cfg(test)]
pub(super) fn texts() -> impl Iterator<Item = &'static str> {
    FACTS.into_iter().chain([TITLE, SUBMIT, WARNING])
}

/// What it is filled with, of somebody made up.
pub(super) fn sample() -> Value {
    json!({
        "lead": WARNING,
        "facts": [{ "label": "Username", "value": "alice" }],
        "action": "/manage/user/delete/?name=alice",
        "submit": SUBMIT,
        "back": "/manage/user/?name=alice",
    })
}

pub(super) async fn get(cx: &Context<'_>) -> Outcome {
    let name = cx.query.text("name");
    let facts = match facts(cx, name).await {
        Ok(facts) => facts,
        Err(denied) => return cx.denied("", &denied),
    };
    let facts =
        FACTS.iter().zip(facts).map(|(label, value)| json!({ "label": label, "value": value }));
    let data = json!({
        "lead": WARNING,
        "facts": facts.collect::<Vec<_>>(),
        "action": cx.site("user/delete", &[("name", name)]),
        "submit": SUBMIT,
        "back": cx.site("user", &[("name", name)]),
    });
    cx.site_page("", "confirm.html", TITLE, data).into()
}

pub(super) async fn post(cx: &Context<'_>, _form: Form) -> Outcome {
    let name = cx.query.text("name");
    if let Some(denied) = not_to_oneself(cx, name) {
        return cx.denied("", &denied);
    }
    match cx.command(json!({ "command": "delete", "name": name })).await {
        Ok(_) => Outcome::go(cx.site("", &[("done", "deleted")])),
        Err(denied) => cx.denied("", &denied),
    }
}

/// In the order of their names.
async fn facts(cx: &Context<'_>, name: &str) -> Result<[String; 5], Denied> {
    let user = cx.command(json!({ "command": "user-show", "name": name })).await?;
    let mut sessions = cx.command(json!({ "command": "session-list", "name": name })).await?;
    let asked = json!({ "command": "api-key-list", "user": name, "after": null, "limit": 1 });
    let mut keys = cx.command(asked).await?;
    Ok([
        text(&user, "username").to_owned(),
        text(&user, "email").to_owned(),
        items(&mut sessions, "sessions").len().to_string(),
        items(&mut keys, "keys").len().to_string(),
        joined(&user, "groups"),
    ])
}
