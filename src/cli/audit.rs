//! `portcullis audit`: the record of who did what, whether a gateway runs or not.

use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Context;
use clap::Subcommand;

use super::out::Out;
use super::policy_file::PolicyFile;
use crate::admin::AuditState;
use crate::audit::{KEY_PURPOSE, Shown, Verdict, last_lines, verify};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::keys::KeyRing;
use crate::store::OpenMode;

/// How often new lines are looked for.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Args {
    /// Print JSON: the lines as they stand in the record
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Action {
    /// Print the last lines
    Tail {
        /// How many
        #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
        lines: usize,
        /// Go on with those that come
        #[arg(short, long)]
        follow: bool,
    },
    /// Say whether every line is there and as it was written
    Verify,
}

pub(super) fn run(args: Args, file: &PolicyFile, out: &mut Out) -> anyhow::Result<ExitCode> {
    let config = file.load()?.config;
    match args.action {
        Action::Tail { lines, follow } => tail(&config, lines, follow, args.json, out),
        Action::Verify => judge(config, args.json, out),
    }
}

fn tail(
    config: &Config,
    count: usize,
    follow: bool,
    json: bool,
    out: &mut Out,
) -> anyhow::Result<ExitCode> {
    let path = &config.audit.path;
    let place = || path.display().to_string();
    let mut print = |lines: Vec<String>| {
        for line in lines {
            if json { out.line(line)? } else { out.line(Shown(&line))? }
        }
        Ok::<_, std::io::Error>(out.is_closed())
    };
    let (lines, mut follower) = last_lines(path, count).with_context(place)?;
    let mut closed = print(lines)?;
    while follow && !closed {
        sleep(LOOK);
        closed = print(follower.more().with_context(place)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn judge(config: Config, json: bool, out: &mut Out) -> anyhow::Result<ExitCode> {
    let path = config.audit.path;
    let (settings, now) = (config.keys, SystemClock.now());
    let keys = match &config.shared_keys {
        Some(shared) => {
            let store = config.store.open(OpenMode::Existing)?;
            KeyRing::open_existing_shared(settings, shared, &store, Duration::MAX, now)
        }
        None => KeyRing::open_existing(settings, Duration::MAX, now),
    };
    let key = keys.context("the record is sealed with a key of the gateway")?.derive(KEY_PURPOSE);
    let verdict = verify(&path, &key)?;
    let whole = verdict.faults.is_empty();
    if json {
        out.json(&AuditState::from(&verdict))?;
    } else {
        for fault in &verdict.faults {
            out.line(fault)?;
        }
        let Verdict { files, lines, first, last, .. } = verdict;
        let range = match (first, last) {
            (Some(first), Some(last)) => format!(", number {first} to {last}"),
            _ => String::new(),
        };
        let state = if whole { "whole" } else { "NOT whole" };
        out.line(format_args!("{state}: {lines} good lines in {files} files{range}"))?;
        if verdict.unfinished {
            out.note("the last line is unfinished: it is being written, or a crash came");
        }
    }
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
