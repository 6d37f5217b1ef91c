//! `portcullis export`: all users with everything that is theirs, and what stands beside them, as
//! JSON Lines.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::out::Out;
use super::policy_file::PolicyFile;
use super::reach::{Purpose, Reach, another_reply};
use crate::admin::{Command, Place, Record, Reply};
use crate::store::Numbers;

/// The form of an export. Raise it when an older binary would misread one.
///
/// 2: lines of more kinds than users, each with its `kind`, and a last line that says so.
pub(super) const FORMAT: u32 = 2;

/// The first form whose lines name their kind, and that has a last line.
pub(super) const KINDS: u32 = 2;

/// Records asked for at once.
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
    /// And to an invitation.
    #[serde(default)]
    pub(super) last_invitation: u64,
    /// And to a key that a user made.
    #[serde(default)]
    pub(super) last_key: u64,
}

/// The kind of the last line.
pub(super) const END: &str = "end";

/// The last line: without it, an export that was cut off would be taken for a whole one.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    /// [`END`].
    kind: String,
    /// How many lines there are between the first and this one.
    pub(super) records: u64,
}

/// What was written.
#[derive(Debug, Default)]
struct Written {
    users: u64,
    groups: u64,
    invitations: u64,
}

pub(super) async fn run(args: Args, file: &PolicyFile, out: &mut Out) -> anyhow::Result<ExitCode> {
    let config = file.load()?.config;
    let reach = Reach::open(config, Purpose::Users, out).await?;
    let Some(path) = args.file else {
        let written = write(&reach, &mut |line| Ok(out.line(line)?)).await?;
        warn(&written, None, out);
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
        Ok(written) => warn(&written, Some(&path), out),
        Err(error) => {
            // Half an export would be taken for a whole one.
            drop(std::fs::remove_file(&path));
            return Err(error.context(path.display().to_string()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes line by line, and returns how much there was.
async fn write(
    reach: &Reach,
    line: &mut dyn FnMut(String) -> anyhow::Result<()>,
) -> anyhow::Result<Written> {
    let numbers = reach.send(Command::Numbers(Numbers::default())).await?;
    let Reply::Numbers(last) = numbers else { return Err(another_reply()) };
    line(serde_json::to_string(&Head {
        portcullis: FORMAT,
        last_user: last.users,
        last_session: last.sessions,
        last_invitation: last.invitations,
        last_key: last.keys,
    })?)?;
    let (mut place, mut written, mut count) = (Place::default(), Written::default(), 0);
    loop {
        let reply = reach.send(Command::Export { place, limit: PAGE }).await?;
        let Reply::Exported { records, next } = reply else { return Err(another_reply()) };
        for record in &records {
            line(serde_json::to_string(record)?)?;
            count += 1;
            match record {
                Record::User(_) => written.users += 1,
                Record::Group(_) => written.groups += 1,
                Record::Invitation(_) => written.invitations += 1,
                Record::Deleted(_) => {}
            }
        }
        let Some(next) = next else { break };
        place = next;
    }
    line(serde_json::to_string(&End { kind: END.to_owned(), records: count })?)?;
    Ok(written)
}

fn warn(written: &Written, path: Option<&Path>, out: &mut Out) {
    let Written { users, groups, invitations } = written;
    let place = path.map_or_else(String::new, |path| format!(" to {}", path.display()));
    out.note(format_args!(
        "exported {users} users, {groups} groups and {invitations} invitations{place}; password \
         hashes are in it, so keep it as you keep the store"
    ));
    out.note(format_args!(
        "not in it: the keys beside the store, letters that wait to be sent, and links that were \
         mailed, which live for an hour"
    ));
}
