//! The admin site: operators' commands, given in a browser.
//!
//! All of it asks the [`Office`](super::Office), which is the door that the command line asks, too:
//! what that refuses and records is the same from a page. `TABLE` is the whole of it.

mod asks;
mod audit;
mod delete;
mod explain;
mod factors;
mod group;
mod groups;
mod invitations;
mod sessions;
mod state;
mod user;
mod user_acts;
mod user_add;
mod users;

use http::StatusCode;
use serde_json::{Value, json};

use super::form::Form;
use super::office::Denied;
use super::outcome::{Outcome, View};
use super::table::{Row, page};
use super::visit::Context;
use crate::session::normalize_username;

/// The frame that its pages are in, within that of all pages.
pub(super) const FRAME: &str = "site.html";

pub(super) static TABLE: [Row; 13] = [
    page!("", "site users", Operator, users::get),
    page!("user/add", "site user/add", Operator, user_add::get, user_add::post),
    page!("user", "site user", Operator, user::get, user_acts::post),
    page!("user/delete", "site user/delete", Operator, delete::get, delete::post),
    page!("user/factors", "site user/factors", Operator, factors::get, factors::post),
    page!("groups", "site groups", Operator, groups::get, groups::post),
    page!("group", "site group", Operator, group::get, group::post),
    page!("group/delete", "site group/delete", Operator, group::ask, group::delete),
    page!("invitations", "site invitations", Operator, invitations::get, invitations::post),
    page!("sessions", "site sessions", Operator, sessions::get, sessions::post),
    page!("audit", "site audit", Operator, audit::get),
    page!("state", "site state", Operator, state::get),
    page!("explain", "site explain", Operator, explain::get),
];

/// Its parts: what each is called, and where it is.
const PARTS: [(&str, &str); 6] = [
    ("Users", ""),
    ("Groups", "groups"),
    ("Invitations", "invitations"),
    ("Sessions", "sessions"),
    ("Audit record", "audit"),
    ("Gateway", "state"),
];

const HOME: &str = "Your account";

/// What it says beside its templates.
#[cfg(test)]
pub(super) fn texts() -> impl Iterator<Item = &'static str> {
    let parts = PARTS.into_iter().map(|(label, _)| label).chain([HOME, NOT_DONE]);
    parts
        .chain(users::texts())
        .chain(user::texts())
        .chain(user_add::texts())
        .chain(asks::texts())
        .chain(delete::texts())
        .chain(factors::texts())
        .chain(groups::texts())
        .chain(group::texts())
        .chain(invitations::texts())
        .chain(sessions::texts())
        .chain(audit::texts())
        .chain(state::texts())
        .chain(explain::texts())
}

/// Every template of it, with what it may be filled with.
pub(super) fn samples() -> impl Iterator<Item = (&'static str, Value)> {
    let parts = [json!({ "label": "Users", "to": "/manage/", "current": true })];
    [
        (FRAME, json!({ "parts": parts, "body": "text" })),
        ("users.html", users::sample()),
        ("user.html", user::sample()),
        ("user_add.html", user_add::sample()),
        ("groups.html", groups::sample()),
        ("group.html", group::sample()),
        ("invitations.html", invitations::sample()),
        ("sessions.html", sessions::sample()),
        ("audit.html", audit::sample()),
        ("state.html", state::sample()),
        ("explain.html", explain::sample()),
    ]
    .into_iter()
}

const NOT_DONE: &str = "This was not done";

/// Whether that is the name of whoever looks.
fn is_oneself(cx: &Context<'_>, name: &str) -> bool {
    let caller = cx.caller.as_ref().map(|caller| caller.identity.username.as_str());
    caller == Some(normalize_username(name).as_str())
}

/// Why nobody shuts themselves out here: an admin is left for whoever comes to regret it.
fn not_to_oneself() -> Denied {
    let detail = "this would shut you out; let another admin do it, or the command line";
    Denied::new(StatusCode::CONFLICT, "conflict", detail)
}

/// Why a form that is none of the site's changes nothing.
fn no_such_act() -> Denied {
    Denied::new(StatusCode::BAD_REQUEST, "bad_request", "there is no such act")
}

