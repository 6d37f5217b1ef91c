//! A forgotten password: ask for a letter, and choose another by the link in it.

use serde_json::json;

use super::blank::{Blank, Field};
use super::faults::Faults;
use super::form::Form;
use super::outcome::{Outcome, Session, View};
use super::refusal;
use super::visit::Context;

static FORGOT: Blank = Blank {
    title: "Reset your password",
    lead: "Enter the e-mail address of your account. We will send a link to it with which you can choose a new password.",
    fields: &[Field::email("email", "E-mail address")],
    submit: "Send the e-mail",
};

static RESET: Blank = Blank {
    title: "Choose a new password",
    lead: "You will be signed out everywhere.",
    fields: &[Field::password("new_password", "New password", "new-password")],
    submit: "Change the password",
};

pub(super) const BLANKS: [&Blank; 2] = [&FORGOT, &RESET];

const SENT: &str = "Check your e-mail";
const SENT_TEXT: &str = "If there is an account with that address, an e-mail arrives within minutes. \
                         Its link works once, and only for a short time.";

/// What is said when the letter was asked for.
#[cfg(test)]
pub(super) const TEXTS: [&str; 3] = [SENT, SENT_TEXT, BAD_LINK];

/// The link's fault and not the form's.
pub(super) const BAD_LINK: &str = "This link is not valid, or not any more. Ask for another one.";

pub(super) async fn ask(cx: &Context<'_>) -> Outcome {
    if !cx.settings.offers.mail {
        return no_mail();
    }
    let nothing = Form::default();
    FORGOT.with(&nothing, Faults::default()).view(&cx.page("forgot")).into()
}

pub(super) async fn send(cx: &Context<'_>, form: Form) -> Outcome {
    let answer = cx.ask_as_nobody("password/reset", json!({ "email": form.text("email") })).await;
    if !answer.status.is_success() {
        let faults = Faults::of(&answer, cx.language);
        let view = FORGOT.with(&form, faults).view(&cx.page("forgot"));
        return view.refused(answer).into();
    }
    // The same whether or not anybody has the address.
    let data = json!({ "texts": [SENT_TEXT], "links": [], "code": "" });
    View::good("notice.html", SENT, data).into()
}

pub(super) async fn choose(cx: &Context<'_>) -> Outcome {
    view(cx, &cx.query, Faults::default()).into()
}

pub(super) async fn change(cx: &Context<'_>, form: Form) -> Outcome {
    let [uid, token, password] = ["uid", "token", "new_password"].map(|name| form.text(name));
    let fields = json!({ "uid": uid, "token": token, "new_password": password });
    let answer = cx.ask_as_nobody("password/reset/confirm", fields).await;
    if !answer.status.is_success() {
        let faults = link_faults(cx, &answer);
        return view(cx, &form, faults).refused(answer).into();
    }
    // Whoever is signed in here may be somebody else, whose session the reset did not end.
    cx.leave().await;
    let to = format!("{}?done=reset", cx.page("sign-in"));
    Outcome::Go { to, session: Session::Clear, cookie: None }
}

/// What is wrong with a form that a link led to: what is said of the link's own fields is said of
/// the link.
pub(super) fn link_faults(cx: &Context<'_>, answer: &super::Answer) -> Faults {
    let is_the_link = ["uid", "token"].iter().any(|name| answer.body.get(*name).is_some());
    if is_the_link {
        return Faults::told(BAD_LINK, cx.language);
    }
    Faults::of(answer, cx.language)
}

fn view(cx: &Context<'_>, sent: &Form, faults: Faults) -> View {
    let mut filled = RESET.with(sent, faults);
    for name in ["uid", "token"] {
        filled = filled.hidden(name, sent.text(name));
    }
    filled.link("Forgot your password?", &cx.page("forgot")).view(&cx.page("reset"))
}

pub(super) fn no_mail() -> Outcome {
    refusal::view(http::StatusCode::NOT_IMPLEMENTED, "mail_not_configured").into()
}
