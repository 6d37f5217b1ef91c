//! What a user of Django is here.

use std::collections::BTreeMap;

use super::Given;
use super::moment::millis;
use crate::admin::{Hidden, UserRecord};
use crate::password::recognize;
use crate::printable::{Printable, is_active};
use crate::session::check_email;

/// A user of Django, wherever it was written.
#[derive(Debug, Default)]
pub(super) struct DjangoUser<'u> {
    pub(super) id: u64,
    pub(super) username: &'u str,
    pub(super) password: &'u str,
    pub(super) email: &'u str,
    pub(super) first_name: &'u str,
    pub(super) last_name: &'u str,
    pub(super) active: bool,
    pub(super) staff: bool,
    pub(super) superuser: bool,
    pub(super) joined: &'u str,
    pub(super) last_login: &'u str,
}

impl DjangoUser<'_> {
    /// What it is here, and what of it was not taken.
    pub(super) fn record(&self, given: &Given) -> (UserRecord, Vec<String>) {
        let mut notes = Vec::new();
        let password = match recognize(self.password) {
            Ok(hash) => hash.map(|hash| Hidden(hash.expose().to_owned())),
            Err(fault) => {
                notes.push(format!("no login by password until one is set: {fault}"));
                None
            }
        };
        let email = checked_email(self.email, &mut notes);
        let mut roles = Vec::new();
        for (flag, name, granted) in [
            (self.staff, "is_staff", &given.roles.staff),
            (self.superuser, "is_superuser", &given.roles.superuser),
        ] {
            if flag && granted.is_empty() {
                notes.push(format!("`{name}` gives no role: [import.roles] has none for it"));
            }
            roles.extend(granted.iter().filter(|_| flag).cloned());
        }
        let mut claims = BTreeMap::new();
        for (claim, value) in [("given_name", self.first_name), ("family_name", self.last_name)] {
            name_claim(&mut claims, claim, value, &mut notes);
        }
        let created = millis(self.joined).unwrap_or_else(|| {
            notes.push("no moment in `date_joined`: it counts as made now".to_owned());
            given.now.as_millis()
        });
        let record = UserRecord {
            id: self.id,
            username: self.username.to_owned(),
            email,
            password,
            active: self.active,
            roles,
            claims,
            created,
            last_login: millis(self.last_login),
            ..UserRecord::default()
        };
        (record, notes)
    }

    pub(super) fn label(&self) -> String {
        format!("user {} `{}`", self.id, Printable(self.username))
    }
}

/// The address, if it is one.
pub(super) fn checked_email(email: &str, notes: &mut Vec<String>) -> String {
    if email.is_empty() {
        return String::new();
    }
    check_email(email).unwrap_or_else(|_| {
        notes.push("the address is none, and left out".to_owned());
        String::new()
    })
}

/// A name of a person, as the claim that it is.
pub(super) fn name_claim(
    claims: &mut BTreeMap<String, String>,
    claim: &str,
    value: &str,
    notes: &mut Vec<String>,
) {
    let value = value.trim();
    if value.len() > 1024 || value.chars().any(is_active) {
        notes.push(format!("the {claim} cannot be a claim, and is left out"));
    } else if !value.is_empty() {
        claims.insert(claim.to_owned(), value.to_owned());
    }
}
