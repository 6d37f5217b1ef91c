//! What is in a backup.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;

use indicatif::ProgressBar;
use serde::Serialize;

use crate::admin::{Backup, Head, Part};
use crate::clock::Timestamp;

/// What was found in a backup that is whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Contents {
    pub(super) head: Head,
    /// Whether the key file is in it.
    pub(super) keys: bool,
    rows: BTreeMap<String, u64>,
}

impl Contents {
    /// Reads a backup to its end, and hands each part over. Only what is returned at last says
    /// that it was whole.
    pub(super) fn read(
        from: impl Read,
        bar: &ProgressBar,
        mut each: impl FnMut(&Head, Part) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let mut backup = Backup::open(from)?;
        let head = backup.head().clone();
        bar.set_length(head.rows);
        let mut contents = Self { head, keys: false, rows: BTreeMap::new() };
        let mut table = String::new();
        while let Some(part) = backup.next_part()? {
            match &part {
                Part::Keys(_) => contents.keys = true,
                Part::Table(name) => name.clone_into(&mut table),
                Part::Rows(rows) => {
                    let count = rows.iter().count() as u64;
                    *contents.rows.entry(table.clone()).or_default() += count;
                    bar.inc(count);
                }
            }
            each(&contents.head, part)?;
        }
        Ok(contents)
    }

    /// How many rows of each table there are.
    pub(super) const fn rows(&self) -> &BTreeMap<String, u64> {
        &self.rows
    }

    /// When it was made.
    pub(super) const fn made(&self) -> Timestamp {
        Timestamp::from_secs(self.head.made)
    }

    fn of(&self, table: &str) -> u64 {
        self.rows.get(table).copied().unwrap_or_default()
    }

    /// The same for machines.
    pub(super) fn view(&self) -> ContentsView<'_> {
        ContentsView {
            made: self.made().to_string(),
            version: &self.head.version,
            users: self.of("users"),
            groups: self.of("groups"),
            invitations: self.of("invitations"),
            sessions: self.of("sessions"),
            keys: self.keys,
        }
    }
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ContentsView { users, groups, invitations, .. } = self.view();
        write!(f, "{users} users, {groups} groups and {invitations} invitations")
    }
}

/// What is in a backup, for machines.
#[derive(Debug, Serialize)]
pub(super) struct ContentsView<'a> {
    made: String,
    version: &'a str,
    users: u64,
    groups: u64,
    invitations: u64,
    sessions: u64,
    keys: bool,
}
