//! The acts that destroy something: each is asked about once, and what goes is named.

use http::StatusCode;
use serde_json::{Value, json};

use super::{group, items, joined, no_such_act, text};
use crate::pages::api_keys;
use crate::pages::confirm::{Confirm, Fact};
use crate::pages::devices;
use crate::pages::form::Form;
use crate::pages::office::Denied;
use crate::pages::outcome::Outcome;
use crate::pages::visit::Context;

/// An act that is asked about.
struct Act {
    /// As a form says it.
    name: &'static str,
    goes: Goes,
    asked: Confirm,
}

/// What goes by an act.
#[derive(Clone, Copy)]
enum Goes {
    /// All sessions of a user.
    Sessions,
    /// One of them.
    Session,
    /// A role of a user.
    Role,
    /// A user's place in a group.
    Place,
    /// A role of a group.
    GroupRole,
    /// A claim of a user.
    Claim,
    Key,
    Invitation,
}

const ACTS: [Act; 9] = [
    Act {
        name: "deactivate",
        goes: Goes::Sessions,
        asked: Confirm {
            title: "Shut a user out?",
            warning: "From the next request on nobody gets in with this account, until it is let \
                      in again.",
            facts: &["Username", "Sessions"],
            submit: "Shut out",
        },
    },
    Act {
        name: "role-remove",
        goes: Goes::Role,
        asked: Confirm {
            title: "Take a role from a user?",
            warning: "What it opened is shut to the user, from the next request on.",
            facts: &["Username", "Role"],
            submit: "Take the role",
        },
    },
    Act {
        name: "claim-remove",
        goes: Goes::Claim,
        asked: Confirm {
            title: "Take a claim from a user?",
            warning: "Rules and servers know nothing of it any more, from the next request on.",
            facts: &["Username", "Claim", "Value"],
            submit: "Take the claim",
        },
    },
    Act {
        name: "group-leave",
        goes: Goes::Place,
        asked: Confirm {
            title: "Take a user out of a group?",
            warning: "The user loses what the group gives, from the next request on.",
            facts: &["Username", "Group", "Roles"],
            submit: "Take out of the group",
        },
    },
    Act {
        name: "group-role-remove",
        goes: Goes::GroupRole,
        asked: Confirm {
            title: "Take a role from a group?",
            warning: "Its members lose the role, from the next request on.",
            facts: &["Group", "Role", "Members"],
            submit: "Take the role",
        },
    },
    Act {
        name: "session-end",
        goes: Goes::Session,
        asked: Confirm {
            title: "End a session?",
            warning: "Whoever uses it is signed out.",
            facts: &["Username", "Device", "Address", "Signed in"],
            submit: "End this session",
        },
    },
    Act {
        name: "session-end-all",
        goes: Goes::Sessions,
        asked: Confirm {
            title: "End all sessions of a user?",
            warning: "The user is signed out everywhere.",
            facts: &["Username", "Sessions"],
            submit: "End all sessions",
        },
    },
    Act {
        name: "api-key-revoke",
        goes: Goes::Key,
        asked: Confirm {
            facts: &["Username", "Name", "Begins with", "Created"],
            ..api_keys::REVOKE
        },
    },
    Act {
        name: "revoke",
        goes: Goes::Invitation,
        asked: Confirm {
            title: "Revoke an invitation?",
            warning: "No account can be made with it any more.",
            facts: &[
                "Number",
                "The only address it is for",
                "Roles",
                "Accounts that may be made with it",
                "Good until",
            ],
            submit: "Revoke the invitation",
        },
    },
];

/// What it says.
#[cfg(test)]
pub(super) fn texts() -> impl Iterator<Item = &'static str> {
    ACTS.into_iter().flat_map(|act| act.asked.texts().collect::<Vec<_>>())
}

/// Whom an act is about, and where its page is.
pub(super) struct About<'a> {
    pub(super) part: &'static str,
    pub(super) user: &'a str,
    pub(super) group: &'a str,
    /// Where its form goes.
    pub(super) action: String,
    /// The page that the form was on.
    pub(super) page: String,
}

/// What became of an act.
pub(super) enum Acted {
    /// Nothing yet: this is asked first.
    Asked(Outcome),
    /// It was done, and the door said this.
    Done(Value),
}

/// Has the command of a form carried out; one that destroys something when that was asked about.
pub(super) async fn carry_out(
    cx: &Context<'_>,
    about: &About<'_>,
    form: &Form,
    command: Value,
) -> Result<Acted, Denied> {
    let name = form.text("do");
    let asking = ACTS.iter().find(|act| act.name == name && !form.is_sure());
    let Some(Act { goes, asked, .. }) = asking else {
        return cx.command(command).await.map(Acted::Done);
    };
    let facts = facts(cx, *goes, about, form).await?;
    let view = asked.view(facts, form, &about.action, &about.page);
    Ok(Acted::Asked(cx.on_site(about.part, view).into()))
}

