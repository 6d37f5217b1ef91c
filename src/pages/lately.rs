//! What was done lately in one's account, as the audit record has it.

use serde_json::{Value, json};

use super::device;
use super::moment;
use super::visit::Context;

/// What is said of each event that users are told of.
const SAID: [(&str, &str); 22] = [
    ("login", "Signed in"),
    ("login.failed", "A sign-in failed"),
    ("throttled", "Further attempts were held up"),
    ("registered", "The account was made"),
    ("session.ended", "A session was ended"),
    ("token.reused", "A spent credential came back, which ended its session"),
    ("logout.everywhere", "All sessions were ended"),
    ("user.added", "The account was made"),
    ("user.activated", "The account was opened again"),
    ("user.deactivated", "The account was shut"),
    ("password.changed", "The password was changed"),
    ("email.changed", "The e-mail address was changed"),
    ("role.added", "A role was given"),
    ("role.removed", "A role was taken"),
    ("api-key.added", "An API key was made"),
    ("api-key.revoked", "An API key was revoked"),
    ("factor.added", "An authenticator app was set up"),
    ("factor.removed", "The second factor was removed"),
    ("factor.renamed", "A passkey was renamed"),
    ("factor.due", "The password was right, and a second factor was asked for"),
    ("factor.failed", "A second factor was wrong"),
    ("recovery-codes.made", "New recovery codes were made"),
];

/// The same of those that were about one factor.
const OF_FACTORS: [(&str, &str, &str); 4] = [
    ("factor.added", "passkey", "A passkey was added"),
    ("factor.removed", "passkey", "A passkey was removed"),
    ("factor.removed", "totp", "An authenticator app was removed"),
    ("login", "passkey", "Signed in with a passkey"),
];

/// What it says beside the template that it is a part of.
#[cfg(test)]
pub(super) fn texts() -> impl Iterator<Item = &'static str> {
    let of_factors = OF_FACTORS.into_iter().map(|(.., text)| text);
    SAID.into_iter().map(|(_, text)| text).chain(of_factors)
}

pub(super) fn sample() -> Value {
    let line = json!({
        "at": "2026-01-02T03:04:05Z",
        "event": "role.added",
        "by": "operator",
        "address": "192.0.2.7",
        "facts": { "role": "editor" },
    });
    json!([readable(&line)])
}

/// The last lines; `Null` where there is no record.
pub(super) async fn lines(cx: &Context<'_>) -> Value {
    let Some(user) = cx.caller.as_ref().and_then(|caller| caller.user) else { return Value::Null };
    match cx.office.lately(user).await {
        Ok(lines) => lines.as_array().into_iter().flatten().map(readable).collect(),
        Err(_) => Value::Null,
    }
}

/// A line as the template has it.
fn readable(line: &Value) -> Value {
    let text = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default();
    let facts = line.get("facts");
    let fact = |name: &str| facts.and_then(|it| it.get(name)).and_then(Value::as_str);
    let event = text("event");
    let of_factor = OF_FACTORS
        .iter()
        .find(|(name, factor, _)| *name == event && fact("factor") == Some(factor))
        .map(|(.., said)| *said);
    let said = || SAID.iter().find(|(name, _)| *name == event).map(|(_, said)| *said);
    let said = of_factor.or_else(said);
    let device = fact("device").filter(|device| !device.is_empty()).map(device::in_words);
    let what = ["role", "roles", "email", "name"].into_iter().find_map(fact).map(str::to_owned);
    let line = json!({
        "at": text("at"),
        "said": said.unwrap_or(event),
        "what": what.or(device),
        "address": text("address"),
        "by_operator": text("by") == "operator",
    });
    moment::readable(line, &["at"])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::audit::Kind;

    #[test]
    fn there_are_words_for_all_that_users_are_told() {
        let told = Kind::ALL.into_iter().filter(|kind| kind.is_told()).map(Kind::as_str);
        let said = SAID.into_iter().map(|(event, _)| event);
        assert_eq!(told.collect::<BTreeSet<_>>(), said.collect());
        let more = OF_FACTORS.into_iter().map(|(event, ..)| event);
        assert!(more.into_iter().all(|event| SAID.iter().any(|(known, _)| *known == event)));
    }

    #[test]
    fn a_line_says_what_and_by_what() {
        let said = |event: &str, facts: Value| {
            let line = json!({ "at": "x", "event": event, "by": "oneself", "facts": facts });
            let line = readable(&line);
            [&line["said"], &line["what"]].map(|it| it.as_str().unwrap_or("-").to_owned())
        };
        let firefox = "Mozilla/5.0 (Windows NT 10.0; rv:151.0) Gecko/20100101 Firefox/151.0";
        let device = json!({ "device": firefox });
        assert_eq!(said("login", device), ["Signed in", "Firefox · Windows"]);
        let passkey = json!({ "factor": "passkey", "device": "" });
        assert_eq!(said("login", passkey.clone()), ["Signed in with a passkey", "-"]);
        assert_eq!(said("factor.removed", passkey.clone()), ["A passkey was removed", "-"]);
        assert_eq!(said("factor.renamed", passkey), ["A passkey was renamed", "-"]);
        let app = json!({ "factor": "totp" });
        assert_eq!(said("factor.removed", app), ["An authenticator app was removed", "-"]);
        assert_eq!(said("factor.removed", json!({})), ["The second factor was removed", "-"]);
        let key = json!({ "name": "backup" });
        assert_eq!(said("api-key.added", key), ["An API key was made", "backup"]);
    }
}
