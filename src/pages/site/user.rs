//! One user: what there is to know, and to do.

use serde_json::{Value, json};

use super::{audit, factors, items, joined, text, texts_of, with};
use crate::pages::devices;
use crate::pages::form::Form;
use crate::pages::moment;
use crate::pages::office::Denied;
use crate::pages::outcome::{Outcome, View};
use crate::pages::visit::Context;

const TITLE: &str = "User";

/// Sessions, and lines of the record, that are shown.
const SHOWN: usize = 20;
const TRAIL: usize = 10;

/// Groups that are offered to choose from; of more the name is typed.
const OFFERED: usize = 100;

/// What is said of each act that was done.
pub(super) const DONE: [(&str, &str); 15] = [
    ("added", "The user is there."),
    ("email", "The address was changed."),
    ("role-add", "The role was given."),
    ("role-remove", "The role was taken."),
    ("group-join", "The user is in the group."),
    ("group-leave", "The user is out of the group."),
    ("claim-set", "The claim was set."),
    ("claim-remove", "The claim was taken."),
    ("activate", "The user is let in again."),
    ("deactivate", "The user is shut out."),
    ("set-password", "The password was set. All sessions of the user are over."),
    ("factors", "The second factor was removed."),
    ("session-end", "The session has ended."),
    ("session-end-all", "All sessions of the user are over."),
    ("api-key-revoke", "The key is revoked."),
];

/// What it says beside its template.
#[cfg(test)]
pub(super) fn texts() -> impl Iterator<Item = &'static str> {
    DONE.into_iter().map(|(_, text)| text).chain([TITLE])
}

/// What it is filled with, of somebody made up.
pub(super) fn sample() -> Value {
    let moment = "2026-01-02T03:04:05Z";
    let words = "2026-01-02 03:04 UTC";
    let user = json!({
        "notice": "The role was given.",
        "faults": ["there is no group `x`"],
        "action": "/manage/user/?name=alice",
        "delete": "/manage/user/delete/?name=alice",
        "reset_factors": "/manage/user/factors/?name=alice",
        "has_factor": true,
        "passkeys": 2,
        "factor_since": moment,
        "factor_since_text": words,
        "recovery_codes": 9,
        "trail_to": "/manage/audit/?name=alice",
        "id": 7,
        "username": "alice",
        "email": "alice@example.com",
        "email_verified": true,
        "active": true,
        "has_password": true,
        "created": moment,
        "created_text": words,
        "last_login": moment,
        "last_login_text": words,
        "own": ["editor"],
        "inherited": "admin",
        "groups": ["staff"],
        "others": ["board"],
        "claims": [{ "name": "tenant", "value": "acme" }],
        "sessions": [devices::sample_session()],
        "session_count": 1,
        "keys": [{
            "id": 7,
            "name": "backup",
            "hint": "pck_1234",
            "created": moment,
            "created_text": words,
            "expires": moment,
            "expires_text": words,
            "last_used": moment,
            "last_used_text": words,
        }],
        "trail": [audit::sample_line()],
    });
    let more = [
        ("many_others", true.into()),
        ("typed_role", "editor".into()),
        ("typed_group", "board".into()),
        ("typed_claim", "tenant".into()),
        ("typed_value", "acme".into()),
        ("link", "https://app.example.com/auth/reset/?uid=7&token=T".into()),
        ("link_expires", moment.into()),
        ("link_expires_text", words.into()),
    ];
    with(user, more)
}

/// What is to be said above it.
#[derive(Default)]
pub(super) struct Said {
    pub(super) denied: Option<Denied>,
    /// What was sent then, to be mended.
    pub(super) sent: Form,
    /// A link that was just made, and when it ends.
    pub(super) link: Option<(String, String)>,
}

pub(super) async fn get(cx: &Context<'_>) -> Outcome {
    view(cx, Said::default()).await
}

