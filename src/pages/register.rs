//! Make an account.

use serde_json::{Map, Value};

use super::blank::{Blank, Field};
use super::faults::Faults;
use super::form::Form;
use super::next::own_target;
use super::outcome::{Outcome, View};
use super::refusal;
use super::settings::Registering;
use super::visit::Context;

static OPEN: Blank = Blank {
    title: "Create an account",
    lead: "",
    fields: &[USERNAME, EMAIL, PASSWORD],
    submit: "Create account",
};

static INVITED: Blank = Blank {
    title: "Create an account",
    lead: "You need an invitation to create an account.",
    fields: &[INVITATION, USERNAME, EMAIL, PASSWORD],
    submit: "Create account",
};

const USERNAME: Field = Field::text("username", "Username", "username");
const EMAIL: Field = Field::email("email", "E-mail address").optional();
const PASSWORD: Field = Field::password("password", "Password", "new-password");
const INVITATION: Field = Field::text("invite", "Invitation", "off");

pub(super) const BLANKS: [&Blank; 2] = [&OPEN, &INVITED];

/// What is said below the form.
pub(super) const SIGN_IN_INSTEAD: &str = "Sign in with an existing account";

pub(super) async fn get(cx: &Context<'_>) -> Outcome {
    let Some(blank) = blank(cx) else { return closed() };
    // A link of an invitation has it in its query.
    view(cx, blank, &cx.query, Faults::default()).into()
}

pub(super) async fn post(cx: &Context<'_>, form: Form) -> Outcome {
    let Some(blank) = blank(cx) else { return closed() };
    let fields: Map<String, Value> = blank
        .names()
        .map(|name| (name.to_owned(), form.text(name).into()))
        .filter(|(name, value): &(String, Value)| name != "email" || value != "")
        .collect();
    let made = cx.ask_as_nobody("register", fields.clone().into()).await;
    if !made.status.is_success() {
        let faults = Faults::of(&made, cx.language);
        return view(cx, blank, &form, faults).refused(made).into();
    }
    let next = own_target(form.text("next"));
    let known = ["username", "password"].map(|name| (name.to_owned(), form.text(name).into()));
    let answer = cx.ask_as_nobody("token", known.into_iter().collect::<Map<_, _>>().into()).await;
    if !answer.status.is_success() {
        // The account is there; that it cannot be signed in to at once is another matter.
        return Outcome::go(cx.page_before("sign-in", next.as_deref()));
    }
    let session = cx.sign_in(&answer).await;
    Outcome::Go { to: cx.after_form(next), session, cookie: answer.cookie }
}

fn view(cx: &Context<'_>, blank: &'static Blank, sent: &Form, faults: Faults) -> View {
    let next = own_target(sent.text("next"));
    let mut filled = blank.with(sent, faults);
    if let Some(next) = &next {
        filled = filled.hidden("next", next);
    }
    let sign_in = cx.page_before("sign-in", next.as_deref());
    filled.link(SIGN_IN_INSTEAD, &sign_in).view(&cx.page("register"))
}

fn blank(cx: &Context<'_>) -> Option<&'static Blank> {
    match cx.settings.offers.register {
        Registering::Open => Some(&OPEN),
        Registering::Invited => Some(&INVITED),
        Registering::Closed => None,
    }
}

fn closed() -> Outcome {
    refusal::view(http::StatusCode::FORBIDDEN, "registration_closed").into()
}
