//! What `portcullis export` wrote: a head, then a record on each line, then an end.

use std::io::BufRead;

use anyhow::{Context, anyhow, bail};
use serde::Deserialize;

use super::items::{Item, Items};
use crate::admin::Record;
use crate::cli::export::{END, End, FORMAT, Head, KINDS};
use crate::printable::Printable;
use crate::store::Numbers;

/// Which line it is.
#[derive(Debug, Deserialize)]
struct Kind {
    kind: String,
}

/// The kinds of lines that are known here.
const KNOWN: [&str; 4] = ["user", "group", "invitation", "deleted"];

pub(super) fn read(input: impl BufRead, items: &mut Items) -> anyhow::Result<()> {
    let mut lines = input.lines();
    let head = lines.next().context("it is empty")?.context("it cannot be read")?;
    let head: Head = serde_json::from_str(&head)
        .map_err(|_| anyhow!("this is no export of portcullis: its first line says so"))?;
    if head.portcullis > FORMAT {
        bail!("this was exported by a newer portcullis: import it with that one");
    }
    let Head { last_user: users, last_session: sessions, last_invitation, last_key: keys, .. } =
        head;
    items.push(Item::Numbers(Numbers { users, sessions, invitations: 0, keys }))?;
    let has_kinds = head.portcullis >= KINDS;
    let mut ended = !has_kinds;
    for (at, line) in lines.enumerate() {
        // The head was the first.
        let number = at + 2;
        let line = line.with_context(|| format!("line {number} cannot be read"))?;
        if !has_kinds {
            let record = serde_json::from_str(&line).map(Box::new).map(Record::User);
            let told = |error: serde_json::Error| {
                format!("no user of an export, at column {}", error.column())
            };
            take(number, record.map_err(told), items)?;
            continue;
        }
        if ended {
            bail!("line {number} stands behind the end");
        }
        let kind = serde_json::from_str(&line).map(|Kind { kind }| kind);
        let record = match kind.as_deref() {
            Ok(END) => {
                let end: End = serde_json::from_str(&line)
                    .map_err(|_| anyhow!("line {number} is no end of an export"))?;
                if end.records != at as u64 {
                    bail!("lines are missing: {at} of {} are here", end.records);
                }
                ended = true;
                continue;
            }
            // It may be what others stand on, so nothing goes on without it.
            Ok(kind) if !KNOWN.contains(&kind) => {
                bail!("line {number} is of a kind that is not known here");
            }
            Ok(kind) => serde_json::from_str(&line).map_err(|_| format!("no {kind} of an export")),
            // serde's words may quote what stands there.
            Err(error) => Err(format!("no record of an export, at column {}", error.column())),
        };
        take(number, record, items)?;
    }
    if !ended {
        bail!("it was cut off: its last line is missing");
    }
    // Last of all: a number up to the last one, that is not there, is that of one that is gone.
    items.flush()?;
    let numbers = Numbers { invitations: last_invitation, ..Numbers::default() };
    items.push(Item::Numbers(numbers))
}

fn take(number: usize, record: Result<Record, String>, items: &mut Items) -> anyhow::Result<()> {
    let record = match record {
        Ok(Record::User(record)) => {
            let label = format!("user {} `{}`", record.id, Printable(&record.username));
            return items.user(label, *record, Vec::new());
        }
        Ok(record) => record,
        Err(reason) => return items.skip(format!("line {number}"), reason),
    };
    let label = match &record {
        Record::Group(group) => format!("group `{}`", Printable(&group.name)),
        Record::Invitation(invitation) => format!("invitation {}", invitation.id),
        Record::User(_) | Record::Deleted(_) => format!("line {number}"),
    };
    items.push(Item::Record { label, record, notes: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kind that is added has to be known here as well.
    #[test]
    fn every_kind_of_record_is_known() {
        let told = serde_json::from_str::<Record>(r#"{"kind":"?"}"#).unwrap_err().to_string();
        let named = told.split('`').skip(3).step_by(2);
        assert_eq!(named.collect::<Vec<_>>(), KNOWN, "{told}");
    }
}
