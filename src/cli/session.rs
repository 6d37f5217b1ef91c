//! `portcullis session`: where a user is logged in, whether the gateway runs or not.

use std::process::ExitCode;

use clap::Subcommand;
use serde::Serialize;

use super::act::Act;
use super::out::Out;
use super::policy_file::PolicyFile;
use super::reach::{Purpose, Reach, another_reply};
use crate::admin::{Command, Reply, SessionView};

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List the living sessions of a user, the newest first
    List { name: String },
    /// End a session of a user, or all of them, from the next request on
    End {
        name: String,
        /// The session, as `list` shows it
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        /// Every session and token of the user
        #[arg(long)]
        all: bool,
    },
}

/// What was ended, for machines.
#[derive(Serialize)]
struct Ended<'a> {
    username: &'a str,
    /// `None` for all of them.
    session: Option<&'a str>,
}

pub(super) async fn run(
    args: Act<Action>,
    file: &PolicyFile,
    out: &mut Out,
) -> anyhow::Result<ExitCode> {
    let config = file.load()?.config;
    let reach = Reach::open(config, Purpose::Users, out).await?;
    let command = match args.action {
        Action::List { name } => Command::SessionList { name },
        Action::End { name, id: Some(session), .. } => Command::SessionEnd { name, session },
        Action::End { name, id: None, .. } => Command::SessionEndAll { name },
    };
    let reply = reach.send(command).await?;
    if let Reply::Sessions { sessions } = reply {
        if args.json {
            out.json(&sessions)?;
        } else {
            let heads = ["ID", "STARTED", "LAST USED", "ADDRESS", "DEVICE"];
            out.table(heads, sessions.into_iter().map(row).collect())?;
        }
    } else if let Reply::SessionsEnded { username, session } = reply {
        if args.json {
            out.json(&Ended { username: &username, session: session.as_deref() })?;
        } else if let Some(session) = session {
            out.line(format_args!("ended {session} of {username}"))?;
        } else {
            out.line(format_args!("ended every session of {username}"))?;
        }
    } else {
        return Err(another_reply());
    }
    Ok(ExitCode::SUCCESS)
}

fn row(session: SessionView) -> [String; 5] {
    let SessionView { id, device, address, started, last_used } = session;
    [id, started, last_used, address, device]
}
