//! `portcullis session`: where users are logged in, whether the gateway runs or not.

use std::process::ExitCode;

use clap::Subcommand;
use serde::Serialize;

use super::act::Act;
use super::out::{Array, Out};
use super::policy_file::PolicyFile;
use super::reach::{Purpose, Reach, another_reply};
use crate::admin::{Command, Reply, SessionList, SessionView};

const HEADS: [&str; 6] = ["ID", "USER", "STARTED", "LAST USED", "ADDRESS", "DEVICE"];

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List the living sessions of all users, or of one, the newest first
    List {
        name: Option<String>,
        /// Those that began at that address or in that network: `192.0.2.7`, `10.0.0.0/8`
        #[arg(long, value_name = "ADDRESS", default_value = "", hide_default_value = true)]
        address: String,
    },
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
    let looks = matches!(args.action, Action::List { .. });
    let purpose = if looks { Purpose::Look } else { Purpose::Users };
    let reach = Reach::open(config, purpose, out).await?;
    let command = match args.action {
        Action::List { name, address } => {
            let asked = SessionList { name, address, ..SessionList::default() };
            list(&reach, asked, args.json, out).await?;
            return Ok(ExitCode::SUCCESS);
        }
        Action::End { name, id: Some(session), .. } => Command::SessionEnd { name, session },
        Action::End { name, id: None, .. } => Command::SessionEndAll { name },
    };
    let Reply::SessionsEnded { username, session } = reach.send(command).await? else {
        return Err(another_reply());
    };
    if args.json {
        out.json(&Ended { username: &username, session: session.as_deref() })?;
    } else if let Some(session) = session {
        out.line(format_args!("ended {session} of {username}"))?;
    } else {
        out.line(format_args!("ended every session of {username}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Page by page: there may be more of them than fit in memory.
async fn list(reach: &Reach, asked: SessionList, json: bool, out: &mut Out) -> anyhow::Result<()> {
    let (mut asked, mut array) = (asked, Array::default());
    loop {
        let reply = reach.send(Command::SessionList(asked.clone())).await?;
        let Reply::Sessions { sessions, next } = reply else { return Err(another_reply()) };
        if json {
            out.items(&mut array, &sessions)?;
        } else if asked.before.is_none() || !sessions.is_empty() {
            out.table(HEADS, sessions.into_iter().map(row).collect())?;
        }
        asked.before = next;
        if next.is_none() || out.is_closed() {
            break;
        }
    }
    if json {
        out.end(&array)?;
    }
    Ok(())
}

fn row(session: SessionView) -> [String; 6] {
    let SessionView { id, username, device, address, started, last_used } = session;
    [id, username, started, last_used, address, device]
}
