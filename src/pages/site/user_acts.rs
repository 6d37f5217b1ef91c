//! What is done to a user: one command for each button.

use http::StatusCode;
use serde_json::{Value, json};

use super::text;
use super::user::{Said, view};
use crate::pages::form::Form;
use crate::pages::moment;
use crate::pages::office::Denied;
use crate::pages::outcome::Outcome;
use crate::pages::settings::SiteSettings;
use crate::pages::visit::Context;
use crate::session::normalize_username;

pub(super) async fn post(cx: &Context<'_>, form: Form) -> Outcome {
    let (name, act) = (cx.query.text("name"), form.text("do"));
    let costs_the_site = match act {
        "deactivate" | "group-leave" => true,
        "role-remove" => form.text("role").trim() == SiteSettings::ROLE,
        _ => false,
    };
    if costs_the_site && let Some(denied) = not_to_oneself(cx, name) {
        return view(cx, Said { denied: Some(denied), ..Said::default() }).await;
    }
    let done = match command(act, name, &form) {
        Some(command) => cx.command(command).await,
        None => Err(Denied {
            status: StatusCode::BAD_REQUEST,
            code: "bad_request",
            detail: "there is no such act".to_owned(),
        }),
    };
    match done {
        // It is shown this once.
        Ok(reply) if act == "reset-link" => {
            let expires = moment::in_words(text(&reply, "expires"));
            let link = Some((text(&reply, "link").to_owned(), expires));
            view(cx, Said { link, ..Said::default() }).await
        }
        Ok(_) => Outcome::go(cx.site("user", &[("name", name), ("done", act)])),
        Err(denied) => view(cx, Said { denied: Some(denied), ..Said::default() }).await,
    }
}

/// Why nobody shuts themselves out here: an admin is left for whoever comes to regret it.
pub(super) fn not_to_oneself(cx: &Context<'_>, name: &str) -> Option<Denied> {
    let caller = cx.caller.as_ref().map(|caller| caller.identity.username.as_str());
    let is_oneself = caller == Some(normalize_username(name).as_str());
    is_oneself.then(|| Denied {
        status: StatusCode::CONFLICT,
        code: "conflict",
        detail: "this would shut you out; let another admin do it, or the command line".to_owned(),
    })
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
