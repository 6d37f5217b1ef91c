//! What a restore undoes, as far as the audit record knows: it goes on, and does not go back.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::audit::{AuditSettings, Kind, last_lines};
use crate::clock::Timestamp;

/// Lines of the record that are looked at, from its end.
const LOOK: usize = 100_000;

/// Lines that are told.
const MOST: usize = 200;

/// What takes something away from somebody, and would better stay so.
const TAKEN: [Kind; 11] = [
    Kind::UserDeleted,
    Kind::Deactivated,
    Kind::PasswordChanged,
    Kind::EmailChanged,
    Kind::RoleRemoved,
    Kind::ClaimRemoved,
    Kind::GroupLeft,
    Kind::GroupDeleted,
    Kind::GroupRoleRemoved,
    Kind::UserKeyRevoked,
    Kind::InvitationRevoked,
];

/// What ends sessions. Those that a restore keeps live again.
const ENDED: [Kind; 3] = [Kind::SessionEnded, Kind::TokenReused, Kind::LoggedOutEverywhere];

#[derive(Deserialize)]
struct Line<'a> {
    at: &'a str,
    event: &'a str,
}

/// What was taken away since a backup.
#[derive(Debug, Default, Serialize)]
pub(super) struct Undone {
    /// Lines of the record, oldest first: the last ones, where there are many.
    #[serde(rename = "undone")]
    pub(super) lines: Vec<String>,
    /// How many lines more there are before these.
    #[serde(rename = "undone_before")]
    pub(super) before: usize,
    /// Why there may be more than that.
    #[serde(rename = "undone_unknown", skip_serializing_if = "Option::is_none")]
    pub(super) unknown: Option<String>,
}

impl Undone {
    /// What the record knows.
    pub(super) fn since(backup: Timestamp, record: &AuditSettings, sessions_kept: bool) -> Self {
        let unknown = |why: String| Self { unknown: Some(why), ..Self::default() };
        if !record.enabled {
            return unknown("no audit record is kept (`[audit] enabled`)".to_owned());
        }
        let lines = match last_lines(&record.path, LOOK) {
            Ok((lines, _)) => lines,
            Err(error) => return unknown(format!("{}: {error}", record.path.display())),
        };
        let since = backup.to_millis_text();
        // Of the backup only the second is known.
        let begun = backup.plus(Duration::from_secs(1)).to_millis_text();
        let (mut told, mut illegible, mut reaches) = (Vec::new(), 0_usize, false);
        for line in lines {
            let Ok(read) = serde_json::from_str::<Line<'_>>(&line) else {
                illegible += 1;
                continue;
            };
            let is_of = |kinds: &[Kind]| kinds.iter().any(|kind| kind.as_str() == read.event);
            reaches |= read.at < begun.as_str();
            let is_told = is_of(&TAKEN) || sessions_kept && is_of(&ENDED);
            if is_told && read.at >= since.as_str() {
                told.push(line);
            }
        }
        let unknown = match illegible {
            0 if reaches => None,
            0 => Some("what was looked at of the audit record begins after the backup".to_owned()),
            _ => Some(format!("{illegible} lines of the audit record cannot be read")),
        };
        let before = told.len().saturating_sub(MOST);
        Self { lines: told.split_off(before), before, unknown }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of a record with these lines, each with its second after the backup.
    fn told(lines: &[(u64, &str)], sessions_kept: bool) -> Undone {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record");
        let backup = Timestamp::from_secs(1_800_000_000);
        let line = |(after, event): &(u64, &str)| {
            let at = backup.plus(Duration::from_secs(*after)).to_millis_text();
            format!("{{\"at\":\"{at}\",\"event\":\"{event}\"}}\n")
        };
        std::fs::write(&path, lines.iter().map(line).collect::<String>()).unwrap();
        Undone::since(backup, &AuditSettings::at(path), sessions_kept)
    }

    #[test]
    fn everything_that_was_taken_is_told_and_sessions_where_they_live_again() {
        let lines = [(0, "login")].into_iter().chain(TAKEN.map(|kind| (5, kind.as_str())));
        let lines: Vec<_> = lines.chain(ENDED.map(|kind| (9, kind.as_str()))).collect();
        for (kept, count) in [(false, TAKEN.len()), (true, TAKEN.len() + ENDED.len())] {
            let undone = told(&lines, kept);
            assert_eq!((undone.lines.len(), undone.before), (count, 0));
            assert_eq!(undone.unknown, None);
        }
        let names = TAKEN.map(Kind::as_str);
        assert!(names.contains(&"email.changed") && names.contains(&"invitation.revoked"));
    }

    #[test]
    fn of_many_the_last_are_told_and_the_others_counted() {
        let mut lines = vec![(0, "user.deleted"); MOST + 3];
        lines.push((7, "role.removed"));
        let undone = told(&lines, false);
        assert_eq!((undone.lines.len(), undone.before), (MOST, 4));
        assert!(undone.lines.last().unwrap().contains("role.removed"));
    }

    #[test]
    fn what_is_not_known_is_told() {
        let why = |undone: Undone| undone.unknown.unwrap();
        assert!(why(told(&[(60, "role.removed")], false)).contains("begins after the backup"));
        assert!(why(told(&[], false)).contains("begins after the backup"));
        let broken = told(&[(0, "login"), (1, "\n"), (2, "role.removed")], false);
        assert_eq!(broken.lines.len(), 1);
        assert!(why(broken).contains("cannot be read"));
        let folder = tempfile::tempdir().unwrap();
        let mut settings = AuditSettings::at(folder.path().to_owned());
        let since = |settings: &AuditSettings| {
            Undone::since(Timestamp::from_secs(7), settings, false).unknown.unwrap()
        };
        assert!(since(&settings).contains(&folder.path().display().to_string()));
        settings.enabled = false;
        assert!(since(&settings).contains("no audit record is kept"));
    }
}
