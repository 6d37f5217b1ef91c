//! Django's table `auth_user` as CSV, with the names of the columns in the first line.

use std::io::Read;

use anyhow::{Context, anyhow, bail};
use csv::{Reader, StringRecord};

use super::Given;
use super::items::Items;
use super::person::DjangoUser;
use crate::printable::Printable;

pub(super) fn read(input: impl Read, given: &Given, items: &mut Items) -> anyhow::Result<()> {
    let mut table = Reader::from_reader(input);
    let heads = table.headers().map_err(|error| broken(&error))?.clone();
    let column = |name: &str| heads.iter().position(|head| head.trim() == name);
    for needed in ["id", "username", "password", "is_active"] {
        column(needed).with_context(|| {
            format!(
                "neither JSON nor CSV of `auth_user`: the first line names no column `{needed}`"
            )
        })?;
    }
    let mut row = StringRecord::new();
    while table.read_record(&mut row).map_err(|error| broken(&error))? {
        let text = |name: &str| {
            let value = column(name).and_then(|at| row.get(at)).unwrap_or_default();
            // How databases write nothing.
            if matches!(value, "\\N" | "NULL") { "" } else { value }
        };
        let label = || format!("user {} `{}`", Printable(text("id")), Printable(text("username")));
        let Some(id) = text("id").parse().ok().filter(|id| *id > 0) else {
            items.skip(label(), "no number for an id")?;
            continue;
        };
        let Ok(active) = flag(text("is_active")) else {
            items.skip(label(), "it does not say whether the account is active")?;
            continue;
        };
        let user = DjangoUser {
            id,
            username: text("username"),
            password: text("password"),
            email: text("email"),
            first_name: text("first_name"),
            last_name: text("last_name"),
            active,
            staff: flag(text("is_staff")).unwrap_or(false),
            superuser: flag(text("is_superuser")).unwrap_or(false),
            joined: text("date_joined"),
            last_login: text("last_login"),
        };
        let (record, notes) = user.record(given);
        items.user(user.label(), record, notes)?;
    }
    Ok(())
}

/// Truth, as databases write it.
fn flag(text: &str) -> anyhow::Result<bool> {
    match text {
        "1" | "t" | "true" | "True" | "TRUE" => Ok(true),
        "0" | "f" | "false" | "False" | "FALSE" => Ok(false),
        _ => bail!("neither true nor false"),
    }
}

/// Where it is not as it should be; what stands there may be a secret.
fn broken(error: &csv::Error) -> anyhow::Error {
    let line = error.position().map_or(0, csv::Position::line);
    anyhow!("not the CSV that was expected, at line {line}")
}
