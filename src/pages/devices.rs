//! Where one is signed in, and the end of it.

use http::Method;
use serde_json::{Value, json};

use super::Answer;
use super::confirm::Confirm;
use super::device;
use super::faults::Faults;
use super::form::Form;
use super::moment;
use super::outcome::{Outcome, Session, View};
use super::portion::Portion;
use super::visit::Context;

pub(super) const TITLE: &str = "Your sessions";

/// Sessions on one page.
const MOST: usize = 25;

const DONE: &[(&str, &str)] = &[("ended", "The session has ended.")];

const EVERYWHERE: Confirm = Confirm {
    title: "Sign out everywhere?",
    warning: "All of your sessions end, and this one as well.",
    facts: &["Sessions"],
    submit: "Sign out everywhere",
};

/// What it says beside its template.
#[cfg(test)]
pub(super) fn texts() -> impl Iterator<Item = &'static str> {
    DONE.iter().map(|(_, text)| *text).chain(EVERYWHERE.texts()).chain([TITLE])
}

/// What it is filled with, of somebody made up.
pub(super) fn sample() -> Value {
    json!({
        "notice": "The session has ended.",
        "faults": ["Not found."],
        "action": "/auth/account/sessions/",
        "home": "/auth/",
        "sessions": [sample_session()],
        "older": "/auth/account/sessions/?from=25",
    })
}

/// A session of somebody made up, as it is [`readable`].
pub(super) fn sample_session() -> Value {
    json!({
        "id": "7",
        "device": "Mozilla/5.0",
        "device_text": "Firefox · Windows",
        "address": "192.0.2.7",
        "started": "2026-01-02T03:04:05Z",
        "started_text": "2026-01-02 03:04 UTC",
        "last_used": "2026-01-02T03:04:05Z",
        "last_used_text": "2026-01-02 03:04 UTC",
        "current": true,
    })
}

pub(super) async fn get(cx: &Context<'_>) -> Outcome {
    view(cx, Faults::default()).await.into()
}

pub(super) async fn post(cx: &Context<'_>, form: Form) -> Outcome {
    if form.text("all") == "1" {
        return everywhere(cx, &form).await;
    }
    let id = form.text("id");
    // It becomes a part of a path.
    let is_id =
        !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let endpoint = format!("sessions/{}", if is_id { id } else { "none" });
    let answer = cx.ask(Method::DELETE, &endpoint, json!({})).await;
    if !answer.status.is_success() {
        return refused(cx, answer).await;
    }
    let current = cx.caller.as_ref().and_then(|caller| caller.identity.session);
    if current.is_some_and(|current| current.to_string() == id) {
        return signed_out(cx);
    }
    Outcome::go(format!("{}?done=ended", cx.page("account/sessions")))
}

/// Ends all sessions, when that was asked about.
async fn everywhere(cx: &Context<'_>, form: &Form) -> Outcome {
    if form.is_sure() {
        let answer = cx.ask(Method::POST, "logout/all", json!({})).await;
        let is_done = answer.status.is_success();
        return if is_done { signed_out(cx) } else { refused(cx, answer).await };
    }
    let mut answer = cx.ask(Method::GET, "sessions", json!({})).await;
    let Some(sessions) = answer.list() else { return refused(cx, answer).await };
    let page = cx.page("account/sessions");
    EVERYWHERE.view([sessions.len().to_string().into()], form, &page, &page).into()
}

async fn refused(cx: &Context<'_>, answer: Answer) -> Outcome {
    let faults = Faults::of(&answer, cx.language);
    view(cx, faults).await.refused(answer).into()
}

fn signed_out(cx: &Context<'_>) -> Outcome {
    let to = format!("{}?done=out", cx.page("sign-in"));
    Outcome::Go { to, session: Session::Clear, cookie: None }
}

async fn view(cx: &Context<'_>, faults: Faults) -> View {
    let mut answer = cx.ask(Method::GET, "sessions", json!({})).await;
    let listed = answer.list();
    let faults = if listed.is_some() { faults } else { Faults::of(&answer, cx.language) };
    let sessions = listed.unwrap_or_default();
    let Portion { shown, next } = Portion::of(sessions, cx.query.text("from"), MOST);
    let sessions: Vec<_> = shown.into_iter().map(readable).collect();
    let data = json!({
        "notice": cx.done(DONE),
        "faults": faults.rest(),
        "action": cx.page("account/sessions"),
        "home": cx.page(""),
        "sessions": sessions,
        "older": next.map(|next| format!("{}?from={next}", cx.page("account/sessions"))),
    });
    View::good("devices.html", TITLE, data)
}

/// A session with its moments and its device as people read them.
pub(super) fn readable(session: Value) -> Value {
    let mut session = moment::readable(session, &["started", "last_used"]);
    let device = session.get("device").and_then(Value::as_str).map(device::in_words);
    if let Some(members) = session.as_object_mut() {
        members.insert("device_text".to_owned(), device.into());
    }
    session
}
