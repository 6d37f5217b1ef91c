//! What becomes of a request that nobody has sent, and why.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::{invalid, text, with};
use crate::pages::language::Language;
use crate::pages::office::Denied;
use crate::pages::outcome::{Outcome, View};
use crate::pages::visit::Context;

const TITLE: &str = "What becomes of a request";

/// What is said of each outcome, and whether it is a good one.
const OUTCOMES: [(&str, &str, bool); 3] = [
    ("forwarded", "forwarded", true),
    ("answered", "answered here", true),
    (REFUSED, REFUSED, false),
];
const REFUSED: &str = "refused";

/// What it says beside its template.
#[cfg(test)]
pub(super) fn texts() -> impl Iterator<Item = &'static str> {
    OUTCOMES.into_iter().map(|(_, label, _)| label).chain([TITLE])
}

/// What it is filled with, of a request made up.
pub(super) fn sample() -> Value {
    json!({
        "action": "/manage/explain/",
        "faults": ["`get` is no method; write it in capitals, as in `GET`"],
        "method": "GET",
        "url": "/api/orders/7",
        "who": "role:editor",
        "from": "192.0.2.7",
        "told": readable(json!({
            "request": { "method": "GET", "host": "a.test", "path": "/x", "who": "user", "from": "192.0.2.7" },
            "decision": { "outcome": REFUSED, "status": 403, "code": "forbidden", "why": "no alternative of `allow` is met" },
            "path": "/x",
            "readings": [
                { "path": "/X", "leads_to": "route `/X`", "agrees": false },
                { "path": "/x;", "leads_to": "route `/x`", "agrees": true },
            ],
            "route": {
                "key": "/x",
                "line": 7,
                "from": ["10.0.0.0/8"],
                "allow": "role:admin",
                "alternatives": [
                    { "rule": "role:admin", "met": false, "missing": ["role:admin", "mfa"] },
                    { "rule": "user", "met": true, "missing": [] },
                ],
                "would_allow": { "rule": "mfa", "would": REFUSED },
                "limits": ["body 1MB"],
            },
            "upstream": {
                "name": "app",
                "servers": ["http://127.0.0.1:8000"],
                "path": "/x",
                "headers": [
                    { "name": "x-user-id", "claim": "user_id", "value": "7" },
                    { "name": "x-user-email", "claim": "email", "value": null },
                ],
            },
            "endpoint": { "does": "Logs in.", "caller": "anyone", "limited": "nothing" },
        }), Language::english()),
    })
}

pub(super) async fn get(cx: &Context<'_>) -> Outcome {
    let [method, url, who, from] =
        ["method", "url", "as", "from"].map(|field| cx.query.text(field).trim());
    let is_asked = [method, url, who, from].iter().any(|field| !field.is_empty());
    let method = if method.is_empty() { "GET" } else { method };
    let told = if is_asked { ask(cx, [method, url, who, from]).await } else { Ok(Value::Null) };
    let (told, denied) = match told {
        Ok(told) => (told, None),
        Err(denied) => (Value::Null, Some(denied)),
    };
    let data = json!({
        "action": cx.site("explain", &[]),
        "faults": denied.iter().map(|denied| denied.told(cx.language)).collect::<Vec<_>>(),
        "method": method,
        "url": url,
        "who": who,
        "from": from,
        "told": told,
    });
    View::told(cx.site_page("state", "explain.html", TITLE, data), denied.as_ref()).into()
}

async fn ask(cx: &Context<'_>, [method, url, who, from]: [&str; 4]) -> Result<Value, Denied> {
    let from: Option<IpAddr> = match from {
        "" => None,
        from => {
            let wrong = |error| invalid(&format!("`{from}` is no address: {error}"));
            Some(from.parse().map_err(wrong)?)
        }
    };
    let who: Vec<_> = Some(who).filter(|who| !who.is_empty()).into_iter().collect();
    let asked =
        json!({ "command": "explain", "method": method, "url": url, "who": who, "from": from });
    cx.command(asked).await.map(|told| readable(told, cx.language))
}

/// What was told, as the template has it.
fn readable(told: Value, language: &Language) -> Value {
    let mut told = told;
    for reading in told.get_mut("readings").and_then(Value::as_array_mut).into_iter().flatten() {
        let leads_to = language.say_all(text(reading, "leads_to"));
        *reading = with(std::mem::take(reading), [("leads_to", leads_to.into())]);
    }
    let decision = told.get("decision").cloned().unwrap_or_default();
    let outcome = OUTCOMES.into_iter().find(|(name, ..)| *name == text(&decision, "outcome"));
    let (_, label, is_good) = outcome.unwrap_or_default();
    let status = decision.get("status").map(ToString::to_string).unwrap_or_default();
    let facts = [status.as_str(), text(&decision, "code"), text(&decision, "upstream")];
    let facts: Vec<_> = facts.into_iter().filter(|fact| !fact.is_empty()).collect();
    let decision = json!({ "label": label, "good": is_good, "facts": facts.join(" "), "why": language.say_all(text(&decision, "why")) });
    with(told, [("decision", decision)])
}
