//! The groups: listed, and made.

use serde_json::{Value, json};

use super::{items, joined, text, with};
use crate::pages::form::Form;
use crate::pages::office::Denied;
use crate::pages::outcome::{Outcome, View};
use crate::pages::portion::Portion;
use crate::pages::visit::Context;

const TITLE: &str = "Groups";

/// Groups on one page.
const MOST: usize = 100;

const DONE: [(&str, &str); 1] = [("deleted", "The group is gone.")];

/// What it says beside its template.
#[cfg(test)]
pub(super) fn texts() -> impl Iterator<Item = &'static str> {
    DONE.into_iter().map(|(_, text)| text).chain([TITLE])
}

/// What it is filled with, of a group made up.
pub(super) fn sample() -> Value {
    json!({
        "notice": "The group is gone.",
        "faults": ["there is a group `staff` already"],
        "action": "/manage/groups/",
        "name": "staff",
        "groups": [{ "name": "staff", "to": "/manage/group/?name=staff", "roles": "editor, viewer" }],
        "next": "/manage/groups/?from=100",
    })
}

pub(super) async fn get(cx: &Context<'_>) -> Outcome {
    view(cx, "", None).await
}

pub(super) async fn post(cx: &Context<'_>, form: Form) -> Outcome {
    let name = form.text("name").trim();
    match cx.command(json!({ "command": "group-add", "group": name })).await {
        Ok(group) => {
            Outcome::go(cx.site("group", &[("name", text(&group, "name")), ("done", "added")]))
        }
        Err(denied) => view(cx, name, Some(denied)).await,
    }
}

async fn view(cx: &Context<'_>, name: &str, denied: Option<Denied>) -> Outcome {
    let mut reply = match cx.command(json!({ "command": "group-list" })).await {
        Ok(reply) => reply,
        Err(missing) => return cx.denied("groups", &denied.unwrap_or(missing)),
    };
    let Portion { shown, next } =
        Portion::of(items(&mut reply, "groups"), cx.query.text("from"), MOST);
    let groups = shown.into_iter().map(|group| {
        let to = cx.site("group", &[("name", text(&group, "name"))]);
        let roles = joined(&group, "roles");
        with(group, [("to", to.into()), ("roles", roles.into())])
    });
    let data = json!({
        "notice": if denied.is_none() { cx.done(&DONE) } else { "" },
        "faults": denied.iter().map(|denied| denied.told(cx.language)).collect::<Vec<_>>(),
        "action": cx.site("groups", &[]),
        "name": name,
        "groups": groups.collect::<Vec<_>>(),
        "next": cx.next_part("groups", "", next),
    });
    View::told(cx.site_page("groups", "groups.html", TITLE, data), denied.as_ref()).into()
}
