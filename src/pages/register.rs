//! Make an account.

use serde_json::{Map, Value};

use super::blank::{Blank, Field};
use super::faults::Faults;
use super::form::Form;
use super::outcome::Outcome;
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
    // A link of an invitation has it in its query.
    show(cx, &cx.query, Faults::default())
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
        let filled = blank.with(&form, faults).link(SIGN_IN_INSTEAD, &cx.page("sign-in"));
        return filled.view(&cx.page("register")).refused(made).into();
    }
    let known = ["username", "password"].map(|name| (name.to_owned(), form.text(name).into()));
    let answer = cx.ask_as_nobody("token", known.into_iter().collect::<Map<_, _>>().into()).await;
    if !answer.status.is_success() {
        // The account is there; that it cannot be signed in to at once is another matter.
        return Outcome::go(cx.page("sign-in"));
    }
    let session = cx.sign_in(&answer).await;
    Outcome::Go { to: cx.page(""), session, cookie: answer.cookie }
}

fn show(cx: &Context<'_>, sent: &Form, faults: Faults) -> Outcome {
    let Some(blank) = blank(cx) else { return closed() };
    let filled = blank.with(sent, faults).link(SIGN_IN_INSTEAD, &cx.page("sign-in"));
    filled.view(&cx.page("register")).into()
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
