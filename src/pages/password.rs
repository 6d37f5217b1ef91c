//! Another password, for who knows the one before.

use http::Method;
use serde_json::json;

use super::account::BACK;
use super::blank::{Blank, Field};
use super::faults::Faults;
use super::form::Form;
use super::outcome::{Outcome, View};
use super::visit::Context;

static PASSWORD: Blank = ASKING;

/// For whoever has a second factor.
static WITH_CODE: Blank = Blank { fields: &[OLD, NEW, CODE], ..ASKING };

const ASKING: Blank = Blank {
    title: "Change the password",
    lead: "You stay signed in here. Your other sessions end.",
    fields: &[OLD, NEW],
    submit: "Change the password",
};

const OLD: Field = Field::password("old_password", "Current password", "current-password");
const NEW: Field = Field::password("new_password", "New password", "new-password");
const CODE: Field = Field::text("otp", "Code, or a recovery code", "one-time-code");

pub(super) const BLANKS: [&Blank; 2] = [&PASSWORD, &WITH_CODE];

pub(super) async fn get(cx: &Context<'_>) -> Outcome {
    view(cx, &Form::default(), Faults::default()).await.into()
}

pub(super) async fn post(cx: &Context<'_>, form: Form) -> Outcome {
    let [old, new, otp] = ["old_password", "new_password", "otp"].map(|name| form.text(name));
    let fields = json!({ "old_password": old, "new_password": new, "otp": otp });
    let answer = cx.ask(Method::POST, "password/change", fields).await;
    if !answer.status.is_success() {
        let faults = Faults::of(&answer, cx.language);
        return view(cx, &form, faults).await.refused(answer).into();
    }
    // The endpoint ended the session at hand and began another.
    let session = cx.hold(&answer);
    Outcome::Go { to: format!("{}?done=password", cx.page("")), session, cookie: answer.cookie }
}

async fn view(cx: &Context<'_>, sent: &Form, faults: Faults) -> View {
    // Where nobody can tell, the endpoint asks for it.
    let blank = if cx.has_factor().await == Some(true) { &WITH_CODE } else { &PASSWORD };
    let filled = blank.with(sent, faults).link(BACK, &cx.page(""));
    filled.view(&cx.page("account/password"))
}
