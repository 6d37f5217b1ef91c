//! Groups and permissions of a dump.
//!
//! A group of Django carries permissions, one of ours carries roles: it is made under its name,
//! with the roles that `[import.groups]` has for it, and its members are its members.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::{Owner, Row};
use crate::admin::{GroupRecord, Record, check_group};
use crate::cli::import::Given;
use crate::cli::import::items::{Item, Items};
use crate::printable::Printable;

/// Permissions of one thing that are told by name.
const NAMED: usize = 5;

/// The groups of a dump that were handed over, or cannot be.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// By their numbers there.
    names: HashMap<u64, String>,
    /// By their names there: those here, if they can be had here.
    known: HashMap<String, Option<String>>,
    /// The names here that are used up.
    taken: HashSet<String>,
}

impl Groups {
    /// Hands a group over.
    pub(super) fn take(
        &mut self,
        row: &Row,
        permissions: &Permissions,
        given: &Given,
        items: &mut Items,
    ) -> anyhow::Result<()> {
        let Some(name) = row.text("name") else {
            return items.skip(format!("group {}", row.pk), "it has no name");
        };
        let mut notes = Vec::new();
        if let Some(own) = permissions.named(row.list("permissions")) {
            notes.push(format!("its permissions are not taken: {own}"));
        }
        let here = self.named(name, notes, given, items)?;
        self.names.extend(row.pk.as_u64().zip(here));
        Ok(())
    }

    /// The name here of a group of that name there, which is handed over when it is new.
    fn named(
        &mut self,
        name: &str,
        mut notes: Vec<String>,
        given: &Given,
        items: &mut Items,
    ) -> anyhow::Result<Option<String>> {
        if let Some(here) = self.known.get(name) {
            return Ok(here.clone());
        }
        let label = format!("group `{}`", Printable(name));
        let here = match check_group(name) {
            Err(refusal) => {
                items.skip(label, refusal.detail)?;
                None
            }
            // Its members would get what the other group gives.
            Ok(here) if !self.taken.insert(here.clone()) => {
                items.skip(label, "the file has that name twice, as names are compared (NFKC)")?;
                None
            }
            Ok(here) => {
                let roles = given.roles.groups.get(name).cloned().unwrap_or_default();
                if roles.is_empty() {
                    notes.push("it gives no role: [import.groups] has none for it".to_owned());
                }
                let record = Record::Group(GroupRecord { name: here.clone(), roles });
                items.push(Item::Record { label, record, notes })?;
                Some(here)
            }
        };
        self.known.insert(name.to_owned(), here.clone());
        Ok(here)
    }

    /// The name here of a group that a user is in, by its number or its name.
    pub(super) fn of_member(
        &mut self,
        group: &Value,
        given: &Given,
        items: &mut Items,
        notes: &mut Vec<String>,
    ) -> anyhow::Result<Option<String>> {
        let found = match Owner::of(Some(group)) {
            Some(Owner::Id(id)) => self.names.get(&id).cloned(),
            // A dump of users alone names groups that it does not have.
            Some(Owner::Name(name)) => self.named(&name, Vec::new(), given, items)?,
            None => None,
        };
        if found.is_none() {
            notes.push(format!("it is not in group {group}, which was not taken"));
        }
        Ok(found)
    }
}

/// The permissions of a dump: told, for they are not taken.
#[derive(Debug, Default)]
pub(super) struct Permissions {
    names: HashMap<u64, String>,
    count: usize,
}

impl Permissions {
    pub(super) fn note(&mut self, row: &Row) {
        self.count += 1;
        let name = row.text("codename").map(str::to_owned);
        self.names.extend(row.pk.as_u64().zip(name));
    }

    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// Those of a list, by their numbers or their natural keys; `None` if there are none.
    pub(super) fn named(&self, list: &[Value]) -> Option<String> {
        let shown = list.iter().take(NAMED).map(|one| {
            let natural = one.as_array().and_then(|key| key.first()).and_then(Value::as_str);
            let known = one.as_u64().and_then(|id| self.names.get(&id)).map(String::as_str);
            natural.or(known).map_or_else(|| one.to_string(), |name| Printable(name).to_string())
        });
        let shown = shown.collect::<Vec<_>>().join(", ");
        match list.len().saturating_sub(NAMED) {
            0 if shown.is_empty() => None,
            0 => Some(shown),
            more => Some(format!("{shown} and {more} more")),
        }
    }
}
