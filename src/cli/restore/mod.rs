//! `portcullis restore`: a backup becomes the store, while no gateway runs.
//!
//! Everything is made beside its place and checked to the end before anything that is there is
//! touched; then the key file, the line in the audit record, and the store, in this order: whoever
//! is killed between them may begin again.

mod build;
mod keys;
mod since;

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use serde::Serialize;

use self::build::{build, open, spoiled};
use self::keys::KeysPlan;
use self::since::Undone;
use super::contents::{Contents, ContentsView};
use super::out::Out;
use super::policy_file::PolicyFile;
use super::reach::{explain, file_of, no_gateway};
use crate::audit::{Audit, Event, KEY_PURPOSE, Kind, Origin, Shown, asked_by};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::config::Config;
use crate::keys::KeyRing;
use crate::new_file::{behind_links, folder, keep_as};
use crate::store::{FinishedDraft, HeldStore, StoreDraft};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What `portcullis backup` made; `-` for standard input
    file: PathBuf,
    #[command(flatten)]
    how: How,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::Args)]
struct How {
    /// Take the place of a store that is there, which is kept beside it
    #[arg(long)]
    force: bool,
    /// Leave sessions as they were at the backup: those that were ended since live again
    #[arg(long)]
    keep_sessions: bool,
    /// Say what is in the backup and whether it is whole, and change nothing
    #[arg(long, conflicts_with_all = ["force", "keep_sessions"])]
    check: bool,
}

/// What was done, for machines.
#[derive(Serialize)]
struct Done<'a> {
    store: &'a Path,
    /// What was there before is kept so.
    before: Option<PathBuf>,
    logins: &'static str,
    key_file: &'static str,
    next_user: u64,
    /// What was taken away since the backup, and is back.
    #[serde(flatten)]
    undone: &'a Undone,
    #[serde(flatten)]
    contents: ContentsView<'a>,
}

pub(super) async fn run(args: Args, file: &PolicyFile, out: &mut Out) -> anyhow::Result<ExitCode> {
    let named = args.file.display().to_string();
    if args.how.check {
        return check(&args, out).with_context(|| named);
    }
    let mut config = file.load()?.config;
    // A link stays: what it leads to is replaced.
    let store = behind_links(file_of(&config, "restored")?);
    config.keys.ring = behind_links(&config.keys.ring);
    no_gateway(&config, "a store is restored while none does").await?;
    // From here on nobody opens it. Where there is none, nobody is kept from making one.
    let held = HeldStore::hold(&store).map_err(|error| explain(error, &config))?;
    if held.is_some() && !args.how.force {
        bail!(
            "{}: there is a store; `--force` puts the backup in its place, and keeps it beside",
            store.display()
        );
    }
    let made = build(&args, &config, &store, held.as_ref()).with_context(|| named)?;
    if held.is_none() {
        still_nobody(&config, &store).await?;
    }
    let now = SystemClock.now();
    made.keys.carry_out(now)?;
    record(&config, &args, &made.contents, now).await?;
    let before = publish(made.draft, &store, held.is_some(), now)?;
    drop(held);
    let undone = Undone::since(made.contents.made(), &config.audit, args.how.keep_sessions);
    let done = Done {
        store: &store,
        before,
        logins: if args.how.keep_sessions { "kept" } else { "ended" },
        key_file: made.keys.told(),
        next_user: made.next_user,
        undone: &undone,
        contents: made.contents.view(),
    };
    if args.json {
        out.json(&done)?;
    } else {
        tell(&done, &made.contents, &made.keys, out)?;
    }
    warn_of_root(&store, out);
    Ok(ExitCode::SUCCESS)
}

/// A backup may take long to come. Refuses where somebody else began a store meanwhile; where one
/// begins right now, neither its store nor its key file is replaced.
async fn still_nobody(config: &Config, store: &Path) -> anyhow::Result<()> {
    no_gateway(config, "it was started meanwhile; nothing was changed").await?;
    if store.symlink_metadata().is_ok() {
        bail!("{}: somebody made this store meanwhile; nothing was changed", store.display());
    }
    Ok(())
}

