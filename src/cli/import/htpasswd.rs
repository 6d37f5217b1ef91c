//! Password files of Apache and nginx: a name and a hash on each line.

use std::io::BufRead;

use anyhow::Context;

use super::Given;
use super::items::Items;
use crate::admin::{Hidden, UserRecord};
use crate::password::recognize;
use crate::printable::Printable;

pub(super) fn read(input: impl BufRead, given: &Given, items: &mut Items) -> anyhow::Result<()> {
    for (number, line) in input.lines().enumerate() {
        let line = line.with_context(|| format!("line {} is no UTF-8 text", number + 1))?;
        let line = line.trim_end_matches('\r');
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, rest)) = line.split_once(':') else {
            items.skip(format!("line {}", number + 1), "no colon between name and hash")?;
            continue;
        };
        // nginx allows a comment behind a second colon.
        let hash = rest.split(':').next().unwrap_or_default();
        let label = format!("line {} `{}`", number + 1, Printable(name));
        let password = match recognize(hash) {
            Ok(hash) => hash.map(|hash| Hidden(hash.expose().to_owned())),
            Err(fault) => {
                items.skip(label, fault.to_string())?;
                continue;
            }
        };
        let record = UserRecord {
            username: name.to_owned(),
            password,
            active: true,
            created: given.now.as_millis(),
            ..UserRecord::default()
        };
        items.user(label, record, Vec::new())?;
    }
    Ok(())
}
