//! One group: what it gives, and who is in it.

use serde_json::{Value, json};

use super::asks::{self, About, Acted};
use super::{joined, text, texts_of, with};
use crate::pages::confirm::Confirm;
use crate::pages::form::Form;
use crate::pages::office::Denied;
use crate::pages::outcome::{Outcome, View};
use crate::pages::portion::Portion;
use crate::pages::settings::SiteSettings;
use crate::pages::visit::Context;

const TITLE: &str = "Group";

/// Members on one page.
const MOST: usize = 50;

const ASKED: Confirm = Confirm {
    title: "Delete a group?",
    warning: "Its members lose what it gives, from the next request on:",
    facts: &["Group", "Roles", "Members"],
    submit: "Delete the group",
};

const DONE: [(&str, &str); 5] = [
    ("added", "The group is there."),
    ("group-role-add", "The role was given."),
    ("group-role-remove", "The role was taken."),
    ("group-join", "The user is in the group."),
    ("group-leave", "The user is out of the group."),
];

/// What it says beside its templates.
#[cfg(test)]
pub(super) fn texts() -> impl Iterator<Item = &'static str> {
    let done = DONE.into_iter().map(|(_, text)| text);
    done.chain(ASKED.texts()).chain([TITLE])
}

/// What it is filled with, of a group made up.
pub(super) fn sample() -> Value {
    json!({
        "notice": "The role was given.",
        "faults": ["there is no user `bob`"],
        "action": "/manage/group/?name=staff",
        "delete": "/manage/group/delete/?name=staff",
        "name": "staff",
        "roles": ["editor"],
        "members": [{ "name": "alice", "to": "/manage/user/?name=alice" }],
        "next": "/manage/group/?name=staff&from=50",
        "more": true,
    })
}

pub(super) async fn get(cx: &Context<'_>) -> Outcome {
    view(cx, None).await
}

pub(super) async fn post(cx: &Context<'_>, form: Form) -> Outcome {
    let (group, act) = (cx.query.text("name"), form.text("do"));
    let (role, user) = (form.text("role").trim(), form.text("user").trim());
    let command = match act {
        "group-role-add" | "group-role-remove" => {
            json!({ "command": act, "group": group, "role": role })
        }
        "group-join" | "group-leave" => json!({ "command": act, "group": group, "name": user }),
        _ => return view(cx, Some(super::no_such_act())).await,
    };
    let takes_the_site = match act {
        "group-role-remove" => role == SiteSettings::ROLE,
        "group-leave" => super::is_oneself(cx, user),
        _ => false,
    };
    let is_safe = if takes_the_site { keeps_the_site(cx, group).await } else { Ok(()) };
    let action = cx.site("group", &[("name", group)]);
    let about = About { part: "groups", user, group, page: action.clone(), action };
    let done = match is_safe {
        Ok(()) => asks::carry_out(cx, &about, &form, command).await,
        Err(denied) => Err(denied),
    };
    match done {
        Ok(Acted::Asked(question)) => question,
        Ok(Acted::Done(_)) => Outcome::go(cx.site("group", &[("name", group), ("done", act)])),
        Err(denied) => view(cx, Some(denied)).await,
    }
}

/// Asks once, and says what goes.
pub(super) async fn ask(cx: &Context<'_>) -> Outcome {
    let name = cx.query.text("name");
    let group = match cx.command(json!({ "command": "group-show", "group": name })).await {
        Ok(group) => group,
        Err(denied) => return cx.denied("groups", &denied),
    };
    let roles = joined(&group, "roles");
    let facts = [text(&group, "name").into(), roles.into(), members(&group).into()];
    let action = cx.site("group/delete", &[("name", name)]);
    let back = cx.site("group", &[("name", name)]);
    cx.on_site("groups", ASKED.view(facts, &Form::default(), &action, &back)).into()
}

pub(super) async fn delete(cx: &Context<'_>, _form: Form) -> Outcome {
    let name = cx.query.text("name");
    let done = match keeps_the_site(cx, name).await {
        Ok(()) => cx.command(json!({ "command": "group-delete", "group": name })).await,
        Err(denied) => Err(denied),
    };
    match done {
        Ok(_) => Outcome::go(cx.site("groups", &[("done", "deleted")])),
        Err(denied) => cx.denied("groups", &denied),
    }
}

/// Whether whoever looks may go on doing so without that group: not if it is the group that gives the
/// role.
async fn keeps_the_site(cx: &Context<'_>, group: &str) -> Result<(), Denied> {
    let name = cx.caller.as_ref().map_or("", |caller| caller.identity.username.as_str());
    let caller = cx.command(json!({ "command": "user-show", "name": name })).await?;
    let group = cx.command(json!({ "command": "group-show", "group": group })).await?;
    let has = |list: &str, wanted: &str| texts_of(&caller, list).any(|it| it == wanted);
    let gives = texts_of(&group, "roles").any(|role| role == SiteSettings::ROLE);
    let lets_in = gives && has("inherited", SiteSettings::ROLE);
    if lets_in && has("groups", text(&group, "name")) {
        Err(super::not_to_oneself())
    } else {
        Ok(())
    }
}

async fn view(cx: &Context<'_>, denied: Option<Denied>) -> Outcome {
    let name = cx.query.text("name");
    let group = match cx.command(json!({ "command": "group-show", "group": name })).await {
        Ok(group) => group,
        Err(missing) => return cx.denied("groups", &denied.unwrap_or(missing)),
    };
    let asked = [("name", text(&group, "name"))];
    let member = |name| json!({ "name": name, "to": cx.site("user", &[("name", name)]) });
    let members = texts_of(&group, "members").map(member).collect();
    let Portion { shown, next } = Portion::of(members, cx.query.text("from"), MOST);
    let is_last = next.is_none() && is_longer(&group);
    let more = [
        ("notice", if denied.is_none() { cx.done(&DONE) } else { "" }.into()),
        ("faults", denied.iter().map(|denied| denied.told(cx.language)).collect::<Vec<_>>().into()),
        ("action", cx.site("group", &asked).into()),
        ("delete", cx.site("group/delete", &asked).into()),
        ("members", shown.into()),
        ("next", cx.next_part("group", name, next).into()),
        ("more", is_last.into()),
    ];
    let data = with(group, more);
    View::told(cx.site_page("groups", "group.html", TITLE, data), denied.as_ref()).into()
}

/// The members that are shown, as one text.
pub(super) fn members(group: &Value) -> String {
    let more = if is_longer(group) { ", …" } else { "" };
    format!("{}{more}", joined(group, "members"))
}

/// Whether a group has more members than are shown.
fn is_longer(group: &Value) -> bool {
    group.get("more").and_then(Value::as_bool).unwrap_or_default()
}