/// What root makes in the folder of somebody else is of no use to a gateway that runs as that one.
fn warn_of_root(store: &Path, out: &mut Out) {
    let owner = folder(store).metadata().map(|found| found.uid());
    if let Ok(owner @ 1..) = owner
        && rustix::process::geteuid().is_root()
    {
        let store = store.display();
        out.note(format_args!(
            "{store} and what is new beside it are root's, and the folder is user {owner}'s: if the \
             gateway runs as that user, give them to it (`chown {owner} {store}*`)"
        ));
    }
}

fn check(args: &Args, out: &mut Out) -> anyhow::Result<ExitCode> {
    let contents = Contents::read(open(&args.file)?, &ProgressBar::hidden(), |_, _| Ok(()))?;
    let judged = StoreDraft::judge(&args.file, contents.head.store, contents.rows());
    judged.map_err(spoiled)?;
    if args.json {
        out.json(&contents.view())?;
        return Ok(ExitCode::SUCCESS);
    }
    let keys = if contents.keys { "with" } else { "without" };
    let (made, version) = (contents.made(), &contents.head.version);
    out.line(format_args!("whole: {contents}, {keys} the key file"))?;
    out.line(format_args!("made at {made} by portcullis {version}"))?;
    Ok(ExitCode::SUCCESS)
}

/// Says in the audit record that the past is back: what cannot be recorded is not done.
async fn record(
    config: &Config,
    args: &Args,
    contents: &Contents,
    now: Timestamp,
) -> anyhow::Result<()> {
    // Without a key there is no record that could go on.
    if !config.keys.ring.exists() {
        return Ok(());
    }
    let keys = KeyRing::open(config.keys.clone(), Duration::MAX, now).context("keys")?;
    let key = keys.derive(KEY_PURPOSE);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let audit = Audit::start(&config.audit, &key, clock)?;
    let sessions = if args.how.keep_sessions { "kept" } else { "ended" };
    let event = Event::new(Kind::Command).with("command", "restore");
    let event = event.with("made", contents.made().to_string()).with("sessions", sessions);
    let origin = Origin::operator(rustix::process::geteuid().as_raw());
    asked_by(origin, async { audit.note(event).keep().await }).await?;
    Ok(())
}

/// Gives the store its name. Where there was one, there is one at any moment.
fn publish(
    draft: FinishedDraft,
    store: &Path,
    there: bool,
    now: Timestamp,
) -> anyhow::Result<Option<PathBuf>> {
    if !there {
        draft.publish()?;
        return Ok(None);
    }
    let before = set_aside(store, now).with_context(|| store.display().to_string())?;
    draft.replace()?;
    Ok(Some(before))
}

/// Keeps a file under a name of its own.
fn set_aside(path: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let stamp = now.to_string().replace(['-', ':'], "");
    for attempt in 0_u32.. {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".before-{stamp}"));
        if attempt > 0 {
            name.push(format!("-{attempt}"));
        }
        let name = PathBuf::from(name);
        match keep_as(path, &name) {
            Ok(()) => return Ok(name),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn tell(
    done: &Done<'_>,
    contents: &Contents,
    keys: &KeysPlan,
    out: &mut Out,
) -> anyhow::Result<()> {
    let made = contents.made();
    out.line(format_args!(
        "restored {contents}, as they were at {made}, to {}",
        done.store.display()
    ))?;
    if let Some(before) = &done.before {
        out.line(format_args!("the store that was there is kept as {}", before.display()))?;
    }
    out.line(if done.logins == "ended" {
        "every session from before now is over, with its tokens, and so are links that were mailed"
    } else {
        "sessions are as they were at the backup: what was ended since lives again"
    })?;
    out.line(
        "API keys, tokens of `api-token-auth/` and invitations are as they were at the backup: what \
         was revoked or used up since is good again",
    )?;
    out.line(keys)?;
    out.line(format_args!("the next user will have the id {}", done.next_user))?;
    tell_undone(done.undone, out)
}

fn tell_undone(undone: &Undone, out: &mut Out) -> anyhow::Result<()> {
    if let Some(why) = &undone.unknown {
        out.line(format_args!("\nit is not known whether more was taken away since: {why}"))?;
    }
    if !undone.lines.is_empty() {
        out.line("\nwhat the audit record says was taken away since, and is back now:")?;
    }
    if undone.before > 0 {
        out.line(format_args!("(and {} lines before these)", undone.before))?;
    }
    for line in &undone.lines {
        out.line(Shown(line))?;
    }
    Ok(())
}
