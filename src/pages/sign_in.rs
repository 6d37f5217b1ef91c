//! Sign in, or show anew who one is.

use serde_json::{Value, json};

use super::blank::{Blank, Field, Filled, PASSKEY};
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

/// For whoever has shown the password, and has a second factor.
static SECOND: Blank = Blank {
    title: "Second step",
    lead: "Show your second factor: a code of your authenticator app, one of your recovery codes, or a passkey.",
    fields: &[Field::text("otp", "Code", "one-time-code")],
    submit: "Continue",
};

const USERNAME: Field = Field::text("username", "Username", "username");
const PASSWORD: Field = Field::password("password", "Password", "current-password");

/// What the button of the second step says.
const USE_PASSKEY: &str = "Use a passkey";
const INVITED: &str = "I have an invitation";

const DONE: &[(&str, &str)] = &[
    ("reset", "Your password was changed. Sign in with the new one."),
    ("verified", "Your e-mail address is confirmed."),
    ("out", "You are signed out."),
];

pub(super) const BLANKS: [&Blank; 3] = [&SIGN_IN, &ANEW, &SECOND];

/// What is said of things that were done before.
#[cfg(test)]
pub(super) fn texts() -> impl Iterator<Item = &'static str> {
    DONE.iter().map(|(_, text)| *text).chain([
        "Create an account",
        "Forgot your password?",
        INVITED,
        PASSKEY,
        USE_PASSKEY,
    ])
}

pub(super) async fn get(cx: &Context<'_>) -> Outcome {
    let next = own_target(cx.query.text("next"));
    if cx.caller.is_some() && !is_anew(&cx.query) {
        return cx.go_on(next);
    }
    // Nobody is asked for what they do not have: they set it up first.
    if cx.caller.is_some() && wants_factor(&cx.query) && cx.has_factor().await == Some(false) {
        return Outcome::go(cx.to_set_up(next.as_deref()));
    }
    let username = cx.caller.as_ref().map_or("", |caller| &caller.identity.username);
    let sent =
        form_urlencoded::Serializer::new(String::new()).append_pair("username", username).finish();
    let sent = Form::parse(sent.as_bytes());
    let asked = Asked { next: next.as_deref(), from: &cx.query };
    view(cx, &sent, &asked, Faults::default()).await.into()
}

pub(super) async fn post(cx: &Context<'_>, form: Form) -> Outcome {
    let next = own_target(form.text("next"));
    let asked = Asked { next: next.as_deref(), from: &form };
    let challenge = form.text("challenge");
    let is_second = !challenge.is_empty();
    let passkey = form.text("credential");
    let answer = if is_second {
        let fields = json!({ "challenge": challenge, "otp": form.text("otp") });
        cx.ask_as_nobody("token/factor", fields).await
    } else if !passkey.is_empty() {
        cx.ask_as_nobody("token/passkey/confirm", json!({ "credential": passkey })).await
    } else {
        let (username, password) = (form.text("username"), form.text("password"));
        cx.ask_as_nobody("token", json!({ "username": username, "password": password })).await
    };
    if answer.code == Some("second_factor_required") {
        let options = answer.body.get("publicKey").cloned().unwrap_or_default();
        return second(cx, &asked, answer.text("challenge"), &options, Faults::default()).into();
    }
    if !answer.status.is_success() {
        let faults = Faults::of(&answer, cx.language);
        // Too many tries, or one wrong: the challenge is good for another.
        let goes_on = is_second && answer.code != Some("challenge_not_valid");
        let view = if goes_on {
            // Nothing was signed yet: it goes back to the browser that it came from.
            let options = serde_json::from_str(form.text("passkey")).unwrap_or_default();
            second(cx, &asked, challenge, &options, faults)
        } else {
            view(cx, &form, &asked, faults).await
        };
        return view.refused(answer).into();
    }
    let session = cx.sign_in(&answer).await;
    let to = if wants_factor(&form) && !is_second && passkey.is_empty() {
        cx.to_set_up(next.as_deref())
    } else {
        cx.after_form(next)
    };
    Outcome::Go { to, session, cookie: answer.cookie }
}

impl Context<'_> {
    /// What a browser is to ask for that somebody signs in with a passkey; `None` where nobody can.
    async fn asks_for_passkey(&self) -> Option<Value> {
        let settings = self.sessions.factor_settings();
        if !settings.passkeys || settings.relying_party.is_none() {
            return None;
        }
        let answer = self.ask_as_nobody("token/passkey", json!({})).await;
        answer.body.get("publicKey").cloned()
    }
}

/// What goes along from form to form.
struct Asked<'a> {
    /// Where somebody wanted to go.
    next: Option<&'a str>,
    /// What said the rest.
    from: &'a Form,
}

/// Whether whatever comes next asks for a second factor.
fn wants_factor(form: &Form) -> bool {
    form.text("factor") == "1"
}

impl Asked<'_> {
    fn carry<'f>(&self, filled: Filled<'f>) -> Filled<'f> {
        let mut filled = filled;
        if let Some(next) = self.next {
            filled = filled.hidden("next", next);
        }
        for name in ["anew", "factor"] {
            if self.from.text(name) == "1" {
                filled = filled.hidden(name, "1");
            }
        }
        filled
    }
}

/// The second step, behind a password that was right.
fn second(
    cx: &Context<'_>,
    asked: &Asked<'_>,
    challenge: &str,
    options: &Value,
    faults: Faults,
) -> View {
    let empty = Form::default();
    let mut filled = asked.carry(SECOND.with(&empty, faults)).hidden("challenge", challenge);
    if options.is_object() {
        filled = filled.hidden("passkey", &options.to_string());
        filled = filled.passkey(USE_PASSKEY, options, "otp");
    }
    filled.link("Sign in", &cx.page_before("sign-in", asked.next)).view(&cx.page("sign-in"))
}

fn is_anew(form: &Form) -> bool {
    form.text("anew") == "1"
}

async fn view(cx: &Context<'_>, sent: &Form, asked: &Asked<'_>, faults: Faults) -> View {
    let anew = is_anew(asked.from) && cx.caller.is_some();
    let blank = if anew { &ANEW } else { &SIGN_IN };
    let notice = cx.done(DONE);
    let mut filled = asked.carry(blank.with(sent, faults).notice(notice));
    if let Some(options) = cx.asks_for_passkey().await {
        filled = filled.passkey(PASSKEY, &options, "credential");
    }
    let offers = cx.settings.offers;
    if offers.mail {
        filled = filled.link("Forgot your password?", &cx.page("forgot"));
    }
    let register = match offers.register {
        Registering::Open => Some("Create an account"),
        Registering::Invited => Some(INVITED),
        Registering::Closed => None,
    };
    if let Some(label) = register.filter(|_| !anew) {
        filled = filled.link(label, &cx.page_before("register", asked.next));
    }
    filled.view(&cx.page("sign-in"))
}
