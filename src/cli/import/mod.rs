//! `portcullis import`: users of other systems, or of an export.
//!
//! Each source reads its file on a thread of its own and hands over batches of [`Item`]s, which
//! are sent to the gateway, or stored, while it reads on: a file is never in memory as a whole.

mod csv_table;
mod django;
mod exported;
mod htpasswd;
mod items;
mod json;
mod moment;
mod person;
mod pocketbase;
mod report;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Subcommand;
use tokio::sync::mpsc;

use self::items::{Item, Items, Reading};
use self::report::{Report, Sort};
use super::out::Out;
use super::policy_file::PolicyFile;
use super::progress::progress;
use super::reach::{Purpose, Reach, another_reply};
use crate::admin::{Command, ImportRoles, Reply};
use crate::clock::{Clock, SystemClock, Timestamp};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print the report as JSON
    #[arg(long, global = true)]
    json: bool,
    /// Say what would happen, and change nothing
    #[arg(long, global = true)]
    dry_run: bool,
    #[command(subcommand)]
    source: Source,
}

#[derive(Debug, Subcommand)]
enum Source {
    /// A Django project: what `manage.py dumpdata` writes, or `auth_user` as CSV
    Django {
        file: PathBuf,
        /// The project's user model, as in the dump
        #[arg(long, value_name = "LABEL", default_value = "auth.user")]
        user_model: String,
    },
    /// A password file of Apache or nginx
    Htpasswd { file: PathBuf },
    /// Rows of the table `users` of `PocketBase`, as JSON
    Pocketbase { file: PathBuf },
    /// What `portcullis export` wrote
    Portcullis { file: PathBuf },
}

/// What every source is read with.
struct Given {
    roles: ImportRoles,
    now: Timestamp,
}

impl Source {
    fn file(&self) -> &Path {
        match self {
            Self::Django { file, .. }
            | Self::Htpasswd { file }
            | Self::Pocketbase { file }
            | Self::Portcullis { file } => file,
        }
    }

    /// Reads the file to its end. It blocks.
    fn read(self, given: &Given, reading: &Reading, items: &mut Items) -> anyhow::Result<()> {
        match self {
            Self::Django { file, user_model } => {
                django::read(&file, &user_model.to_lowercase(), given, reading, items)?;
            }
            Self::Htpasswd { file } => htpasswd::read(reading.open(&file)?, given, items)?,
            Self::Pocketbase { file } => pocketbase::read(reading.open(&file)?, given, items)?,
            Self::Portcullis { file } => exported::read(reading.open(&file)?, items)?,
        }
        items.flush()
    }
}

pub(super) async fn run(args: Args, file: &PolicyFile, out: &mut Out) -> anyhow::Result<ExitCode> {
    let config = file.load()?.config;
    let path = args.source.file().to_owned();
    let named = path.display().to_string();
    let found =
        File::open(&path).and_then(|file| file.metadata()).with_context(|| named.clone())?;
    // It may be read more than once.
    if !found.is_file() {
        bail!("{named}: this is no file");
    }
    let given = Given { roles: config.import.clone(), now: SystemClock.now() };
    let purpose = if args.dry_run { Purpose::Rehearsal } else { Purpose::Import };
    let reach = Reach::open(config, purpose, out).await?;

    let (sender, mut batches) = mpsc::channel(2);
    let bar = progress(found.len());
    let reading = Reading::new(bar.clone());
    let reader = tokio::task::spawn_blocking(move || {
        args.source.read(&given, &reading, &mut Items::new(sender)).with_context(|| named)
    });
    let mut report = Report::new(&path, args.dry_run);
    while let Some(batch) = batches.recv().await {
        take(&reach, batch, &mut report).await.inspect_err(|_| bar.finish_and_clear())?;
    }
    bar.finish_and_clear();
    // What was taken until then is told all the same.
    let read = reader.await?;
    report.tell(args.json, out)?;
    read?;
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Reads `file` as one of the four sources; says how many records it is said to hold.
///
/// # Errors
///
/// What the operator would be told.
#[cfg(feature = "fuzz")]
pub fn read_whole(source: u8, file: &Path) -> anyhow::Result<usize> {
    let file = file.to_owned();
    let source = match source {
        0 => Source::Django { file, user_model: "auth.user".to_owned() },
        1 => Source::Htpasswd { file },
        2 => Source::Pocketbase { file },
        _ => Source::Portcullis { file },
    };
    let given = Given { roles: ImportRoles::default(), now: SystemClock.now() };
    // Room for whatever a small file holds.
    let (sender, mut batches) = mpsc::channel(1024);
    source.read(&given, &Reading::new(progress(0)), &mut Items::new(sender))?;
    let mut records = 0;
    while let Ok(batch) = batches.try_recv() {
        records += batch.iter().filter(|item| matches!(item, Item::Record { .. })).count();
    }
    Ok(records)
}

/// Sends one batch, and notes what became of it.
async fn take(reach: &Reach, batch: Vec<Item>, report: &mut Report) -> anyhow::Result<()> {
    let (mut labels, mut records) = (Vec::new(), Vec::new());
    for item in batch {
        match item {
            Item::Record { label, record, notes } => {
                for note in &notes {
                    report.note(&label, note);
                }
                if let Some(reason) = report.twice(&record) {
                    report.refuse(&label, reason);
                    continue;
                }
                labels.push((label, Sort::of(&record)));
                records.push(record);
            }
            Item::Skipped { label, reason } => report.refuse(&label, reason),
            Item::Count { of, count } => report.count(of, count),
            // A dry run changes nothing, and a new store has no numbers to compare.
            Item::Numbers(_) if report.is_dry() => {}
            Item::Numbers(numbers) => drop(reach.send(Command::Numbers(numbers)).await?),
        }
    }
    if records.is_empty() {
        return Ok(());
    }
    let command = Command::Import { records, dry_run: report.is_dry() };
    let Reply::Imported { outcomes } = reach.send(command).await? else {
        return Err(another_reply());
    };
    if outcomes.len() != labels.len() {
        return Err(another_reply());
    }
    for ((label, sort), outcome) in labels.iter().zip(outcomes) {
        report.add(label, *sort, outcome);
    }
    Ok(())
}
