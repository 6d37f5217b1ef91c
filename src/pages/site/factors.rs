//! The second factors of a user: taken away from who has lost them, asked for once.

use serde_json::{Value, json};

use super::user_acts::to_the_same;
use super::{is_oneself, not_to_oneself, text};
use crate::pages::confirm::{Confirm, Fact};
use crate::pages::form::Form;
use crate::pages::moment;
use crate::pages::office::Denied;
use crate::pages::outcome::Outcome;
use crate::pages::visit::Context;

const ASKED: Confirm = Confirm {
    title: "Remove the second factor of a user?",
    warning: "The password alone lets the user in then. Make sure that it is the user who asks.",
    facts: &["Username", "Authenticator app since", "Passkeys", "Recovery codes left"],
    submit: "Remove the second factor",
};

/// What it says beside its template.
#[cfg(test)]
pub(super) fn texts() -> impl Iterator<Item = &'static str> {
    ASKED.texts()
}

/// What there is of them, in the words of a page.
pub(super) fn readable(factors: &Value) -> [(&'static str, Value); 5] {
    let since = text(factors, "totp");
    let passkeys = number(factors, "passkeys");
    [
        ("factor_since", since.into()),
        ("factor_since_text", moment::in_words(since).into()),
        ("recovery_codes", number(factors, "recovery_codes").into()),
        ("passkeys", passkeys.into()),
        ("has_factor", (!since.is_empty() || passkeys > 0).into()),
    ]
}

pub(super) async fn get(cx: &Context<'_>) -> Outcome {
    let name = cx.query.text("name");
    let (id, factors) = match facts(cx, name).await {
        Ok(found) => found,
        Err(denied) => return cx.denied("", &denied),
    };
    let count = |name| number(&factors, name).to_string().into();
    let (username, since) = (text(&factors, "username"), text(&factors, "totp"));
    let facts = [username.into(), Fact::moment(since), count("passkeys"), count("recovery_codes")];
    let action = cx.site("user/factors", &[("name", name), ("id", &id)]);
    let back = cx.site("user", &[("name", name)]);
    cx.on_site("", ASKED.view(facts, &Form::default(), &action, &back)).into()
}

pub(super) async fn post(cx: &Context<'_>, _form: Form) -> Outcome {
    let name = cx.query.text("name");
    // Their own are removed by a code of theirs, on the page of their account.
    if is_oneself(cx, name) {
        return cx.denied("", &not_to_oneself());
    }
    match to_the_same(cx, name, json!({ "command": "factors-reset", "name": name })).await {
        Ok(_) => Outcome::go(cx.site("user", &[("name", name), ("done", "factors")])),
        Err(denied) => cx.denied("", &denied),
    }
}

/// The user's number, and what it has.
async fn facts(cx: &Context<'_>, name: &str) -> Result<(String, Value), Denied> {
    let user = cx.command(json!({ "command": "user-show", "name": name })).await?;
    let factors = cx.command(json!({ "command": "user-factors", "name": name })).await?;
    Ok((user.get("id").map(ToString::to_string).unwrap_or_default(), factors))
}

/// How many of them there are.
fn number(factors: &Value, name: &str) -> u64 {
    factors.get(name).and_then(Value::as_u64).unwrap_or_default()
}
