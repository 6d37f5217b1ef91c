//! The words about the audit record.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::audit::Verdict;

/// What is asked of the audit record.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum AuditCommand {
    /// Its lines, the newest first, at most `limit` of them.
    List {
        /// What they are about; left out: everything.
        #[serde(default)]
        about: AuditFilter,
        /// The last number of the page before.
        before: Option<u64>,
        /// How many at most; the door has a bound of its own.
        limit: usize,
    },
    /// Whether every line is there and as it was written.
    Verify,
}

/// Which lines are listed.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditFilter {
    /// Login name of a user, its number as `user:7`, or name of whatever was acted on: what was
    /// done to it, and what that user did.
    pub name: String,
    /// The event's name, or how it begins: `login` is `login.failed`, too.
    pub event: String,
}

/// Lines of the audit record as an operator sees them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AuditLines {
    /// The newest first, each as it is written.
    pub lines: Vec<Map<String, Value>>,
    /// Where the next page begins, if there may be one.
    pub next: Option<u64>,
    /// How many events could not be written since the start.
    pub lost: u64,
}

/// Whether the audit record is as it was written.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AuditState {
    /// Whether nothing is wrong.
    pub whole: bool,
    /// Files that were read.
    pub files: usize,
    /// Lines that are as they were written.
    pub lines: u64,
    /// The number of the first of them.
    pub first: Option<u64>,
    /// The number of the last of them.
    pub last: Option<u64>,
    /// Whether the last line is unfinished: it is being written, or a crash came.
    pub unfinished: bool,
    /// What is wrong, the first ones of it.
    pub faults: Vec<AuditFault>,
}

/// Something that is wrong with the audit record.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AuditFault {
    /// The file in which it shows.
    pub file: String,
    /// The line of that file, counted from 1; `None` if it is not in a line.
    pub line: Option<u64>,
    /// What it is.
    pub what: String,
}

impl From<&Verdict> for AuditState {
    fn from(verdict: &Verdict) -> Self {
        let faults = verdict.faults.iter().map(|fault| AuditFault {
            file: fault.file.display().to_string(),
            line: fault.line,
            what: fault.what.clone(),
        });
        Self {
            whole: verdict.faults.is_empty(),
            files: verdict.files,
            lines: verdict.lines,
            first: verdict.first,
            last: verdict.last,
            unfinished: verdict.unfinished,
            faults: faults.collect(),
        }
    }
}
