//! Where users are signed in, all of them; and the end of a session.

use http::StatusCode;
use serde_json::{Value, json};

use super::asks::{self, About, Acted};
use super::{items, place, text, with};
use crate::pages::devices;
use crate::pages::form::Form;
use crate::pages::office::Denied;
use crate::pages::outcome::{Outcome, View};
use crate::pages::visit::Context;

const TITLE: &str = "Sessions";

/// Sessions on a page.
const SHOWN: usize = 25;

/// The one act.
const END: &str = "session-end";

const DONE: [(&str, &str); 1] = [(END, "The session has ended.")];

/// What it says beside its template.
#[cfg(test)]
pub(super) fn texts() -> impl Iterator<Item = &'static str> {
    DONE.into_iter().map(|(_, text)| text).chain([TITLE])
}

/// What it is filled with, of sessions made up.
pub(super) fn sample() -> Value {
    let more = [("username", "alice".into()), ("to", "/manage/user/?name=alice".into())];
    let session = with(devices::sample_session(), more);
    json!({
        "notice": "The session has ended.",
        "faults": ["there is no user `bob`"],
        "action": "/manage/sessions/",
        "act": "/manage/sessions/?user=alice",
        "user": "alice",
        "address": "192.0.2.0/24",
        "sessions": [session],
        "next": "/manage/sessions/?before=7",
        "first": "/manage/sessions/?user=alice",
    })
}

pub(super) async fn get(cx: &Context<'_>) -> Outcome {
    view(cx, None).await
}

pub(super) async fn post(cx: &Context<'_>, form: Form) -> Outcome {
    match end(cx, &form).await {
        Ok(Acted::Asked(question)) => question,
        Ok(Acted::Done(_)) => Outcome::go(here(cx, cx.query.text("before"), END)),
        Err(denied) => view(cx, Some(denied)).await,
    }
}

async fn end(cx: &Context<'_>, form: &Form) -> Result<Acted, Denied> {
    let (act, user, session) = (form.text("do"), form.text("user"), form.text("session"));
    if act != END {
        return Err(super::no_such_act());
    }
    // What the name stands for may have changed; the session is its first user's, or of nobody.
    let command = json!({ "command": act, "name": user, "session": session });
    let page = here(cx, cx.query.text("before"), "");
    let about = About { part: "sessions", user, group: "", action: page.clone(), page };
    asks::carry_out(cx, &about, form, command).await
}

/// The page with the filter that it has.
fn here(cx: &Context<'_>, before: &str, done: &str) -> String {
    let [user, address] = ["user", "address"].map(|field| cx.query.text(field));
    let asked = [("user", user), ("address", address), ("before", before), ("done", done)];
    cx.site("sessions", &asked)
}

async fn view(cx: &Context<'_>, denied: Option<Denied>) -> Outcome {
    let [user, address] = ["user", "address"].map(|field| cx.query.text(field).trim());
    let before = place(&cx.query, "before");
    let asked = cx.command(json!({
        "command": "session-list",
        "name": (!user.is_empty()).then_some(user),
        "address": address,
        "before": before,
        "limit": SHOWN,
    }));
    // A filter that is no good is told above the form that it was typed into.
    let (mut reply, missing) = match asked.await {
        Ok(reply) => (reply, None),
        Err(missing) if missing.status == StatusCode::SERVICE_UNAVAILABLE => {
            return cx.denied("sessions", &denied.unwrap_or(missing));
        }
        Err(missing) => (Value::Null, Some(missing)),
    };
    let current = cx.caller.as_ref().and_then(|caller| caller.identity.session);
    let current = current.map(|session| session.to_string()).unwrap_or_default();
    let sessions = items(&mut reply, "sessions").into_iter().map(|session| {
        let to = cx.site("user", &[("name", text(&session, "username"))]);
        let is_current = text(&session, "id") == current;
        let more = [("to", to.into()), ("current", is_current.into())];
        with(devices::readable(session), more)
    });
    let told = denied.iter().chain(&missing).map(|denied| denied.told(cx.language));
    let told: Vec<_> = told.collect();
    let next = reply.get("next").and_then(Value::as_u64);
    let data = json!({
        "notice": if told.is_empty() { cx.done(&DONE) } else { "" },
        "faults": told,
        "action": cx.site("sessions", &[]),
        "act": here(cx, cx.query.text("before"), ""),
        "user": user,
        "address": address,
        "sessions": sessions.collect::<Vec<_>>(),
        "next": next.map(|next| here(cx, &next.to_string(), "")),
        "first": before.map(|_| here(cx, "", "")),
    });
    let view = cx.site_page("sessions", "sessions.html", TITLE, data);
    View::told(view, denied.as_ref().or(missing.as_ref())).into()
}
