//! API keys: made, shown once, revoked.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::Answer;
use super::confirm::{Confirm, Fact};
use super::faults::Faults;
use super::form::Form;
use super::moment;
use super::outcome::{Outcome, View};
use super::refusal;
use super::visit::Context;

pub(super) const TITLE: &str = "API keys";

const DONE: &[(&str, &str)] = &[("revoked", "The key is revoked.")];

/// What is asked before a key is revoked.
pub(super) const REVOKE: Confirm = Confirm {
    title: "Revoke an API key?",
    warning: "Programs that have it get in no more, and it does not come back.",
    facts: &["Name", "Begins with", "Created"],
    submit: "Revoke the key",
};

/// What it says beside its template.
#[cfg(test)]
pub(super) fn texts() -> impl Iterator<Item = &'static str> {
    DONE.iter().map(|(_, text)| *text).chain(REVOKE.texts()).chain([TITLE])
}

/// What it is filled with, of somebody made up.
pub(super) fn sample() -> Value {
    json!({
        "made": "pk_key",
        "notice": "The key is revoked.",
        "faults": ["Not found."],
        "name": "backup",
        "name_faults": ["This field is required."],
        "action": "/auth/account/keys/",
        "home": "/auth/",
        "keys": [{
            "id": 7,
            "name": "backup",
            "hint": "pk_ab",
            "created": "2026-01-02T03:04:05Z",
            "created_text": "2026-01-02 03:04 UTC",
            "expires": "2026-01-02T03:04:05Z",
            "expires_text": "2026-01-02 03:04 UTC",
            "last_used": "2026-01-02T03:04:05Z",
            "last_used_text": "2026-01-02 03:04 UTC",
        }],
    })
}

pub(super) async fn get(cx: &Context<'_>) -> Outcome {
    if !cx.settings.offers.keys {
        return refusal::view(StatusCode::NOT_FOUND, "not_found").into();
    }
    view(cx, &Form::default(), "", Faults::default()).await.into()
}

pub(super) async fn post(cx: &Context<'_>, form: Form) -> Outcome {
    let id = form.text("id");
    if id.is_empty() {
        return make(cx, form).await;
    }
    if !form.is_sure() {
        return ask(cx, &form).await;
    }
    let is_number = id.bytes().all(|byte| byte.is_ascii_digit());
    let endpoint = format!("keys/{}", if is_number { id } else { "none" });
    let answer = cx.ask(Method::DELETE, &endpoint, json!({})).await;
    if !answer.status.is_success() {
        return refused(cx, &Form::default(), answer).await;
    }
    Outcome::go(format!("{}?done=revoked", cx.page("account/keys")))
}

/// Asks once, and names the key.
async fn ask(cx: &Context<'_>, form: &Form) -> Outcome {
    let mut answer = cx.ask(Method::GET, "keys", json!({})).await;
    let Some(keys) = answer.list() else { return refused(cx, &Form::default(), answer).await };
    let id: Option<u64> = form.text("id").parse().ok();
    let is_it = |key: &&Value| id.is_some() && key.get("id").and_then(Value::as_u64) == id;
    let Some(key) = keys.iter().find(is_it) else {
        return refusal::view(StatusCode::NOT_FOUND, "not_found").into();
    };
    let page = cx.page("account/keys");
    REVOKE.view(facts(key), form, &page, &page).into()
}

async fn make(cx: &Context<'_>, form: Form) -> Outcome {
    let answer = cx.ask(Method::POST, "keys", json!({ "name": form.text("name") })).await;
    if answer.code == Some("insufficient_user_authentication") {
        let next = cx.page("account/keys");
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("next", &next).append_pair("anew", "1");
        return Outcome::go(format!("{}?{}", cx.page("sign-in"), query.finish()));
    }
    if !answer.status.is_success() {
        return refused(cx, &form, answer).await;
    }
    // Shown at once, and never again: a page that one goes to would have to be given it.
    view(cx, &Form::default(), answer.text("key"), Faults::default()).await.into()
}

async fn refused(cx: &Context<'_>, sent: &Form, answer: Answer) -> Outcome {
    let faults = Faults::of(&answer, cx.language);
    view(cx, sent, "", faults).await.refused(answer).into()
}

async fn view(cx: &Context<'_>, sent: &Form, made: &str, faults: Faults) -> View {
    let mut answer = cx.ask(Method::GET, "keys", json!({})).await;
    let listed = answer.list();
    let mut faults = if listed.is_some() { faults } else { Faults::of(&answer, cx.language) };
    let keys = listed.unwrap_or_default();
    let times = ["created", "expires", "last_used"];
    let keys: Vec<_> = keys.into_iter().map(|key| moment::readable(key, &times)).collect();
    let name_faults = faults.take("name");
    let data = json!({
        "made": made,
        "notice": cx.done(DONE),
        "name": sent.text("name"),
        "name_faults": name_faults,
        "faults": faults.rest(),
        "action": cx.page("account/keys"),
        "home": cx.page(""),
        "keys": keys,
    });
    View::good("keys.html", TITLE, data)
}

/// What is named of a key.
pub(super) fn facts(key: &Value) -> [Fact; 3] {
    let text = |name| key.get(name).and_then(Value::as_str).unwrap_or_default();
    [text("name").into(), text("hint").into(), Fact::moment(text("created"))]
}
