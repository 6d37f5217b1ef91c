//! The audit record: what it says, and whether it is whole.

use serde_json::{Value, json};

use super::{items, place, text, with};
use crate::pages::moment;
use crate::pages::outcome::Outcome;
use crate::pages::visit::Context;

const TITLE: &str = "Audit record";

/// Lines on a page.
const SHOWN: usize = 50;

/// What it says beside its template.
#[cfg(test)]
pub(super) fn texts() -> impl Iterator<Item = &'static str> {
    [TITLE].into_iter()
}

pub(super) fn sample_line() -> Value {
    json!({
        "seq": 7,
        "at": "2026-01-02T03:04:05Z",
        "at_text": "2026-01-02 03:04 UTC",
        "event": "role.added",
        "name": "alice",
        "to": "/manage/audit/?name=alice",
        "actor": "user:7",
        "by": "/manage/audit/?name=user%3A7",
        "address": "192.0.2.7",
        "facts": "role=admin",
    })
}

/// What it is filled with, of something made up.
pub(super) fn sample() -> Value {
    json!({
        "action": "/manage/audit/",
        "name": "alice",
        "event": "login",
        "lines": [sample_line()],
        "lost": 1,
        "next": "/manage/audit/?before=7",
        "first": "/manage/audit/?name=alice",
        "check": "/manage/audit/?check=1",
        "faults": ["the record is being checked just now; try again in a moment"],
        "state": {
            "whole": false,
            "files": 1,
            "lines": 7,
            "first": 1,
            "last": 8,
            "unfinished": true,
            "faults": [{ "file": "portcullis.audit", "line": 3, "what": "this line is missing" }],
        },
    })
}

pub(super) async fn get(cx: &Context<'_>) -> Outcome {
    let [name, event] = ["name", "event"].map(|field| cx.query.text(field).trim());
    let before = place(&cx.query, "before");
    let mut reply = match lines(cx, name, event, before, SHOWN).await {
        Ok(reply) => reply,
        Err(denied) => return cx.denied("audit", &denied),
    };
    let (mut state, mut faults) = (Value::Null, Vec::new());
    if cx.query.text("check") == "1" {
        match cx.command(json!({ "command": "audit", "do": "verify" })).await {
            Ok(verdict) => state = verdict,
            Err(denied) => faults.push(denied.told(cx.language)),
        }
    }
    let asked = [("name", name), ("event", event)];
    let next = reply.get("next").and_then(Value::as_u64).map(|next| {
        let next = next.to_string();
        cx.site("audit", &[asked[0], asked[1], ("before", &next)])
    });
    let data = json!({
        "action": cx.site("audit", &[]),
        "name": name,
        "event": event,
        "lines": shown(cx, &mut reply),
        "lost": reply.get("lost").and_then(Value::as_u64).unwrap_or_default(),
        "next": next,
        "first": before.map(|_| cx.site("audit", &asked)),
        "check": cx.site("audit", &[asked[0], asked[1], ("check", "1")]),
        "faults": faults,
        "state": state,
    });
    cx.site_page("audit", "audit.html", TITLE, data).into()
}

/// The last lines about somebody; `Null` where there is no record.
pub(super) async fn trail(cx: &Context<'_>, name: &str, count: usize) -> Value {
    match lines(cx, name, "", None, count).await {
        Ok(mut reply) => shown(cx, &mut reply).into(),
        Err(_) => Value::Null,
    }
}

async fn lines(
    cx: &Context<'_>,
    name: &str,
    event: &str,
    before: Option<u64>,
    limit: usize,
) -> Result<Value, crate::pages::office::Denied> {
    cx.command(json!({
        "command": "audit",
        "do": "list",
        "about": { "name": name, "event": event },
        "before": before,
        "limit": limit,
    }))
    .await
}

/// Lines as the template has them.
fn shown(cx: &Context<'_>, reply: &mut Value) -> Vec<Value> {
    let line = |line: Value| {
        let facts = line.get("facts").and_then(Value::as_object).into_iter().flatten();
        let facts = facts.map(|(name, value)| match value.as_str() {
            Some(text) => format!("{name}={text}"),
            None => format!("{name}={value}"),
        });
        let facts = facts.collect::<Vec<_>>().join(" ");
        let [name, actor, address] = ["name", "actor", "address"].map(|it| text(&line, it));
        let id = line.get("user").and_then(Value::as_u64).map(|id| format!("user:{id}"));
        // Whoever has that number: names come and go.
        let about = |name: &str| match name {
            "" => String::new(),
            name => cx.site("audit", &[("name", name)]),
        };
        let to = about(id.as_deref().unwrap_or(name));
        let by = if actor.starts_with("user:") { about(actor) } else { String::new() };
        let name = if name.is_empty() { id.as_deref().unwrap_or_default() } else { name };
        let more = [
            ("facts", facts.into()),
            ("name", name.into()),
            ("actor", actor.into()),
            ("address", address.into()),
            ("to", to.into()),
            ("by", by.into()),
        ];
        moment::readable(with(line, more), &["at"])
    };
    items(reply, "lines").into_iter().map(line).collect()
}
