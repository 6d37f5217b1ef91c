//! The second factor of an account: set up, confirmed, removed; recovery codes, shown once.

mod acts;

use http::Method;
use serde_json::{Value, json};

use acts::{RECOVERY, REMOVE, REMOVE_APP, REMOVE_PASSKEY, RENAME_PASSKEY};

use super::faults::Faults;
use super::form::Form;
use super::moment;
use super::next::own_target;
use super::outcome::{Outcome, View};
use super::qr;
use super::visit::Context;

pub(super) const TITLE: &str = "Second factor";

const DONE: &[(&str, &str)] = &[
    ("removed", "The second factor is removed."),
    ("app", "The authenticator app is set up."),
    ("passkey", "The passkey is added."),
    ("passkey-removed", "The passkey is removed."),
    ("passkey-renamed", "The passkey has another name."),
    ("app-removed", "The authenticator app is removed."),
];

/// How what an app reads begins.
const SCHEME: &str = "otpauth://totp/";

/// What it says beside its template.
#[cfg(test)]
pub(super) fn texts() -> impl Iterator<Item = &'static str> {
    let acts = [RENAME_PASSKEY, REMOVE_PASSKEY, REMOVE_APP, RECOVERY, REMOVE];
    let forms = acts.into_iter().flat_map(|act| [act.title, act.text, act.button]);
    let forms = forms.filter(|text| !text.is_empty());
    DONE.iter().map(|(_, text)| *text).chain([TITLE]).chain(forms)
}

/// What it is filled with, of somebody made up.
pub(super) fn sample() -> Value {
    json!({
        "notice": "The second factor is removed.",
        "faults": ["Not found."],
        "password_faults": ["This field is required."],
        "otp_faults": ["This field is required."],
        "action": "/auth/account/factors/",
        "home": "/auth/",
        "next": "/app/x",
        "enrolled": true,
        "enrol": true,
        "since": "2026-01-02T03:04:05Z",
        "since_text": "2026-01-02 03:04 UTC",
        "recovery_codes": 10,
        "codes": ["abcd-efgh-ijkl-mnop"],
        "secret": "JBSWY3DPEHPK3PXP",
        "uri": "otpauth://totp/a.test:alice?secret=JBSWY3DPEHPK3PXP",
        "size": 41,
        "path": "M4 4h7v1h-7z",
        "act": "recovery",
        "create": "{}",
        "name": "phone",
        "id": "0011223344556677",
        "name_faults": ["This field is required."],
        "passkeys": [{
            "id": "0011223344556677",
            "name": "phone",
            "created": "2026-01-02T03:04:05Z",
            "created_text": "2026-01-02 03:04 UTC",
            "last_used": "2026-01-02T03:04:05Z",
            "last_used_text": "2026-01-02 03:04 UTC",
        }],
        "adds_passkeys": true,
        "show": "{}",
        "forms": [RENAME_PASSKEY.data(), REMOVE_PASSKEY.data(), RECOVERY.data(), REMOVE.data()],
    })
}

/// What is shown once, at the moment at which it is had.
#[derive(Default)]
struct Once<'a> {
    /// An offered secret, and what an app reads.
    offered: Option<(&'a str, &'a str)>,
    /// New recovery codes.
    codes: Vec<&'a str>,
    /// What the form that was sent is for.
    act: &'a str,
    /// What a passkey is made by, and how it is to be called.
    create: Option<&'a Value>,
    name: &'a str,
    /// Which passkey a form was about.
    id: &'a str,
}

pub(super) async fn get(cx: &Context<'_>) -> Outcome {
    let next = own_target(cx.query.text("next"));
    view(cx, next.as_deref(), &Once::default(), Faults::default()).await.into()
}

pub(super) async fn post(cx: &Context<'_>, form: Form) -> Outcome {
    let next = own_target(form.text("next"));
    let next = next.as_deref();
    let act = form.text("do");
    let (password, otp) = (form.text("password"), form.text("otp"));
    let (id, name) = (form.text("id"), form.text("name"));
    let both = json!({ "password": password, "otp": otp });
    let (endpoint, fields) = match act {
        "offer" => ("factors/totp", both),
        "confirm" => ("factors/totp/confirm", json!({ "otp": otp })),
        "passkey" => ("factors/passkeys/add", both),
        "passkey-confirm" => {
            let fields = json!({ "name": name, "credential": form.text("credential") });
            ("factors/passkeys/confirm", fields)
        }
        "passkey-remove" => {
            let fields = json!({ "id": id, "password": password, "otp": otp });
            ("factors/passkeys/remove", fields)
        }
        "passkey-rename" => ("factors/passkeys/rename", json!({ "id": id, "name": name })),
        "app-remove" => ("factors/totp/remove", both),
        "recovery" => ("factors/recovery", both),
        _ => ("factors/remove", both),
    };
    let answer = cx.ask(Method::POST, endpoint, fields).await;
    // Whoever mistypes the first code goes on with what the app has read.
    let again = (form.text("secret"), form.text("uri"));
    let again = (act == "confirm" && again.1.starts_with(SCHEME)).then_some(again);
    if !answer.status.is_success() {
        let faults = Faults::of(&answer, cx.language);
        let once = Once { offered: again, act, name, id, ..Once::default() };
        return view(cx, next, &once, faults).await.refused(answer).into();
    }
    let once = match act {
        "offer" => Once {
            offered: Some((answer.text("secret"), answer.text("uri"))),
            act,
            ..Once::default()
        },
        "passkey" => Once { create: answer.body.get("publicKey"), name, act, ..Once::default() },
        "confirm" | "recovery" | "passkey-confirm" => {
            Once { codes: answer.texts("recovery_codes"), ..Once::default() }
        }
        "passkey-remove" => return go_back(cx, None, "passkey-removed"),
        "passkey-rename" => return go_back(cx, None, "passkey-renamed"),
        "app-remove" => return go_back(cx, None, "app-removed"),
        _ => return go_back(cx, None, "removed"),
    };
    if once.codes.is_empty() && once.offered.is_none() && once.create.is_none() {
        // Whoever had a factor before has codes.
        return go_back(cx, next, if act == "confirm" { "app" } else { "passkey" });
    }
    // Shown at once, and never again: a page that one goes to would have to be given it.
    view(cx, next, &once, Faults::default()).await.into()
}

