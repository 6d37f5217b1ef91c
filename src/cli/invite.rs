//! `portcullis invite`: who may register where `register = "invite"`, and with which roles.

use std::num::NonZeroU32;
use std::process::ExitCode;

use clap::Subcommand;
use serde::Serialize;

use super::act::Act;
use super::out::Out;
use super::policy_file::PolicyFile;
use super::reach::{Purpose, Reach, another_reply};
use super::times::seconds;
use crate::admin::{Command, InvitationView, Reply};
use crate::printable::Printable;

/// Invitations asked for at once.
const PAGE: usize = 500;

const HEADS: [&str; 6] = ["ID", "EMAIL", "ROLES", "USES LEFT", "CREATED", "EXPIRES"];

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Make an invitation and print it; it cannot be shown again
    Add {
        /// The only address that may be registered with it
        #[arg(long, default_value = "", hide_default_value = true)]
        email: String,
        /// A role that the account gets; may be repeated
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
        /// How many accounts may be made with it
        #[arg(long, value_name = "N", default_value = "1")]
        uses: NonZeroU32,
        /// How long it is good: "12h", "7d"
        #[arg(long, value_name = "TIME", default_value = "7d", value_parser = seconds)]
        expires: NonZeroU32,
    },
    /// List those that are not used up
    List,
    /// Take an invitation back
    Revoke {
        /// Its number, as listed
        id: u64,
    },
}

pub(super) async fn run(
    args: Act<Action>,
    file: &PolicyFile,
    out: &mut Out,
) -> anyhow::Result<ExitCode> {
    let config = file.load()?.config;
    let reach = Reach::open(config, Purpose::Users, out).await?;
    match args.action {
        Action::Add { email, roles, uses, expires } => {
            let command = Command::InviteAdd { email, roles, uses, life: expires };
            let Reply::Invited(made) = reach.send(command).await? else {
                return Err(another_reply());
            };
            if args.json {
                out.json(&made)?;
            } else {
                told(&made, out)?;
            }
        }
        Action::List => {
            let all = list(&reach).await?;
            if args.json {
                out.json(&all)?;
            } else {
                out.table(HEADS, all.iter().map(row).collect())?;
            }
        }
        Action::Revoke { id } => {
            let Reply::Revoked { id } = reach.send(Command::InviteRevoke { id }).await? else {
                return Err(another_reply());
            };
            if args.json {
                out.json(&Revoked { revoked: id })?;
            } else {
                out.line(format_args!("invitation {id} is good for nothing now"))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct Revoked {
    revoked: u64,
}

fn told(made: &InvitationView, out: &mut Out) -> anyhow::Result<()> {
    let invite = made.invite.as_deref().ok_or_else(another_reply)?;
    let times = if made.left == 1 { "once".to_owned() } else { format!("{} times", made.left) };
    let whose = if made.email.is_empty() {
        String::new()
    } else {
        format!(", for {}", Printable(&made.email))
    };
    let InvitationView { id, expires, .. } = made;
    out.line(format_args!("invitation {id}: good {times} until {expires}{whose}"))?;
    Ok(out.line(format_args!("invite: {invite}"))?)
}

/// All of them: operators make them by hand, so there are not many.
async fn list(reach: &Reach) -> anyhow::Result<Vec<InvitationView>> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let reply = reach.send(Command::InviteList { after, limit: PAGE }).await?;
        let Reply::Invitations { invitations, next } = reply else { return Err(another_reply()) };
        all.extend(invitations);
        after = next;
        if after.is_none() {
            return Ok(all);
        }
    }
}

fn row(one: &InvitationView) -> [String; 6] {
    let expires = if one.expired { format!("{} (over)", one.expires) } else { one.expires.clone() };
    [
        one.id.to_string(),
        one.email.clone(),
        one.roles.join(","),
        one.left.to_string(),
        one.created.clone(),
        expires,
    ]
}
