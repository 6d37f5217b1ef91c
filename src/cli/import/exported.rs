//! What `portcullis export` wrote: a head, then a user on each line.

use std::io::BufRead;

use anyhow::{Context, anyhow, bail};

use super::items::{Item, Items};
use crate::admin::UserRecord;
use crate::cli::export::{FORMAT, Head};
use crate::printable::Printable;

pub(super) fn read(input: impl BufRead, items: &mut Items) -> anyhow::Result<()> {
    let mut lines = input.lines();
    let head = lines.next().context("it is empty")?.context("it cannot be read")?;
    let head: Head = serde_json::from_str(&head)
        .map_err(|_| anyhow!("this is no export of portcullis: its first line says so"))?;
    if head.portcullis > FORMAT {
        bail!("this was exported by a newer portcullis: import it with that one");
    }
    items.push(Item::Numbers { users: head.last_user, sessions: head.last_session })?;
    for (number, line) in lines.enumerate() {
        // The head was the first.
        let number = number + 2;
        let line = line.with_context(|| format!("line {number} cannot be read"))?;
        match serde_json::from_str::<UserRecord>(&line) {
            Ok(record) => {
                let label = format!("user {} `{}`", record.id, Printable(&record.username));
                items.user(label, record, Vec::new())?;
            }
            // serde's words may quote what stands there.
            Err(error) => {
                let reason = format!("no user of an export, at column {}", error.column());
                items.skip(format!("line {number}"), reason)?;
            }
        }
    }
    Ok(())
}
