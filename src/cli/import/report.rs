//! What came of an import: told to people, or as JSON.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use serde::Serialize;

use crate::admin::{Outcome, UserRecord};
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
    pub(super) fn twice(&mut self, record: &UserRecord) -> Option<&'static str> {
        if !self.names.insert(normalize_username(&record.username)) {
            return Some("the file has that name twice, as names are compared (NFKC)");
        }
        (record.id != 0 && !self.ids.insert(record.id)).then_some("the file has that id twice")
    }

    pub(super) fn add(&mut self, what: &str, outcome: Outcome) {
        match outcome {
            Outcome::Stored { .. } => self.stored += 1,
            Outcome::Present { completed, differs, .. } => {
                self.completed += u64::from(completed);
                if differs.is_empty() {
                    self.present += 1;
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
