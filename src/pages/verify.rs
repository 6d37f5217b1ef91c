//! An address is confirmed by the link in a letter.

use serde_json::json;

use super::blank::Blank;
use super::faults::Faults;
use super::form::Form;
use super::outcome::{Outcome, View};
use super::reset::link_faults;
use super::visit::Context;

static VERIFY: Blank = Blank {
    title: "Confirm your e-mail address",
    lead: "One click confirms that this address is yours.",
    fields: &[],
    submit: "Confirm",
};

pub(super) const BLANKS: [&Blank; 1] = [&VERIFY];

/// Not by the link alone: programs that look at letters follow links.
pub(super) async fn get(cx: &Context<'_>) -> Outcome {
    view(cx, &cx.query, Faults::default()).into()
}

pub(super) async fn post(cx: &Context<'_>, form: Form) -> Outcome {
    let fields = json!({ "uid": form.text("uid"), "token": form.text("token") });
    let answer = cx.ask_as_nobody("email/verify/confirm", fields).await;
    if !answer.status.is_success() {
        let faults = link_faults(cx, &answer);
        return view(cx, &form, faults).refused(answer).into();
    }
    let page = if cx.caller.is_some() { "" } else { "sign-in" };
    Outcome::go(format!("{}?done=verified", cx.page(page)))
}

fn view(cx: &Context<'_>, sent: &Form, faults: Faults) -> View {
    let mut filled = VERIFY.with(sent, faults);
    for name in ["uid", "token"] {
        filled = filled.hidden(name, sent.text(name));
    }
    filled.view(&cx.page("verify"))
}
