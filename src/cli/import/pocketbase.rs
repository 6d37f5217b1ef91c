//! `PocketBase`'s users: rows of its table `users` in JSON, in an array or one on each line, as
//! `sqlite3 -json pb_data/data.db 'SELECT * FROM users'` writes them. Its API shows no hashes.

use std::io::BufRead;

use serde::Deserialize;
use serde_json::Value;

use super::Given;
use super::items::Items;
use super::json;
use super::moment::millis;
use super::person::{checked_email, name_claim};
use crate::admin::{Hidden, UserRecord};
use crate::password::recognize;
use crate::printable::Printable;

/// The claim that keeps the id that a user had there.
const ID: &str = "pocketbase_id";

/// A row, as far as it is taken. Versions before 0.23 say `passwordHash` and have a `username`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    verified: Value,
    #[serde(default)]
    name: String,
    #[serde(default)]
    password_hash: Option<Hidden>,
    #[serde(default)]
    password: Option<Hidden>,
    #[serde(default)]
    created: String,
}

pub(super) fn read(input: impl BufRead, given: &Given, items: &mut Items) -> anyhow::Result<()> {
    json::rows(input, &mut |row: Row| {
        let label = format!("user `{}`", Printable(&row.id));
        let mut notes = Vec::new();
        let email = checked_email(&row.email, &mut notes);
        let name = if row.username.is_empty() { &email } else { &row.username };
        if name.is_empty() {
            return items.skip(label, "neither a username nor an address to log in with");
        }
        let hash = row.password_hash.or(row.password).unwrap_or(Hidden(String::new()));
        let password = match recognize(&hash.0) {
            Ok(hash) => hash.map(|hash| Hidden(hash.expose().to_owned())),
            Err(fault) => {
                notes.push(format!("no login by password until one is set: {fault}"));
                None
            }
        };
        let verified = row.verified == Value::Bool(true) || row.verified.as_u64() == Some(1);
        let mut claims = std::collections::BTreeMap::new();
        name_claim(&mut claims, ID, &row.id, &mut notes);
        name_claim(&mut claims, "name", &row.name, &mut notes);
        let record = UserRecord {
            username: name.clone(),
            email_verified: verified && !email.is_empty(),
            email: email.clone(),
            password,
            active: true,
            claims,
            created: millis(&row.created).unwrap_or(given.now.as_millis()),
            ..UserRecord::default()
        };
        items.user(label, record, notes)
    })
}
