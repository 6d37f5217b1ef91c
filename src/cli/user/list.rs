//! `portcullis user list`.

use std::num::NonZeroU32;

use super::shown::{HEADS, row};
use crate::admin::{Command, Reply, UserFilter};
use crate::cli::out::{Array, Out};
use crate::cli::reach::{Reach, another_reply};

/// Users asked for at once.
const PAGE: usize = 500;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Those with that in their name or address, in any case
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    search: String,
    /// Those with that role, of their own or by a group
    #[arg(long, value_name = "ROLE", default_value = "", hide_default_value = true)]
    role: String,
    /// Those who are let in
    #[arg(long, conflicts_with = "inactive")]
    active: bool,
    /// Those who are shut out
    #[arg(long)]
    inactive: bool,
    /// Those who have not logged in with a password for so many days, or never
    #[arg(long, value_name = "DAYS")]
    idle: Option<NonZeroU32>,
}

impl Args {
    /// What asks for the first page.
    pub(super) fn command(self) -> Command {
        let Self { search, role, active, inactive, idle } = self;
        let active = (active || inactive).then_some(active);
        let filter = UserFilter { text: search, role, active, idle_days: idle };
        Command::UserList { after: None, limit: PAGE, filter }
    }
}

/// Page by page: there may be more of them than fit in memory.
pub(super) async fn run(
    reach: &Reach,
    filter: UserFilter,
    json: bool,
    out: &mut Out,
) -> anyhow::Result<()> {
    let (mut after, mut array) = (None, Array::default());
    loop {
        let list = Command::UserList { after, limit: PAGE, filter: filter.clone() };
        let Reply::Users { users, next } = reach.send(list).await? else {
            return Err(another_reply());
        };
        if json {
            out.items(&mut array, &users)?;
        } else if after.is_none() || !users.is_empty() {
            out.table(HEADS, users.iter().map(row).collect())?;
        }
        after = next;
        if after.is_none() || out.is_closed() {
            break;
        }
    }
    if json {
        out.end(&array)?;
    }
    Ok(())
}
