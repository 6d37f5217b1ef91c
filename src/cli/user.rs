//! `portcullis user`: the users, whether the gateway runs or not.

mod list;
mod shown;

use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;

use super::act::Act;
use super::input::{Chosen, PasswordSource, confirm};
use super::out::Out;
use super::policy_file::PolicyFile;
use super::reach::{Purpose, Reach, another_reply};
use crate::admin::{Command, Reply};
use crate::printable::Printable;
use shown::{address, as_json, claims, factors, listed, show};

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Add a user; makes the store if there is none
    Add {
        /// The login name
        name: String,
        /// The e-mail address
        #[arg(long, default_value = "", hide_default_value = true)]
        email: String,
        /// A role to begin with; may be repeated
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
        #[command(flatten)]
        source: PasswordSource,
        /// Take a password that the policy calls weak
        #[arg(long)]
        force: bool,
    },
    /// List all users, or those that are looked for
    List(list::Args),
    /// Show a user
    Show { name: String },
    /// Set a password; ends every session of the user
    SetPassword {
        name: String,
        #[command(flatten)]
        source: PasswordSource,
        /// Take a password that the policy calls weak
        #[arg(long)]
        force: bool,
    },
    /// Set the e-mail address, without a letter; an empty one removes it
    SetEmail {
        name: String,
        email: String,
        /// It is known to be the user's
        #[arg(long)]
        verified: bool,
    },
    /// Print a link with which the user may choose a new password
    ResetLink { name: String },
    /// Show the second factors of a user, or take them away from who has lost them
    Factors {
        name: String,
        /// Remove them: the password alone lets the user in then
        #[arg(long)]
        reset: bool,
        /// Do not ask
        #[arg(long, requires = "reset")]
        yes: bool,
    },
    /// Let a user in again
    Activate { name: String },
    /// Shut a user out, from the next request on
    Deactivate { name: String },
    /// Remove a user for good
    Delete {
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Give and take roles
    #[command(subcommand)]
    Role(RoleAction),
    /// Put a user into groups and take it out
    #[command(subcommand)]
    Group(GroupAction),
    /// Set claims
    #[command(subcommand)]
    Claim(ClaimAction),
}

#[derive(Debug, Subcommand)]
pub(super) enum RoleAction {
    /// Give a role
    Add { name: String, role: String },
    /// Take a role
    Remove { name: String, role: String },
}

#[derive(Debug, Subcommand)]
pub(super) enum GroupAction {
    /// Put a user into a group
    Add { name: String, group: String },
    /// Take a user out of a group
    Remove { name: String, group: String },
}

#[derive(Debug, Subcommand)]
pub(super) enum ClaimAction {
    /// Set a claim; an empty value removes it
    Set {
        name: String,
        #[arg(value_name = "KEY=VALUE", value_parser = key_and_value)]
        claim: (String, String),
    },
}

impl Action {
    const fn only_looks(&self) -> bool {
        matches!(self, Self::List(_) | Self::Show { .. } | Self::Factors { reset: false, .. })
    }
}