/// Why a form whose fields cannot be read changes nothing, as the door would say it.
fn invalid(detail: &str) -> Denied {
    Denied::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
}

impl View {
    /// The same with the status of a command that was refused, if one was.
    fn told(self, denied: Option<&Denied>) -> Self {
        let Some(Denied { status, code, .. }) = denied else { return self };
        Self { status: *status, code: Some(code), ..self }
    }
}

impl Context<'_> {
    /// Has a command carried out for whoever looks.
    async fn command(&self, command: Value) -> Result<Value, Denied> {
        let user = self.caller.as_ref().and_then(|caller| caller.user);
        let nobody =
            || Denied::new(StatusCode::FORBIDDEN, "forbidden", "no user of this gateway asks");
        self.office.command(command, user.ok_or_else(nobody)?).await
    }

    /// The path of a page of the site, with a query where there is something to ask.
    fn site(&self, below: &str, query: &[(&str, &str)]) -> String {
        let site = self.settings.site.as_ref().map_or("", |site| &site.path);
        let slash = if below.is_empty() { "" } else { "/" };
        let mut to = format!("{site}/{below}{slash}");
        let asked = query.iter().filter(|(_, value)| !value.is_empty());
        let asked = form_urlencoded::Serializer::new(String::new()).extend_pairs(asked).finish();
        if !asked.is_empty() {
            to.push('?');
            to.push_str(&asked);
        }
        to
    }

    /// Where the next part of a list is; `about` is what the page is about, or empty.
    fn next_part(&self, below: &str, about: &str, next: Option<usize>) -> Option<String> {
        let next = next?.to_string();
        Some(self.site(below, &[("name", about), ("from", &next)]))
    }

    /// A page of one of its [parts](PARTS).
    fn site_page(
        &self,
        part: &str,
        template: &'static str,
        title: &'static str,
        data: Value,
    ) -> View {
        self.on_site(part, View::good(template, title, data))
    }

    /// The same of a view that is there.
    fn on_site(&self, part: &str, view: View) -> View {
        let parts = PARTS.iter().map(|(label, below)| {
            json!({ "label": label, "to": self.site(below, &[]), "current": *below == part })
        });
        let home = json!({ "label": HOME, "to": self.page(""), "current": false });
        let parts: Vec<_> = parts.chain([home]).collect();
        View { within: Some(json!({ "parts": parts })), ..view }
    }

    /// The page of a command that was not carried out, where there is nothing else to show.
    fn denied(&self, part: &str, denied: &Denied) -> Outcome {
        let data =
            json!({ "texts": [denied.told(self.language)], "links": [], "code": denied.code });
        let view = self.site_page(part, "notice.html", NOT_DONE, data);
        View { status: denied.status, code: Some(denied.code), ..view }.into()
    }
}

/// The items of a list in a reply.
fn items(reply: &mut Value, name: &str) -> Vec<Value> {
    let list = reply.get_mut(name).and_then(Value::as_array_mut);
    list.map(std::mem::take).unwrap_or_default()
}

/// The texts of a list in a reply, as one.
fn joined(object: &Value, name: &str) -> String {
    texts_of(object, name).collect::<Vec<_>>().join(", ")
}

/// The texts of a list in a reply, each.
fn texts_of<'v>(object: &'v Value, name: &str) -> impl Iterator<Item = &'v str> {
    object.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// What somebody typed with spaces or commas between.
fn words(typed: &str) -> Vec<&str> {
    typed.split([' ', ',']).filter(|word| !word.is_empty()).collect()
}

/// A text of a reply; empty where there is none.
fn text<'v>(object: &'v Value, name: &str) -> &'v str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The same object with more in it.
fn with(object: Value, more: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let mut object = object;
    if let Some(members) = object.as_object_mut() {
        members.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
    object
}

/// Choices of a list to choose from: what is sent, and what it is called in English.
fn choices(known: &[(&'static str, &'static str)], chosen: &str) -> Vec<Value> {
    let choice = |(value, label): &(&str, &str)| json!({ "value": value, "label": label, "chosen": *value == chosen });
    known.iter().map(choice).collect()
}

/// Where a list goes on, as the query says it.
fn place(query: &Form, name: &str) -> Option<u64> {
    query.text(name).parse().ok()
}
