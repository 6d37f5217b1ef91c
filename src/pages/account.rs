//! Your account, at a glance.

use http::Method;
use serde_json::{Value, json};

use super::api;
use super::factors;
use super::faults::Faults;
use super::form::Form;
use super::lately;
use super::outcome::{Outcome, View};
use super::visit::Context;

pub(super) const TITLE: &str = "Your account";

const DONE: &[(&str, &str)] = &[
    ("password", "Your password was changed. Your other sessions have ended."),
    (
        "email",
        "We have sent you an e-mail. The new address takes effect once you follow the link in it.",
    ),
    ("verify", "We have sent you an e-mail. Follow the link in it."),
    ("verified", "Your e-mail address is confirmed."),
];

const EMAIL: &str = "Change the e-mail address";
const PASSWORD: &str = "Change the password";
const DEVICES: &str = "Your sessions";
const KEYS: &str = "API keys";

/// What it says beside its template.
#[cfg(test)]
pub(super) fn texts() -> impl Iterator<Item = &'static str> {
    let done = DONE.iter().map(|(_, text)| *text);
    done.chain([TITLE, EMAIL, PASSWORD, DEVICES, KEYS])
}

/// What it is filled with, of somebody made up.
pub(super) fn sample() -> Value {
    json!({
        "notice": "Your e-mail address is confirmed.",
        "faults": ["Not found."],
        "username": "alice",
        "email": "alice@example.com",
        "email_verified": false,
        "roles": "admin, editor",
        "verify": "/auth/account/verify/",
        "links": [{ "label": PASSWORD, "to": "/auth/account/password/" }],
        "lately": lately::sample(),
    })
}

pub(super) async fn get(cx: &Context<'_>) -> Outcome {
    view(cx, Faults::default()).await.into()
}

/// Asks for the letter by which the address is confirmed.
pub(super) async fn verify(cx: &Context<'_>, _form: Form) -> Outcome {
    let answer = cx.ask(Method::POST, "email/verify", json!({})).await;
    if !answer.status.is_success() {
        let faults = Faults::of(&answer, cx.language);
        return view(cx, faults).await.refused(answer).into();
    }
    Outcome::go(format!("{}?done=verify", cx.page("")))
}

/// There is nothing to look at: the button is on the page of the account.
pub(super) async fn to_account(cx: &Context<'_>) -> Outcome {
    Outcome::go(cx.page(""))
}

async fn view(cx: &Context<'_>, faults: Faults) -> View {
    let offers = cx.settings.offers;
    let identity = cx.caller.as_ref().map(|caller| &caller.identity);
    let email = identity.and_then(|identity| identity.email.as_deref()).unwrap_or_default();
    let is_verified = identity.is_some_and(|identity| identity.email_verified);
    let verify = offers.mail && !email.is_empty() && !is_verified;
    let mut links = vec![
        (PASSWORD, "account/password"),
        (factors::TITLE, "account/factors"),
        (DEVICES, "account/sessions"),
    ];
    if offers.mail {
        links.insert(0, (EMAIL, "account/email"));
    }
    if offers.keys {
        links.push((KEYS, "account/keys"));
    }
    if offers.api {
        links.push((api::TITLE, "api"));
    }
    let links: Vec<_> =
        links.iter().map(|(label, page)| json!({ "label": label, "to": cx.page(page) })).collect();
    let data = json!({
        "notice": cx.done(DONE),
        "faults": faults.rest(),
        "username": identity.map_or("", |identity| &identity.username),
        "email": email,
        "email_verified": is_verified,
        "roles": identity.map_or_else(String::new, |identity| identity.roles.join(", ")),
        "verify": if verify { cx.page("account/verify") } else { String::new() },
        "links": links,
        "lately": lately::lines(cx).await,
    });
    View::good("account.html", TITLE, data)
}

/// The way back from the pages below.
pub(super) const BACK: &str = "Back to your account";
