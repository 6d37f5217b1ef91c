//! Another password, for who knows the one before.

use http::Method;
use serde_json::json;

use super::account::BACK;
use super::blank::{Blank, Field};
use super::faults::Faults;
use super::form::Form;
use super::outcome::{Outcome, View};
use super::visit::Context;

static PASSWORD: Blank = Blank {
    title: "Change the password",
    lead: "You stay signed in here. Your other sessions end.",
    fields: &[
        Field::password("old_password", "Current password", "current-password"),
        Field::password("new_password", "New password", "new-password"),
    ],
    submit: "Change the password",
};

pub(super) const BLANKS: [&Blank; 1] = [&PASSWORD];

pub(super) async fn get(cx: &Context<'_>) -> Outcome {
    view(cx, &Form::default(), Faults::default()).into()
}

pub(super) async fn post(cx: &Context<'_>, form: Form) -> Outcome {
    let [old, new] = ["old_password", "new_password"].map(|name| form.text(name));
    let fields = json!({ "old_password": old, "new_password": new });
    let answer = cx.ask(Method::POST, "password/change", fields).await;
    if !answer.status.is_success() {
        let faults = Faults::of(&answer, cx.language);
        return view(cx, &form, faults).refused(answer).into();
    }
    // The endpoint ended the session at hand and began another.
    let session = cx.hold(&answer);
    Outcome::Go { to: format!("{}?done=password", cx.page("")), session, cookie: answer.cookie }
}

fn view(cx: &Context<'_>, sent: &Form, faults: Faults) -> View {
    let filled = PASSWORD.with(sent, faults).link(BACK, &cx.page(""));
    filled.view(&cx.page("account/password"))
}
