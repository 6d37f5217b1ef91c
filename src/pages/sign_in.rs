//! Sign in, or show anew who one is.

use serde_json::json;

use super::blank::{Blank, Field};
use super::faults::Faults;
use super::form::Form;
use super::next::own_target;
use super::outcome::{Outcome, View};
use super::settings::Registering;
use super::visit::Context;

static SIGN_IN: Blank =
    Blank { title: "Sign in", lead: "", fields: &[USERNAME, PASSWORD], submit: "Sign in" };

/// For whoever is in, and wants to do what takes a recent password.
static ANEW: Blank = Blank {
    title: "Confirm that it is you",
    lead: "This needs your password once more.",
    fields: &[USERNAME, PASSWORD],
    submit: "Continue",
};

const USERNAME: Field = Field::text("username", "Username", "username");
const PASSWORD: Field = Field::password("password", "Password", "current-password");

const DONE: &[(&str, &str)] = &[
    ("reset", "Your password was changed. Sign in with the new one."),
    ("verified", "Your e-mail address is confirmed."),
    ("out", "You are signed out."),
];

pub(super) const BLANKS: [&Blank; 2] = [&SIGN_IN, &ANEW];

/// What is said of things that were done before.
#[cfg(test)]
pub(super) fn texts() -> impl Iterator<Item = &'static str> {
    DONE.iter().map(|(_, text)| *text).chain(["Create an account", "Forgot your password?"])
}

pub(super) async fn get(cx: &Context<'_>) -> Outcome {
    let next = own_target(cx.query.text("next"));
    if cx.caller.is_some() && !is_anew(&cx.query) {
        return cx.go_on(next);
    }
    let username = cx.caller.as_ref().map_or("", |caller| &caller.identity.username);
    let sent =
        form_urlencoded::Serializer::new(String::new()).append_pair("username", username).finish();
    let sent = Form::parse(sent.as_bytes());
    view(cx, &sent, next.as_deref(), is_anew(&cx.query), Faults::default()).into()
}

pub(super) async fn post(cx: &Context<'_>, form: Form) -> Outcome {
    let (username, password) = (form.text("username"), form.text("password"));
    let next = own_target(form.text("next"));
    let fields = json!({ "username": username, "password": password });
    let answer = cx.ask_as_nobody("token", fields).await;
    if !answer.status.is_success() {
        let faults = Faults::of(&answer, cx.language);
        let view = view(cx, &form, next.as_deref(), is_anew(&form), faults);
        return view.refused(answer).into();
    }
    let session = cx.sign_in(&answer).await;
    Outcome::Go { to: cx.after_form(next), session, cookie: answer.cookie }
}

fn is_anew(form: &Form) -> bool {
    form.text("anew") == "1"
}

fn view(cx: &Context<'_>, sent: &Form, next: Option<&str>, anew: bool, faults: Faults) -> View {
    let anew = anew && cx.caller.is_some();
    let blank = if anew { &ANEW } else { &SIGN_IN };
    let notice = cx.done(DONE);
    let mut filled = blank.with(sent, faults).notice(notice);
    if let Some(next) = next {
        filled = filled.hidden("next", next);
    }
    if anew {
        filled = filled.hidden("anew", "1");
    }
    let offers = cx.settings.offers;
    if offers.mail {
        filled = filled.link("Forgot your password?", &cx.page("forgot"));
    }
    if offers.register == Registering::Open && !anew {
        filled = filled.link("Create an account", &cx.page("register"));
    }
    filled.view(&cx.page("sign-in"))
}
