//! The users: looked for, and listed in pages.

use std::num::NonZeroU32;

use serde_json::{Value, json};

use super::{choices, items, joined, place, text, with};
use crate::pages::moment;
use crate::pages::outcome::Outcome;
use crate::pages::visit::Context;

const TITLE: &str = "Users";

/// Users on a page.
const SHOWN: usize = 50;

const STATES: [(&str, &str); 3] = [("", "all"), ("active", "let in"), ("inactive", "shut out")];
const IDLE: [(&str, &str); 4] = [
    ("", "at any time"),
    ("30", "not for 30 days"),
    ("90", "not for 90 days"),
    ("365", "not for 365 days"),
];
const DONE: [(&str, &str); 1] = [("deleted", "The user is gone.")];

/// What it says beside its template.
#[cfg(test)]
pub(super) fn texts() -> impl Iterator<Item = &'static str> {
    let choices = STATES.into_iter().chain(DONE).map(|(_, label)| label);
    // Numbers stand in the catalogue for any.
    choices.chain([TITLE, "at any time", "not for {n} days"])
}

/// What it is filled with, of somebody made up.
pub(super) fn sample() -> Value {
    let user = json!({
        "username": "alice",
        "to": "/manage/user/?name=alice",
        "email": "alice@example.com",
        "email_verified": false,
        "active": false,
        "roles": "admin, editor",
        "last_login": "2026-01-02T03:04:05Z",
        "last_login_text": "2026-01-02 03:04 UTC",
    });
    json!({
        "notice": "The user is gone.",
        "action": "/manage/",
        "add": "/manage/user/add/",
        "q": "ali",
        "role": "admin",
        "states": choices(&STATES, "active"),
        "idle": choices(&IDLE, "30"),
        "users": [user],
        "next": "/manage/?after=7",
        "first": "/manage/?q=ali",
    })
}

pub(super) async fn get(cx: &Context<'_>) -> Outcome {
    let [q, role, state, idle] = ["q", "role", "state", "idle"].map(|name| cx.query.text(name));
    let active = match state {
        "active" => Some(true),
        "inactive" => Some(false),
        _ => None,
    };
    let days: Option<NonZeroU32> = idle.parse().ok();
    let after = place(&cx.query, "after");
    let reply = cx.command(json!({
        "command": "user-list",
        "after": after,
        "limit": SHOWN,
        "filter": { "text": q.trim(), "role": role.trim(), "active": active, "idle_days": days },
    }));
    let mut reply = match reply.await {
        Ok(reply) => reply,
        Err(denied) => return cx.denied("", &denied),
    };
    let users = items(&mut reply, "users").into_iter().map(|user| {
        let to = cx.site("user", &[("name", text(&user, "username"))]);
        let roles = joined(&user, "roles");
        let user = moment::readable(user, &["last_login"]);
        with(user, [("to", to.into()), ("roles", roles.into())])
    });
    let users: Vec<_> = users.collect();
    let asked = [("q", q), ("role", role), ("state", state), ("idle", idle)];
    let next = reply.get("next").and_then(Value::as_u64).map(|next| {
        let next = next.to_string();
        let asked: Vec<_> = asked.into_iter().chain([("after", next.as_str())]).collect();
        cx.site("", &asked)
    });
    let data = json!({
        "notice": cx.done(&DONE),
        "action": cx.site("", &[]),
        "add": cx.site("user/add", &[]),
        "q": q,
        "role": role,
        "states": choices(&STATES, state),
        "idle": choices(&IDLE, idle),
        "users": users,
        "next": next,
        "first": after.map(|_| cx.site("", &asked)),
    });
    cx.site_page("", "users.html", TITLE, data).into()
}
