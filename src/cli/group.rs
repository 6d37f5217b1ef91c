//! `portcullis group`: roles that are given to many users at once.

use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use serde::Serialize;

use super::act::Act;
use super::input::confirm;
use super::out::Out;
use super::policy_file::PolicyFile;
use super::reach::{Purpose, Reach, another_reply};
use crate::admin::{Command, GroupView, Reply};
use crate::printable::Printable;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Make a group
    Add { group: String },
    /// List all groups
    List,
    /// Show a group and its members
    Show { group: String },
    /// Remove a group; its members lose what it gave
    Delete {
        group: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Give and take roles of all members
    #[command(subcommand)]
    Role(RoleAction),
}

#[derive(Debug, Subcommand)]
pub(super) enum RoleAction {
    /// Give a role to all members
    Add { group: String, role: String },
    /// Take a role from all who have it by this group
    Remove { group: String, role: String },
}

pub(super) async fn run(
    args: Act<Action>,
    file: &PolicyFile,
    out: &mut Out,
) -> anyhow::Result<ExitCode> {
    let config = file.load()?.config;
    let looks = matches!(args.action, Action::List | Action::Show { .. });
    let purpose = if looks { Purpose::Look } else { Purpose::Users };
    let command = match args.action {
        Action::Add { group } => Command::GroupAdd { group },
        Action::List => Command::GroupList,
        Action::Show { group } => Command::GroupShow { group },
        Action::Delete { group, yes } => {
            if !yes && !confirm(&format!("Delete the group {}?", Printable(&group)))? {
                bail!("nothing was deleted");
            }
            Command::GroupDelete { group }
        }
        Action::Role(RoleAction::Add { group, role }) => Command::GroupRoleAdd { group, role },
        Action::Role(RoleAction::Remove { group, role }) => {
            Command::GroupRoleRemove { group, role }
        }
    };
    tell(Reach::open(config, purpose, out).await?.send(command).await?, args.json, out)?;
    Ok(ExitCode::SUCCESS)
}

fn tell(reply: Reply, json: bool, out: &mut Out) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Deleted<'a> {
        deleted: &'a str,
    }
    if let Reply::Groups { groups } = reply {
        if json {
            return Ok(out.json(&groups)?);
        }
        let row = |group: &GroupView| [group.name.clone(), group.roles.join(",")];
        return Ok(out.table(["GROUP", "ROLES"], groups.iter().map(row).collect())?);
    }
    if let Reply::Group(group) = reply {
        return if json { Ok(out.json(&group)?) } else { show(&group, out) };
    }
    let Reply::Deleted { username } = reply else { return Err(another_reply()) };
    if json {
        return Ok(out.json(&Deleted { deleted: &username })?);
    }
    Ok(out.line(format_args!("deleted the group {}", Printable(&username)))?)
}

fn show(group: &GroupView, out: &mut Out) -> anyhow::Result<()> {
    let mut rows = vec![("group", group.name.clone()), ("roles", group.roles.join(", "))];
    if let Some(members) = &group.members {
        let more = if group.more { ", and more" } else { "" };
        rows.push(("members", format!("{}{more}", members.join(", "))));
    }
    for (fact, value) in rows {
        out.line(format_args!("{fact:<10}  {}", Printable(&value)).to_string().trim_end())?;
    }
    Ok(())
}
