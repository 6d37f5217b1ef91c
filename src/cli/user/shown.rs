//! Users as they are printed.

use serde::Serialize;

use crate::admin::{FactorsView, Reply, UserView};
use crate::cli::out::Out;
use crate::cli::reach::another_reply;
use crate::printable::Printable;

pub(super) fn listed(what: &str, items: &[String]) -> String {
    let items: Vec<_> = items.iter().map(|item| Printable(item).to_string()).collect();
    match items.as_slice() {
        [] => format!("no {what}s"),
        [one] => format!("the {what} {one}"),
        several => format!("the {what}s {}", several.join(", ")),
    }
}

pub(super) fn claims(user: &UserView) -> Vec<String> {
    user.claims.iter().map(|(key, value)| format!("{key}={value}")).collect()
}

pub(super) fn address(user: &UserView) -> String {
    let verified = if user.email_verified { " (verified)" } else { "" };
    match user.email.as_str() {
        "" => "no address".to_owned(),
        email => format!("the address {}{verified}", Printable(email)),
    }
}

pub(super) fn factors(factors: &FactorsView) -> String {
    let FactorsView { username, totp, recovery_codes, passkeys } = factors;
    let app = totp.as_ref().map(|since| format!("an authenticator app since {since}"));
    let passkeys = match passkeys {
        0 => None,
        1 => Some("a passkey".to_owned()),
        several => Some(format!("{several} passkeys")),
    };
    let has: Vec<_> = app.into_iter().chain(passkeys).collect();
    if has.is_empty() {
        return format!("{username} has no second factor");
    }
    format!("{username} has {}, and {recovery_codes} recovery codes", has.join(", "))
}

pub(super) fn show(user: &UserView, out: &mut Out) -> anyhow::Result<()> {
    let verified = if user.email_verified { " (verified)" } else { "" };
    let yes = |yes: bool| if yes { "yes" } else { "no" };
    let rows = [
        ("id", user.id.to_string()),
        ("username", user.username.clone()),
        ("email", format!("{}{verified}", user.email)),
        ("active", yes(user.active).to_owned()),
        ("password", yes(user.has_password).to_owned()),
        ("roles", user.roles.join(", ")),
        ("inherited", user.inherited.join(", ")),
        ("groups", user.groups.join(", ")),
        ("claims", claims(user).join(", ")),
        ("created", user.created.clone()),
        ("last login", user.last_login.clone().unwrap_or_else(|| "never".to_owned())),
    ];
    for (fact, value) in rows {
        out.line(format_args!("{fact:<10}  {}", Printable(&value)).to_string().trim_end())?;
    }
    Ok(())
}

pub(super) const HEADS: [&str; 7] =
    ["ID", "USERNAME", "EMAIL", "ROLES", "ACTIVE", "CREATED", "LAST LOGIN"];

pub(super) fn row(user: &UserView) -> [String; 7] {
    [
        user.id.to_string(),
        user.username.clone(),
        user.email.clone(),
        user.roles.join(","),
        if user.active { "yes" } else { "no" }.to_owned(),
        user.created.clone(),
        user.last_login.clone().unwrap_or_else(|| "never".to_owned()),
    ]
}

/// The reply for machines: the user, with the password that was made for it.
pub(super) fn as_json(reply: &Reply, generated: Option<&str>, out: &mut Out) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Deleted<'a> {
        deleted: &'a str,
    }
    if let Reply::User(user) = reply {
        let mut user = serde_json::to_value(user)?;
        if let (Some(password), Some(fields)) = (generated, user.as_object_mut()) {
            fields.insert("password".to_owned(), password.into());
        }
        return Ok(out.json(&user)?);
    }
    if let Reply::Link { username, link, expires } = reply {
        let link = serde_json::json!({ "username": username, "link": link.0, "expires": expires });
        return Ok(out.json(&link)?);
    }
    if let Reply::Factors(factors) = reply {
        return Ok(out.json(factors)?);
    }
    let Reply::Deleted { username } = reply else { return Err(another_reply()) };
    Ok(out.json(&Deleted { deleted: username })?)
}
