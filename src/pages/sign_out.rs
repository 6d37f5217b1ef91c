//! Sign out.

use http::Method;
use serde_json::json;

use super::blank::Blank;
use super::faults::Faults;
use super::form::Form;
use super::outcome::{Outcome, Session};
use super::visit::Context;

static SIGN_OUT: Blank = Blank {
    title: "Sign out",
    lead: "Do you want to sign out here?",
    fields: &[],
    submit: "Sign out",
};

pub(super) const BLANKS: [&Blank; 1] = [&SIGN_OUT];

/// By a button alone: a picture on somebody's page signs nobody out.
pub(super) async fn get(cx: &Context<'_>) -> Outcome {
    let nothing = Form::default();
    SIGN_OUT.with(&nothing, Faults::default()).view(&cx.page("sign-out")).into()
}

pub(super) async fn post(cx: &Context<'_>, form: Form) -> Outcome {
    if cx.caller.is_some() {
        let answer = cx.ask(Method::POST, "logout", json!({})).await;
        if !answer.status.is_success() {
            let faults = Faults::of(&answer, cx.language);
            let view = SIGN_OUT.with(&form, faults).view(&cx.page("sign-out"));
            return view.refused(answer).into();
        }
    }
    let to = format!("{}?done=out", cx.page("sign-in"));
    Outcome::Go { to, session: Session::Clear, cookie: None }
}