/// What is named, in the order of the names.
async fn facts(
    cx: &Context<'_>,
    goes: Goes,
    about: &About<'_>,
    form: &Form,
) -> Result<Vec<Fact>, Denied> {
    let role = || Fact::from(form.text("role").trim());
    Ok(match goes {
        Goes::Sessions => {
            let count = sessions(cx, about.user).await?.len();
            vec![username(cx, about.user).await?, count.to_string().into()]
        }
        Goes::Session => {
            let session = session(cx, about.user, form.text("session").trim()).await?;
            let [device, address] = ["device_text", "address"].map(|it| text(&session, it).into());
            let started = Fact::moment(text(&session, "started"));
            vec![username(cx, about.user).await?, device, address, started]
        }
        Goes::Role => vec![username(cx, about.user).await?, role()],
        Goes::Claim => {
            let claim = form.text("claim");
            let user = user(cx, about.user).await?;
            let value = user.get("claims").and_then(|claims| claims.get(claim)?.as_str());
            let value = value.ok_or_else(|| missing("the user has no such claim".to_owned()))?;
            vec![text(&user, "username").into(), claim.into(), value.into()]
        }
        Goes::Place => {
            let group = group_of(cx, about.group).await?;
            let (name, roles) = (text(&group, "name").into(), joined(&group, "roles").into());
            vec![username(cx, about.user).await?, name, roles]
        }
        Goes::GroupRole => {
            let group = group_of(cx, about.group).await?;
            vec![text(&group, "name").into(), role(), group::members(&group).into()]
        }
        Goes::Key => {
            let key = key(cx, about.user, number(form)?).await?;
            let user = username(cx, about.user).await?;
            std::iter::once(user).chain(api_keys::facts(&key)).collect()
        }
        Goes::Invitation => {
            let one = invitation(cx, number(form)?).await?;
            let left = one.get("left").map(ToString::to_string).unwrap_or_default();
            vec![
                form.text("id").into(),
                text(&one, "email").into(),
                joined(&one, "roles").into(),
                left.into(),
                Fact::moment(text(&one, "expires")),
            ]
        }
    })
}

/// The name as the user has it.
async fn username(cx: &Context<'_>, name: &str) -> Result<Fact, Denied> {
    Ok(text(&user(cx, name).await?, "username").into())
}

async fn user(cx: &Context<'_>, name: &str) -> Result<Value, Denied> {
    cx.command(json!({ "command": "user-show", "name": name })).await
}

async fn group_of(cx: &Context<'_>, name: &str) -> Result<Value, Denied> {
    cx.command(json!({ "command": "group-show", "group": name })).await
}

async fn sessions(cx: &Context<'_>, name: &str) -> Result<Vec<Value>, Denied> {
    let mut reply = cx.command(json!({ "command": "session-list", "name": name })).await?;
    Ok(items(&mut reply, "sessions"))
}

async fn session(cx: &Context<'_>, name: &str, id: &str) -> Result<Value, Denied> {
    let gone = || missing("the user has no such session; it may have ended".to_owned());
    let number: u64 = id.split('-').next().and_then(|it| it.parse().ok()).ok_or_else(gone)?;
    // They are listed by their numbers, the one before the next at first.
    let before = number.checked_add(1);
    let asked = json!({ "command": "session-list", "name": name, "before": before, "limit": 1 });
    let found = items(&mut cx.command(asked).await?, "sessions");
    let found = found.into_iter().find(|session| text(session, "id") == id);
    found.map(devices::readable).ok_or_else(gone)
}

/// An API key of that user, and of nobody else.
pub(super) async fn key(cx: &Context<'_>, name: &str, id: u64) -> Result<Value, Denied> {
    let asked = json!({ "command": "api-key-list", "user": name, "after": null, "limit": 1 });
    let keys = items(&mut cx.command(asked).await?, "keys");
    numbered(keys, id).ok_or_else(|| missing(format!("the user has no API key {id}")))
}

async fn invitation(cx: &Context<'_>, id: u64) -> Result<Value, Denied> {
    // They are listed by their numbers, from the next one on.
    let before = id.checked_sub(1);
    let listed = json!({ "command": "invite-list", "after": before, "limit": 1 });
    let found = items(&mut cx.command(listed).await?, "invitations");
    let gone = || missing(format!("there is no invitation {id}; it may be used up"));
    numbered(found, id).ok_or_else(gone)
}

/// The number of what a form is about.
fn number(form: &Form) -> Result<u64, Denied> {
    form.text("id").parse().map_err(|_| no_such_act())
}

fn numbered(list: Vec<Value>, id: u64) -> Option<Value> {
    list.into_iter().find(|one| one.get("id").and_then(Value::as_u64) == Some(id))
}

fn missing(detail: String) -> Denied {
    Denied::new(StatusCode::NOT_FOUND, "not_found", detail)
}