/// Where somebody goes on who has no codes to write down.
fn go_back(cx: &Context<'_>, next: Option<&str>, done: &str) -> Outcome {
    let here = || format!("{}?done={done}", cx.page("account/factors"));
    Outcome::go(next.map_or_else(here, str::to_owned))
}

impl Context<'_> {
    /// Whether whoever looks has a second factor; `None` where nobody can tell.
    pub(super) async fn has_factor(&self) -> Option<bool> {
        let answer = self.ask(Method::GET, "factors", json!({})).await;
        let has_app = answer.body.get("totp").and_then(Value::as_bool)?;
        Some(has_app || has_passkeys(&answer.body))
    }

    /// Where one is set up, and what comes after that.
    pub(super) fn to_set_up(&self, next: Option<&str>) -> String {
        self.page_before("account/factors", next)
    }
}

fn has_passkeys(facts: &Value) -> bool {
    facts.get("passkeys").and_then(Value::as_u64).is_some_and(|count| count > 0)
}

async fn view(cx: &Context<'_>, next: Option<&str>, once: &Once<'_>, faults: Faults) -> View {
    let answer = cx.ask(Method::GET, "factors", json!({})).await;
    let mut faults =
        if answer.status.is_success() { faults } else { Faults::of(&answer, cx.language) };
    let (secret, uri) = once.offered.unzip();
    let drawn = uri.and_then(qr::draw);
    let has_passkeys = has_passkeys(&answer.body);
    let facts = moment::readable(answer.body, &["since"]);
    let fact = |name: &str| facts.get(name).cloned().unwrap_or_default();
    let is_enrolled = has_passkeys || fact("totp") == Value::Bool(true);
    let settings = cx.sessions.factor_settings();
    let adds_passkeys =
        settings.enrol && settings.passkeys && cx.sessions.relying_party().is_some();
    let (passkeys, show) = if has_passkeys { own(cx).await } else { (Vec::new(), None) };
    let has_both = has_passkeys && fact("totp") == Value::Bool(true);
    let forms = [
        (has_passkeys, RENAME_PASSKEY),
        (has_passkeys, REMOVE_PASSKEY),
        (has_both, REMOVE_APP),
        (is_enrolled, RECOVERY),
        (is_enrolled, REMOVE),
    ];
    let forms: Vec<_> =
        forms.iter().filter(|(is_there, _)| *is_there).map(|(_, act)| act.data()).collect();
    let data = json!({
        "notice": cx.done(DONE),
        "password_faults": faults.take("password"),
        "otp_faults": faults.take("otp"),
        "name_faults": faults.take("name"),
        "faults": faults.rest(),
        "action": cx.page("account/factors"),
        "home": cx.page(""),
        "next": next,
        "enrolled": is_enrolled,
        "enrol": settings.enrol,
        "since": fact("since"),
        "since_text": fact("since_text"),
        "recovery_codes": fact("recovery_codes"),
        "codes": once.codes,
        "secret": secret,
        "uri": uri,
        "size": drawn.as_ref().map(|drawn| drawn.size),
        "path": drawn.map(|drawn| drawn.path),
        "act": once.act,
        "create": once.create.map(Value::to_string),
        "name": once.name,
        "id": once.id,
        "passkeys": passkeys,
        "adds_passkeys": adds_passkeys,
        "show": show,
        "forms": forms,
    });
    View::good("factors.html", TITLE, data)
}

/// The passkeys of whoever looks, and what a browser is to ask for that one is shown.
async fn own(cx: &Context<'_>) -> (Vec<Value>, Option<String>) {
    let list = cx.ask(Method::GET, "factors/passkeys", json!({})).await;
    let passkeys = list.body.as_array().cloned().unwrap_or_default().into_iter();
    let passkeys = passkeys.map(|one| moment::readable(one, &["created", "last_used"]));
    let asked = cx.ask(Method::POST, "factors/passkeys/challenge", json!({})).await;
    (passkeys.collect(), asked.body.get("publicKey").map(Value::to_string))
}
