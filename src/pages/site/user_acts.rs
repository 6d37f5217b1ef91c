//! What is done to a user: one command for each button.

use http::StatusCode;
use serde_json::{Value, json};

use super::asks::{self, About, Acted};
use super::user::{Said, view};
use super::{invalid, is_oneself, no_such_act, not_to_oneself, place, text};
use crate::pages::form::Form;
use crate::pages::office::Denied;
use crate::pages::outcome::Outcome;
use crate::pages::settings::SiteSettings;
use crate::pages::visit::Context;

pub(super) async fn post(cx: &Context<'_>, form: Form) -> Outcome {
    let (name, act) = (cx.query.text("name"), form.text("do"));
    match act_on(cx, name, &form).await {
        Ok(Acted::Asked(question)) => question,
        // It is shown this once.
        Ok(Acted::Done(reply)) if act == "reset-link" => {
            let link = Some((text(&reply, "link").to_owned(), text(&reply, "expires").to_owned()));
            view(cx, Said { link, ..Said::default() }).await
        }
        Ok(Acted::Done(_)) => Outcome::go(cx.site("user", &[("name", name), ("done", act)])),
        Err(denied) => {
            let denied = Some(denied);
            view(cx, Said { denied, sent: form, ..Said::default() }).await
        }
    }
}

async fn act_on(cx: &Context<'_>, name: &str, form: &Form) -> Result<Acted, Denied> {
    let act = form.text("do");
    let costs_the_site = match act {
        "deactivate" | "group-leave" => true,
        "role-remove" => form.text("role").trim() == SiteSettings::ROLE,
        _ => false,
    };
    if costs_the_site && is_oneself(cx, name) {
        return Err(not_to_oneself());
    }
    if act == "claim-set" && form.text("value").trim().is_empty() {
        return Err(invalid("a claim needs a value"));
    }
    let command = command(act, name, form).ok_or_else(no_such_act)?;
    is_still(cx, name).await?;
    if let ("api-key-revoke", Some(id)) = (act, command.get("id").and_then(Value::as_u64)) {
        asks::key(cx, name, id).await?;
    }
    let page = cx.site("user", &[("name", name)]);
    let action = cx.site("user", &[("name", name), ("id", cx.query.text("id"))]);
    let about = About { part: "", user: name, group: form.text("group").trim(), action, page };
    asks::carry_out(cx, &about, form, command).await
}

/// Has a command carried out, if the name is still that of the user whom the page was about.
pub(super) async fn to_the_same(
    cx: &Context<'_>,
    name: &str,
    command: Value,
) -> Result<Value, Denied> {
    is_still(cx, name).await?;
    cx.command(command).await
}

/// Whether the name is still that of the user whose page the form was on.
async fn is_still(cx: &Context<'_>, name: &str) -> Result<(), Denied> {
    let user = cx.command(json!({ "command": "user-show", "name": name })).await?;
    if user.get("id").and_then(Value::as_u64) == place(&cx.query, "id") {
        return Ok(());
    }
    let detail = "that name is another user's by now; nothing was done to either";
    Err(Denied::new(StatusCode::CONFLICT, "conflict", detail))
}

/// The command of that name, with what the form says; `None` for those that are not given here.
fn command(act: &str, name: &str, form: &Form) -> Option<Value> {
    let field = |field: &str| form.text(field).trim().to_owned();
    Some(match act {
        "email" => json!({
            "command": "email-set",
            "name": name,
            "email": field("email"),
            "verified": form.text("verified") == "1",
        }),
        "role-add" | "role-remove" => {
            json!({ "command": act, "name": name, "role": field("role") })
        }
        "group-join" | "group-leave" => {
            json!({ "command": act, "name": name, "group": field("group") })
        }
        "claim-set" => claim_set(name, &field("claim"), &field("value")),
        // As on the command line.
        "claim-remove" => claim_set(name, form.text("claim"), ""),
        "activate" | "deactivate" | "reset-link" | "session-end-all" => {
            json!({ "command": act, "name": name })
        }
        "set-password" => {
            json!({ "command": act, "name": name, "password": form.text("password") })
        }
        "session-end" => json!({ "command": act, "name": name, "session": field("session") }),
        "api-key-revoke" => {
            let id: u64 = form.text("id").parse().ok()?;
            json!({ "command": act, "id": id })
        }
        _ => return None,
    })
}

fn claim_set(name: &str, claim: &str, value: &str) -> Value {
    json!({ "command": "claim-set", "name": name, "claim": claim, "value": value })
}
