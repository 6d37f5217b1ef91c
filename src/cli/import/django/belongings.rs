//! What belongs to users and stands elsewhere in a dump: keys and ended tokens, and their groups.

use std::collections::HashMap;

use serde_json::Value;

use super::groups::{Groups, Permissions};
use super::{Owner, Row};
use crate::admin::{Reason, SessionRecord};
use crate::cli::import::items::{Input, Items};
use crate::cli::import::moment::millis;
use crate::cli::import::{Given, json};

/// What belongs to users and stands elsewhere in the dump.
#[derive(Debug, Default)]
pub(super) struct Belongings {
    pub(super) groups: Groups,
    pub(super) permissions: Permissions,
    pub(super) keys: HashMap<Owner, String>,
    /// Ended tokens that could still be alive.
    pub(super) ended: HashMap<Owner, Vec<SessionRecord>>,
    /// The numbers of all ended tokens, and when that was.
    blacklist: HashMap<u64, u64>,
}

impl Belongings {
    /// Everything but the ended tokens; the groups are handed over at once.
    pub(super) fn read(input: Input, given: &Given, items: &mut Items) -> anyhow::Result<Self> {
        let mut all = Self::default();
        let (mut groups, mut outstanding) = (Vec::new(), 0);
        json::rows(input, &mut |row: Row| {
            match row.model.as_str() {
                "auth.group" => groups.push(row),
                "auth.permission" => all.permissions.note(&row),
                "authtoken.token" => {
                    let key = Owner::of(row.fields.get("user")).zip(row.pk.as_str());
                    all.keys.extend(key.map(|(owner, key)| (owner, key.to_owned())));
                }
                "token_blacklist.blacklistedtoken" => {
                    let at = row.text("blacklisted_at").and_then(millis);
                    let at = at.unwrap_or(given.now.as_millis());
                    let token = row.fields.get("token").and_then(Value::as_u64);
                    all.blacklist.extend(token.map(|token| (token, at)));
                }
                "token_blacklist.outstandingtoken" => outstanding += 1,
                _ => {}
            }
            Ok(())
        })?;
        for row in &groups {
            all.groups.take(row, &all.permissions, given, items)?;
        }
        items.count("permissions, which are not taken: roles are", all.permissions.count())?;
        let living = outstanding - all.blacklist.len().min(outstanding);
        items.count("refresh tokens that go on", living)?;
        Ok(all)
    }

    /// Whether there are ended tokens to look for.
    pub(super) fn has_ended(&self) -> bool {
        !self.blacklist.is_empty()
    }

    /// The ended tokens that could still be alive, by their owners.
    pub(super) fn read_ended(
        &mut self,
        input: Input,
        given: &Given,
        items: &mut Items,
    ) -> anyhow::Result<()> {
        let mut dead = 0;
        json::rows(input, &mut |row: Row| {
            if row.model != "token_blacklist.outstandingtoken" {
                return Ok(());
            }
            let at = row.pk.as_u64().and_then(|pk| self.blacklist.get(&pk));
            let Some(at) = at else { return Ok(()) };
            let owner = Owner::of(row.fields.get("user"));
            let (Some(owner), Some(jti), Some(expires)) =
                (owner, row.text("jti"), row.text("expires_at").and_then(millis))
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
            let started = row.text("created_at").and_then(millis).unwrap_or(*at);
            self.ended.entry(owner).or_default().push(SessionRecord {
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
}
