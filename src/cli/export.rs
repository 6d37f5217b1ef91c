//! `portcullis export`: all users with everything that is theirs, as JSON Lines.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::out::Out;
use super::policy_file::PolicyFile;
use super::reach::{Purpose, Reach};
use crate::admin::{Command, Reply};

/// The form of an export. Raise it when an older binary would misread one.
pub(super) const FORMAT: u32 = 1;

/// Users asked for at once.
const PAGE: usize = 200;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file to make; standard output when left out
    file: Option<PathBuf>,
}

/// The first line.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Head {
    /// The form of the lines that follow.
    pub(super) portcullis: u32,
    /// The last number that was given to a user.
    pub(super) last_user: u64,
    /// And to a session.
    pub(super) last_session: u64,
}

pub(super) async fn run(args: Args, file: &PolicyFile, out: &mut Out) -> anyhow::Result<ExitCode> {
    let config = file.load()?.config;
    let reach = Reach::open(config, Purpose::Users, out).await?;
    let Some(path) = args.file else {
        let written = write(&reach, &mut |line| Ok(out.line(line)?)).await?;
        warn(written, None, out);
        return Ok(ExitCode::SUCCESS);
    };
    // Never over something that is there, and never readable by others, not for a moment.
    let target = File::options().write(true).create_new(true).mode(0o600).open(&path);
    let mut target = target.map(BufWriter::new).with_context(|| path.display().to_string())?;
    let written = async {
        let written = write(&reach, &mut |line| Ok(writeln!(target, "{line}")?)).await?;
        target.flush()?;
        target.get_ref().sync_all()?;
        anyhow::Ok(written)
    };
    match written.await {
        Ok(written) => warn(written, Some(&path), out),
        Err(error) => {
            // Half an export would be taken for a whole one.
            drop(std::fs::remove_file(&path));
            return Err(error.context(path.display().to_string()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes line by line, and returns how many users there were.
async fn write(
    reach: &Reach,
    line: &mut dyn FnMut(String) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    let numbers = reach.send(Command::Numbers { users: 0, sessions: 0 }).await?;
    let Reply::Numbers { users: last_user, sessions: last_session } = numbers else {
        bail!("the gateway replied to another command");
    };
    line(serde_json::to_string(&Head { portcullis: FORMAT, last_user, last_session })?)?;
    let (mut after, mut written) = (None, 0);
    loop {
        let reply = reach.send(Command::UserExport { after, limit: PAGE }).await?;
        let Reply::Exported { users, next } = reply else {
            bail!("the gateway replied to another command");
        };
        for user in &users {
            line(serde_json::to_string(user)?)?;
            written += 1;
        }
        after = next;
        if after.is_none() {
            return Ok(written);
        }
    }
}

fn warn(users: u64, path: Option<&Path>, out: &mut Out) {
    let place = path.map_or_else(String::new, |path| format!(" to {}", path.display()));
    out.note(format_args!(
        "exported {users} users{place}; password hashes are in it, so keep it as you keep the store"
    ));
}