/// The page of the user whom the query names.
pub(super) async fn view(cx: &Context<'_>, said: Said) -> Outcome {
    let Said { denied, sent, link } = said;
    let name = cx.query.text("name");
    let facts = match facts(cx, name).await {
        Ok(facts) => facts,
        Err(missing) => return cx.denied("", &denied.unwrap_or(missing)),
    };
    let name = text(&facts, "username").to_owned();
    let asked = [("name", name.as_str())];
    let id = facts.get("id").map(ToString::to_string).unwrap_or_default();
    let (link, ends) = link.unzip();
    let data = with(
        facts,
        [
            ("notice", if denied.is_none() { cx.done(&DONE) } else { "" }.into()),
            (
                "faults",
                denied.iter().map(|denied| denied.told(cx.language)).collect::<Vec<_>>().into(),
            ),
            ("link", link.into()),
            ("link_expires_text", ends.as_deref().map(moment::in_words).into()),
            ("link_expires", ends.into()),
            ("action", cx.site("user", &[asked[0], ("id", &id)]).into()),
            ("delete", cx.site("user/delete", &asked).into()),
            ("reset_factors", cx.site("user/factors", &asked).into()),
            ("trail_to", cx.site("audit", &asked).into()),
        ],
    );
    let data = as_typed(data, &sent);
    View::told(cx.site_page("", "user.html", TITLE, data), denied.as_ref()).into()
}

/// The same with what somebody typed into the form that was sent. No password comes back.
fn as_typed(data: Value, sent: &Form) -> Value {
    let act = sent.text("do");
    let typed = |of: &str, field| if act == of { sent.text(field) } else { "" };
    let more = [
        ("typed_role", typed("role-add", "role").into()),
        ("typed_group", typed("group-join", "group").into()),
        ("typed_claim", typed("claim-set", "claim").into()),
        ("typed_value", typed("claim-set", "value").into()),
    ];
    let data = with(data, more);
    if act != "email" {
        return data;
    }
    let is_verified = sent.text("verified") == "1";
    with(data, [("email", sent.text("email").into()), ("email_verified", is_verified.into())])
}

async fn facts(cx: &Context<'_>, name: &str) -> Result<Value, Denied> {
    let user = cx.command(json!({ "command": "user-show", "name": name })).await?;
    let mut sessions = cx.command(json!({ "command": "session-list", "name": name })).await?;
    let asked = json!({ "command": "api-key-list", "user": name, "after": null, "limit": SHOWN });
    let mut keys = cx.command(asked).await?;
    let mut groups = cx.command(json!({ "command": "group-list" })).await?;
    let second = cx.command(json!({ "command": "user-factors", "name": name })).await?;
    let sessions = items(&mut sessions, "sessions");
    let count = sessions.len();
    let sessions: Vec<_> = sessions.into_iter().take(SHOWN).map(devices::readable).collect();
    let keys = items(&mut keys, "keys").into_iter();
    let keys: Vec<_> =
        keys.map(|it| moment::readable(it, &["created", "expires", "last_used"])).collect();
    let is_among = |list: &str, name: &str| {
        let list = user.get(list).and_then(Value::as_array);
        list.is_some_and(|list| list.iter().any(|item| item == name))
    };
    let own: Vec<_> = texts_of(&user, "roles").filter(|it| !is_among("inherited", it)).collect();
    let others = items(&mut groups, "groups");
    let others: Vec<_> =
        others.iter().map(|it| text(it, "name")).filter(|it| !is_among("groups", it)).collect();
    let is_long = others.len() > OFFERED;
    let others = if is_long { Vec::new() } else { others };
    let claims = user.get("claims").and_then(Value::as_object).into_iter().flatten();
    let claims: Vec<_> =
        claims.map(|(name, value)| json!({ "name": name, "value": value })).collect();
    let more = [
        ("own", own.into()),
        ("others", others.into()),
        ("many_others", is_long.into()),
        ("inherited", joined(&user, "inherited").into()),
        ("claims", claims.into()),
        ("sessions", sessions.into()),
        ("session_count", count.into()),
        ("keys", keys.into()),
        ("trail", audit::trail(cx, text(&user, "username"), TRAIL).await),
    ];
    let user = moment::readable(user.clone(), &["created", "last_login"]);
    Ok(with(with(user, more), factors::readable(&second)))
}
