//! Django's users: `manage.py dumpdata auth authtoken token_blacklist`, or `auth_user` as CSV.
//!
//! A dump is read two or three times: first what belongs to users and stands elsewhere in it
//! (groups, keys, ended tokens), then the users, so that each is stored whole.

mod belongings;
mod groups;

use std::path::Path;

use anyhow::Context;
use serde::Deserialize;
use serde_json::{Map, Value};

use self::belongings::Belongings;
use super::items::{Items, Reading};
use super::person::DjangoUser;
use super::{Given, csv_table, json};
use crate::admin::{Hidden, KeyRecord};
use crate::printable::Printable;

/// A row of a dump.
#[derive(Debug, Deserialize)]
struct Row {
    model: String,
    #[serde(default)]
    pk: Value,
    fields: Map<String, Value>,
}

impl Row {
    fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name).and_then(Value::as_str)
    }

    /// What a field lists; nothing where there is none.
    fn list(&self, name: &str) -> &[Value] {
        self.fields.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
}

/// Whom a row belongs to: by id, or by name in dumps with natural keys.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Owner {
    Id(u64),
    Name(String),
}

impl Owner {
    fn of(value: Option<&Value>) -> Option<Self> {
        let value = value?;
        match value.as_array().map(Vec::as_slice) {
            Some([name]) => name.as_str().map(|name| Self::Name(name.to_owned())),
            Some(_) => None,
            None => value.as_u64().map(Self::Id),
        }
    }
}

pub(super) fn read(
    file: &Path,
    user_model: &str,
    given: &Given,
    reading: &Reading,
    items: &mut Items,
) -> anyhow::Result<()> {
    let mut input = reading.open(file)?;
    if !matches!(json::first(&mut input)?, Some(b'[' | b'{')) {
        return csv_table::read(input, given, items);
    }
    let length = file.metadata().context("it cannot be read")?.len();
    reading.more(length);
    let mut belongings = Belongings::read(input, given, items)?;
    if belongings.has_ended() {
        reading.more(length);
        belongings.read_ended(reading.open(file)?, given, items)?;
    }
    json::rows(reading.open(file)?, &mut |row: Row| {
        if row.model.eq_ignore_ascii_case(user_model) {
            take(&row, &mut belongings, given, items)?;
        }
        Ok(())
    })?;
    items.count("API keys of nobody in the file", belongings.keys.len())
}

fn take(
    row: &Row,
    belongings: &mut Belongings,
    given: &Given,
    items: &mut Items,
) -> anyhow::Result<()> {
    let text = |name: &str| row.text(name).unwrap_or_default();
    let flag = |name: &str| row.fields.get(name).and_then(Value::as_bool);
    let username = text("username");
    let label = || format!("user {} `{}`", row.pk, Printable(username));
    let Some(id) = row.pk.as_u64().filter(|id| *id > 0) else {
        return items.skip(label(), "no number for an id; was it dumped with natural keys?");
    };
    let Some(active) = flag("is_active") else {
        return items.skip(label(), "it does not say whether the account is active");
    };
    let user = DjangoUser {
        id,
        username,
        password: text("password"),
        email: text("email"),
        first_name: text("first_name"),
        last_name: text("last_name"),
        active,
        staff: flag("is_staff").unwrap_or(false),
        superuser: flag("is_superuser").unwrap_or(false),
        joined: text("date_joined"),
        last_login: text("last_login"),
    };
    let (mut record, mut notes) = user.record(given);
    for group in row.list("groups") {
        record.groups.extend(belongings.groups.of_member(group, given, items, &mut notes)?);
    }
    if let Some(own) = belongings.permissions.named(row.list("user_permissions")) {
        notes.push(format!("its own permissions are not taken: {own}"));
    }
    for owner in [Owner::Id(id), Owner::Name(username.to_owned())] {
        record.sessions.extend(belongings.ended.remove(&owner).unwrap_or_default());
        if let Some(key) = belongings.keys.remove(&owner) {
            record.key = Some(KeyRecord::Plain(Hidden(key)));
        }
    }
    items.user(user.label(), record, notes)
}
