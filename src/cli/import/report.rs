//! What came of an import: told to people, or as JSON.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use serde::Serialize;

use crate::admin::{Outcome, Record};
use crate::cli::out::Out;
use crate::session::normalize_username;

/// What came of an import.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    file: String,
    dry_run: bool,
    /// Users that are new here.
    stored: u64,
    /// Users that were here, the same.
    present: u64,
    /// Of these, those that a key or ends of tokens were added to.
    completed: u64,
    /// Users that were here, and otherwise.
    differing: u64,
    /// What was not taken.
    refused: u64,
    counts: BTreeMap<&'static str, usize>,
    problems: Vec<Problem>,
    #[serde(skip)]
    names: HashSet<String>,
    #[serde(skip)]
    ids: HashSet<u64>,
}

#[derive(Debug, Serialize)]
struct Problem {
    what: String,
    kind: Kind,
    reason: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// It was not taken.
    Refused,
    /// It is here otherwise, and stays so.
    Differs,
    /// It was taken, but for something.
    Note,
}

/// What a record is about, as it is counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sort {
    User,
    Group,
    Invitation,
    /// Ids of deleted users: nobody counts them.
    Deleted,
}

impl Sort {
    pub(super) const fn of(record: &Record) -> Self {
        match record {
            Record::User(_) => Self::User,
            Record::Group(_) => Self::Group,
            Record::Invitation(_) => Self::Invitation,
            Record::Deleted(_) => Self::Deleted,
        }
    }

    /// What is said of those that are new; users have numbers of their own in the report.
    const fn stored(self, dry_run: bool) -> Option<&'static str> {
        match (self, dry_run) {
            (Self::Group, false) => Some("groups stored"),
            (Self::Group, true) => Some("groups would be stored"),
            (Self::Invitation, false) => Some("invitations stored"),
            (Self::Invitation, true) => Some("invitations would be stored"),
            (Self::User | Self::Deleted, _) => None,
        }
    }

    /// What is said of those that were there.
    const fn present(self) -> Option<&'static str> {
        match self {
            Self::Group => Some("groups were here already"),
            Self::Invitation => Some("invitations were here already"),
            Self::User | Self::Deleted => None,
        }
    }
}

impl Report {
    pub(super) fn new(file: &Path, dry_run: bool) -> Self {
        Self {
            file: file.display().to_string(),
            dry_run,
            stored: 0,
            present: 0,
            completed: 0,
            differing: 0,
            refused: 0,
            counts: BTreeMap::new(),
            problems: Vec::new(),
            names: HashSet::new(),
            ids: HashSet::new(),
        }
    }

    pub(super) const fn is_dry(&self) -> bool {
        self.dry_run
    }

    /// Whether all of the file is here now, as it is in the file.
    pub(super) const fn is_clean(&self) -> bool {
        self.refused == 0 && self.differing == 0
    }

    /// Why a user cannot be taken that the file has before in another spelling, or under
    /// another number.
    pub(super) fn twice(&mut self, record: &Record) -> Option<&'static str> {
        let Record::User(record) = record else { return None };
        if !self.names.insert(normalize_username(&record.username)) {
            return Some("the file has that name twice, as names are compared (NFKC)");
        }
        (record.id != 0 && !self.ids.insert(record.id)).then_some("the file has that id twice")
    }

    pub(super) fn add(&mut self, what: &str, sort: Sort, outcome: Outcome) {
        match outcome {
            Outcome::Stored { .. } => match sort.stored(self.dry_run) {
                Some(of) => self.count(of, 1),
                None => self.stored += u64::from(sort == Sort::User),
            },
            Outcome::Present { completed, differs, .. } => {
                self.completed += u64::from(completed);
                if differs.is_empty() {
                    match sort.present() {
                        Some(of) => self.count(of, 1),
                        None => self.present += u64::from(sort == Sort::User),
                    }
                } else {
                    self.differing += 1;
                    let reason = format!("it is here with another {}", differs.join(", "));
                    self.problem(what, Kind::Differs, reason);
                }
            }
            Outcome::Refused { reason } => self.refuse(what, reason),
        }
    }

    pub(super) fn refuse(&mut self, what: &str, reason: impl Into<String>) {
        self.refused += 1;
        self.problem(what, Kind::Refused, reason.into());
    }

    pub(super) fn note(&mut self, what: &str, note: &str) {
        self.problem(what, Kind::Note, note.to_owned());
    }

    pub(super) fn count(&mut self, of: &'static str, count: usize) {
        *self.counts.entry(of).or_default() += count;
    }

    fn problem(&mut self, what: &str, kind: Kind, reason: String) {
        self.problems.push(Problem { what: what.to_owned(), kind, reason });
    }

    pub(super) fn tell(&self, json: bool, out: &mut Out) -> anyhow::Result<()> {
        if json {
            return Ok(out.json(self)?);
        }
        for Problem { what, kind, reason } in &self.problems {
            let not = if *kind == Kind::Refused { "not taken: " } else { "" };
            out.line(format_args!("{what}: {not}{reason}"))?;
        }
        for (of, count) in &self.counts {
            out.line(format_args!("{count} {of}"))?;
        }
        let would = if self.dry_run { "would be " } else { "" };
        out.line(format_args!("{} users {would}stored", self.stored))?;
        for (count, text) in [
            (self.present, "were here already"),
            (self.completed, "of those were here but for keys or ends of tokens"),
            (self.differing, "are here otherwise, and stay so"),
            (self.refused, "were not taken"),
        ] {
            if count > 0 {
                out.line(format_args!("{count} {text}"))?;
            }
        }
        Ok(())
    }
}
