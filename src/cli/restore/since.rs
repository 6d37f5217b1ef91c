//! What a restore undoes, as far as the audit record knows: it goes on, and does not go back.

use std::path::Path;

use serde::Deserialize;

use crate::audit::last_lines;
use crate::clock::Timestamp;

/// Lines of the record that are looked at, from its end.
const LOOK: usize = 100_000;

/// Lines that are told.
const MOST: usize = 200;

/// What takes something away from somebody, and would better stay so.
const EVENTS: [&str; 9] = [
    "user.deleted",
    "user.deactivated",
    "password.changed",
    "role.removed",
    "claim.removed",
    "group.left",
    "group.deleted",
    "group.role.removed",
    "api-key.revoked",
];

#[derive(Deserialize)]
struct Line<'a> {
    at: &'a str,
    event: &'a str,
}

/// The lines since that moment about something that was taken away, oldest first. A record that
/// cannot be read has none.
pub(super) fn taken_away(record: &Path, since: Timestamp) -> Vec<String> {
    let since = since.to_millis_text();
    let lines = last_lines(record, LOOK).map(|(lines, _)| lines).unwrap_or_default();
    let is_told = |line: &str| {
        let read: Option<Line<'_>> = serde_json::from_str(line).ok();
        read.is_some_and(|line| line.at >= since.as_str() && EVENTS.contains(&line.event))
    };
    lines.into_iter().filter(|line| is_told(line)).take(MOST).collect()
}
