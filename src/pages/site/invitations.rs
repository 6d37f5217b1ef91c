//! Invitations: made, listed, taken back.

use serde_json::{Value, json};

use super::asks::{self, About, Acted};
use super::{items, joined, place, text, with, words};
use crate::pages::form::Form;
use crate::pages::moment;
use crate::pages::office::Denied;
use crate::pages::outcome::{Outcome, View};
use crate::pages::settings::Registering;
use crate::pages::visit::Context;

const TITLE: &str = "Invitations";

/// Invitations on a page.
const SHOWN: usize = 50;

const DONE: [(&str, &str); 1] = [("revoked", "The invitation is good for nothing now.")];

/// What it says beside its template.
#[cfg(test)]
pub(super) fn texts() -> impl Iterator<Item = &'static str> {
    DONE.into_iter().map(|(_, text)| text).chain([TITLE])
}

/// What it is filled with, of an invitation made up.
pub(super) fn sample() -> Value {
    json!({
        "notice": "The invitation is good for nothing now.",
        "faults": ["there is no invitation 7; it may be used up"],
        "made": "1-abc",
        "link": "/auth/register/?invite=1-abc",
        "action": "/manage/invitations/",
        "email": "bob@example.com",
        "roles": "editor",
        "uses": "1",
        "days": "7",
        "invitations": [{
            "id": 7,
            "email": "bob@example.com",
            "roles": "editor",
            "left": 1,
            "expired": true,
            "created": "2026-01-02T03:04:05Z",
            "created_text": "2026-01-02 03:04 UTC",
            "expires": "2026-01-02T03:04:05Z",
            "expires_text": "2026-01-02 03:04 UTC",
        }],
        "next": "/manage/invitations/?after=7",
        "first": "/manage/invitations/",
    })
}

/// What is to be said above it.
#[derive(Default)]
struct Said {
    denied: Option<Denied>,
    /// An invitation that was just made.
    made: String,
}

pub(super) async fn get(cx: &Context<'_>) -> Outcome {
    view(cx, &Form::default(), Said::default()).await
}

pub(super) async fn post(cx: &Context<'_>, form: Form) -> Outcome {
    let id = match form.text("do") {
        "revoke" => form.text("id").parse::<u64>().ok(),
        "invite" => return make(cx, form).await,
        _ => None,
    };
    let action = cx.site("invitations", &[]);
    let about = About { part: "invitations", user: "", group: "", page: action.clone(), action };
    let done = match id {
        Some(id) => {
            let command = json!({ "command": "invite-revoke", "id": id });
            asks::carry_out(cx, &about, &form, command).await
        }
        None => Err(super::no_such_act()),
    };
    match done {
        Ok(Acted::Asked(question)) => question,
        Ok(Acted::Done(_)) => Outcome::go(cx.site("invitations", &[("done", "revoked")])),
        Err(denied) => view(cx, &form, Said { denied: Some(denied), ..Said::default() }).await,
    }
}

async fn make(cx: &Context<'_>, form: Form) -> Outcome {
    let number = |field| form.text(field).trim().parse::<u32>().ok().filter(|it| *it > 0);
    let (uses, days) = (number("uses"), number("days"));
    let life = days.and_then(|days| days.checked_mul(24 * 60 * 60));
    let Some((uses, life)) = uses.zip(life) else {
        let denied = Some(super::invalid("uses and days are whole numbers from 1 on"));
        return view(cx, &form, Said { denied, ..Said::default() }).await;
    };
    let made = cx.command(json!({
        "command": "invite-add",
        "email": form.text("email").trim(),
        "roles": words(form.text("roles")),
        "uses": uses,
        "life": life,
    }));
    match made.await {
        // Shown at once, and never again.
        Ok(reply) => {
            let made = text(&reply, "invite").to_owned();
            view(cx, &Form::default(), Said { made, ..Said::default() }).await
        }
        Err(denied) => view(cx, &form, Said { denied: Some(denied), ..Said::default() }).await,
    }
}

async fn view(cx: &Context<'_>, sent: &Form, said: Said) -> Outcome {
    let Said { denied, made } = said;
    let after = place(&cx.query, "after");
    let listed = json!({ "command": "invite-list", "after": after, "limit": SHOWN });
    let mut reply = match cx.command(listed).await {
        Ok(reply) => reply,
        Err(missing) => return cx.denied("invitations", &denied.unwrap_or(missing)),
    };
    let shown = items(&mut reply, "invitations").into_iter().map(|one| {
        let roles = joined(&one, "roles");
        moment::readable(with(one, [("roles", roles.into())]), &["created", "expires"])
    });
    let next = reply.get("next").and_then(Value::as_u64);
    let sent_or = |field, other: &'static str| match sent.text(field) {
        "" => other.to_owned(),
        text => text.to_owned(),
    };
    let data = json!({
        "notice": if denied.is_none() && made.is_empty() { cx.done(&DONE) } else { "" },
        "faults": denied.iter().map(|denied| denied.told(cx.language)).collect::<Vec<_>>(),
        "made": made,
        "link": link_of(cx, &made),
        "action": cx.site("invitations", &[]),
        "email": sent.text("email"),
        "roles": sent.text("roles"),
        "uses": sent_or("uses", "1"),
        "days": sent_or("days", "7"),
        "invitations": shown.collect::<Vec<_>>(),
        "next": next.map(|next| cx.site("invitations", &[("after", &next.to_string())])),
        "first": after.map(|_| cx.site("invitations", &[])),
    });
    let view = cx.site_page("invitations", "invitations.html", TITLE, data);
    View::told(view, denied.as_ref()).into()
}

/// Where an invitation is used, unless accounts are made without one, or not at all.
fn link_of(cx: &Context<'_>, made: &str) -> Option<String> {
    let is_asked_for = cx.settings.offers.register == Registering::Invited;
    (is_asked_for && !made.is_empty()).then(|| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("invite", made);
        format!("{}?{}", cx.page("register"), query.finish())
    })
}