pub(super) async fn run(
    args: Act<Action>,
    file: &PolicyFile,
    out: &mut Out,
) -> anyhow::Result<ExitCode> {
    let config = file.load()?.config;
    let purpose = if matches!(args.action, Action::Add { .. }) {
        Purpose::FirstUser
    } else if args.action.only_looks() {
        Purpose::Look
    } else {
        Purpose::Users
    };
    // Before the store is opened: nobody waits for its lock while somebody types.
    let Some(Prepared { command, said, generated }) = prepare(args.action)? else {
        bail!("nothing was removed");
    };
    let reach = Reach::open(config, purpose, out).await?;
    if let Command::UserList { filter, .. } = command {
        list::run(&reach, filter, args.json, out).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let reply = reach.send(command).await?;
    let generated = generated.as_ref().map(|password| password.as_str());
    if args.json {
        as_json(&reply, generated, out)?;
    } else {
        said.tell(&reply, generated, out)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A command, and how its reply is put.
struct Prepared {
    command: Command,
    said: Said,
    generated: Option<zeroize::Zeroizing<String>>,
}

#[derive(Clone, Copy)]
enum Said {
    Added,
    Shown,
    Password,
    Email,
    Link,
    Factors,
    Active,
    Deleted,
    Roles,
    Groups,
    Claims,
}

/// `None` if the operator thought better of it.
fn prepare(action: Action) -> anyhow::Result<Option<Prepared>> {
    let mut made = None;
    let (command, said) = match action {
        Action::Add { name, email, roles, source, force } => {
            let Chosen { password, generated } = source.take()?;
            made = generated;
            let password = Some(password);
            (Command::UserAdd { name, email, roles, password, force }, Said::Added)
        }
        Action::List(wanted) => (wanted.command(), Said::Shown),
        Action::Show { name } => (Command::UserShow { name }, Said::Shown),
        Action::SetPassword { name, source, force } => {
            let Chosen { password, generated } = source.take()?;
            made = generated;
            (Command::SetPassword { name, password, force }, Said::Password)
        }
        Action::SetEmail { name, email, verified } => {
            (Command::EmailSet { name, email, verified }, Said::Email)
        }
        Action::ResetLink { name } => (Command::ResetLink { name }, Said::Link),
        Action::Factors { name, reset: false, .. } => {
            (Command::UserFactors { name }, Said::Factors)
        }
        Action::Factors { name, reset: true, yes } => {
            let asked = format!("Remove the second factors of {}?", Printable(&name));
            if !yes && !confirm(&asked)? {
                return Ok(None);
            }
            (Command::FactorsReset { name }, Said::Factors)
        }
        Action::Activate { name } => (Command::Activate { name }, Said::Active),
        Action::Deactivate { name } => (Command::Deactivate { name }, Said::Active),
        Action::Delete { name, yes } => {
            if !yes && !confirm(&format!("Delete {} for good?", Printable(&name)))? {
                return Ok(None);
            }
            (Command::Delete { name }, Said::Deleted)
        }
        Action::Role(RoleAction::Add { name, role }) => {
            (Command::RoleAdd { name, role }, Said::Roles)
        }
        Action::Role(RoleAction::Remove { name, role }) => {
            (Command::RoleRemove { name, role }, Said::Roles)
        }
        Action::Group(GroupAction::Add { name, group }) => {
            (Command::GroupJoin { name, group }, Said::Groups)
        }
        Action::Group(GroupAction::Remove { name, group }) => {
            (Command::GroupLeave { name, group }, Said::Groups)
        }
        Action::Claim(ClaimAction::Set { name, claim: (claim, value) }) => {
            (Command::ClaimSet { name, claim, value }, Said::Claims)
        }
    };
    Ok(Some(Prepared { command, said, generated: made }))
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

impl Said {
    fn tell(self, reply: &Reply, generated: Option<&str>, out: &mut Out) -> anyhow::Result<()> {
        if let Reply::Deleted { username } = reply {
            return Ok(out.line(format_args!("deleted {username}"))?);
        }
        if let Reply::Link { username, link, expires } = reply {
            out.note(format_args!("for {username} alone, once, until {expires}:"));
            return Ok(out.line(&link.0)?);
        }
        if let Reply::Factors(factors) = reply {
            return Ok(out.line(self::factors(factors))?);
        }
        let Reply::User(user) = reply else { return Err(another_reply()) };
        let name = &user.username;
        match self {
            Self::Added => out.line(format_args!("added {name} (id {})", user.id))?,
            Self::Shown | Self::Link | Self::Factors | Self::Deleted => show(user, out)?,
            Self::Email => out.line(format_args!("{name} has {}", address(user)))?,
            Self::Password => {
                out.line(format_args!("set the password of {name}; all sessions are over"))?;
            }
            Self::Active if user.active => out.line(format_args!("{name} is active"))?,
            Self::Active => out.line(format_args!("{name} is shut out"))?,
            Self::Roles => out.line(format_args!("{name} has {}", listed("role", &user.roles)))?,
            Self::Groups => {
                out.line(format_args!("{name} is in {}", listed("group", &user.groups)))?;
            }
            Self::Claims => {
                out.line(format_args!("{name} has {}", listed("claim", &claims(user))))?;
            }
        }
        if let Some(password) = generated {
            out.line(format_args!("password: {password}"))?;
        }
        Ok(())
    }
}
