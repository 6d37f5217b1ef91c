//! Django's users: `manage.py dumpdata auth authtoken token_blacklist`, or `auth_user` as CSV.
//!
//! A dump is read two or three times: first what belongs to users and stands elsewhere in it
//! (groups, keys, ended tokens), then the users, so that each is stored whole.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::items::{Items, Reading};
use super::moment::millis;
use super::person::DjangoUser;
use super::{Given, csv_table, json};
use crate::admin::{Hidden, KeyRecord, Reason, SessionRecord};
use crate::printable::Printable;

/// A row of a dump.
#[derive(Debug, Deserialize)]
struct Row {
    model: String,
    #[serde(default)]
    pk: Value,
    fields: Map<String, Value>,
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

/// What belongs to users and stands elsewhere in the dump.
#[derive(Debug, Default)]
struct Belongings {
    groups: HashMap<u64, String>,
    keys: HashMap<Owner, String>,
    /// Ended tokens that could still be alive.
    ended: HashMap<Owner, Vec<SessionRecord>>,
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
    let mut belongings = Belongings::default();
    // The numbers of ended tokens, and when that was.
    let mut ended: HashMap<u64, u64> = HashMap::new();
    let (mut outstanding, mut permissions) = (0, 0);
    json::rows(input, &mut |row: Row| {
        let text = |name: &str| row.fields.get(name).and_then(Value::as_str);
        match row.model.as_str() {
            "auth.group" => {
                let named = row.pk.as_u64().zip(text("name"));
                belongings.groups.extend(named.map(|(id, name)| (id, name.to_owned())));
            }
            "authtoken.token" => {
                let key = Owner::of(row.fields.get("user")).zip(row.pk.as_str());
                belongings.keys.extend(key.map(|(owner, key)| (owner, key.to_owned())));
            }
            "token_blacklist.blacklistedtoken" => {
                let at = text("blacklisted_at").and_then(millis);
                let token = row.fields.get("token").and_then(Value::as_u64);
                ended.extend(token.map(|token| (token, at.unwrap_or(given.now.as_millis()))));
            }
            "token_blacklist.outstandingtoken" => outstanding += 1,
            "auth.permission" => permissions += 1,
            _ => {}
        }
        Ok(())
    })?;
    let named = |name: &str| given.roles.groups.contains_key(name);
    for name in belongings.groups.values().filter(|name| !named(name)) {
        let reason = "[import.groups] has no role for it, so its members get none";
        items.skip(format!("group `{}`", Printable(name)), reason)?;
    }
    items.count("permissions, which are not taken: roles are", permissions)?;
    items.count("refresh tokens that go on", outstanding - ended.len().min(outstanding))?;
    if !ended.is_empty() {
        reading.more(length);
        read_ended(reading.open(file)?, &ended, given, &mut belongings, items)?;
    }
    json::rows(reading.open(file)?, &mut |row: Row| {
        if row.model.eq_ignore_ascii_case(user_model) {
            take(&row, &mut belongings, given, items)?;
        }
        Ok(())
    })?;
    items.count("API keys of nobody in the file", belongings.keys.len())
}

/// The ended tokens that could still be alive, by their owners.
fn read_ended(
    input: super::items::Input,
    ended: &HashMap<u64, u64>,
    given: &Given,
    belongings: &mut Belongings,
    items: &mut Items,
) -> anyhow::Result<()> {
    let mut dead = 0;
    json::rows(input, &mut |row: Row| {
        if row.model != "token_blacklist.outstandingtoken" {
            return Ok(());
        }
        let Some(at) = row.pk.as_u64().and_then(|pk| ended.get(&pk)) else { return Ok(()) };
        let text = |name: &str| row.fields.get(name).and_then(Value::as_str);
        let owner = Owner::of(row.fields.get("user"));
        let (Some(owner), Some(jti), Some(expires)) =
            (owner, text("jti"), text("expires_at").and_then(millis))
        else {
            // Of a user who is gone: none of its tokens is good anyway.
            dead += 1;
            return Ok(());
        };
        // Tokens count in seconds.
        if expires + 1000 < given.now.as_millis() {
            dead += 1;
            return Ok(());
        }
        let started = text("created_at").and_then(millis).unwrap_or(*at);
        belongings.ended.entry(owner).or_default().push(SessionRecord {
            started,
            last_used: started,
            expires,
            ends: expires,
            ended: Some((*at, Reason::LoggedOut)),
            adopted: Some(jti.to_owned()),
            ..SessionRecord::default()
        });
        Ok(())
    })?;
    items.count("blacklisted tokens that are dead anyway", dead)
}

fn take(
    row: &Row,
    belongings: &mut Belongings,
    given: &Given,
    items: &mut Items,
) -> anyhow::Result<()> {
    let text = |name: &str| row.fields.get(name).and_then(Value::as_str).unwrap_or_default();
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
    for group in row.fields.get("groups").and_then(Value::as_array).into_iter().flatten() {
        let name = match Owner::of(Some(group)) {
            Some(Owner::Id(id)) => belongings.groups.get(&id).cloned(),
            Some(Owner::Name(name)) => Some(name),
            None => None,
        };
        let granted = name.and_then(|name| given.roles.groups.get(&name));
        record.roles.extend(granted.into_iter().flatten().cloned());
    }
    if row.fields.get("user_permissions").and_then(Value::as_array).is_some_and(|it| !it.is_empty())
    {
        notes.push("its own permissions are not taken".to_owned());
    }
    record.roles.sort_unstable();
    record.roles.dedup();
    for owner in [Owner::Id(id), Owner::Name(username.to_owned())] {
        record.sessions.extend(belongings.ended.remove(&owner).unwrap_or_default());
        if let Some(key) = belongings.keys.remove(&owner) {
            record.key = Some(KeyRecord::Plain(Hidden(key)));
        }
    }
    items.user(user.label(), record, notes)
}
