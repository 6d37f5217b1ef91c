//! Another e-mail address: asked for here, in force by the letter to it.

use http::Method;
use serde_json::json;

use super::account::BACK;
use super::blank::{Blank, Field};
use super::faults::Faults;
use super::form::Form;
use super::outcome::Outcome;
use super::reset::no_mail;
use super::visit::Context;

static EMAIL: Blank = Blank {
    title: "Change the e-mail address",
    lead: "We will send an e-mail to the new address. The change takes effect once you follow the link in it.",
    fields: &[
        Field::email("email", "New e-mail address"),
        Field::password("password", "Password", "current-password"),
    ],
    submit: "Send the e-mail",
};

pub(super) const BLANKS: [&Blank; 1] = [&EMAIL];

pub(super) async fn get(cx: &Context<'_>) -> Outcome {
    if !cx.settings.offers.mail {
        return no_mail();
    }
    let nothing = Form::default();
    let filled = EMAIL.with(&nothing, Faults::default()).link(BACK, &cx.page(""));
    filled.view(&cx.page("account/email")).into()
}

pub(super) async fn post(cx: &Context<'_>, form: Form) -> Outcome {
    let fields = json!({ "email": form.text("email"), "password": form.text("password") });
    let answer = cx.ask(Method::PATCH, "profile", fields).await;
    if !answer.status.is_success() {
        let faults = Faults::of(&answer, cx.language);
        let filled = EMAIL.with(&form, faults).link(BACK, &cx.page(""));
        return filled.view(&cx.page("account/email")).refused(answer).into();
    }
    Outcome::go(format!("{}?done=email", cx.page("")))
}
