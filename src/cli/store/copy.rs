//! `portcullis store copy`: everything of a file becomes a database, or the other way round.
//!
//! The source is read as it is at one moment, while gateways go on serving from it. What is made is
//! marked as unfinished, so that nobody opens it, until all of it has been read again and found to be
//! what it was made of. Whoever is killed may begin again: what is there is passed over as long as the
//! source still begins with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde::Serialize;
use tokio::sync::mpsc;

use super::keys::{KeysOf, KeysPlan};
use super::source::{Reading, Source};
use crate::cli::out::Out;
use crate::cli::policy_file::PolicyFile;
use crate::cli::progress::progress;
use crate::cli::reach::{explain, whole};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::config::Config;
use crate::new_file::behind_links;
use crate::store::transfer::{CopyTarget, Section, StoreRecord, Sums, Total};
use crate::store::{DatabaseCopy, FileCopy, OpenError, StoreSettings};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The policy file with the store that is copied; gateways may go on serving from it
    from: PathBuf,
    /// The policy file with the store that is made: a new file, or a database without one
    to: PathBuf,
}

type Target = Box<dyn CopyTarget>;

/// What was done, for machines.
#[derive(Serialize)]
struct Done<'a> {
    from: &'a str,
    to: &'a str,
    /// What was changed later is not in it.
    began: String,
    /// Whether an earlier copy was gone on with.
    resumed: bool,
    records: BTreeMap<&'static str, u64>,
    left_out: u64,
    keys: &'static str,
}

/// What came of reading all of the source once.
enum Outcome {
    /// All of it is stored, with these sums; and so many rows were left out.
    Copied(Sums, u64),
    /// It does not begin with what is stored any more.
    Changed,
}

pub(super) async fn run(args: &Args, json: bool, out: &mut Out) -> anyhow::Result<ExitCode> {
    let from = load(&args.from)?;
    let to = load(&args.to)?;
    differ(&from, &to)?;
    let (source_name, target_name) = (name(&from), name(&to));
    let (keys, wanted) = (KeysOf::new(&from), KeysOf::new(&to));
    let source = Box::pin(Source::open(from, out)).await?;
    let shared = source.shared();
    let plan = tokio::task::spawn_blocking(move || {
        KeysPlan::new(&keys, shared.as_ref(), &wanted, SystemClock.now())
    });
    let plan = plan.await??;
    let target = open(&to, source_name.clone()).await?;
    let resumed = target.progress().records > 0;
    let Copied { target, sums, left_out, began } = copy_all(&source, target, out).await?;
    let target = verify(target, &sums).await?;
    let keys = plan.told();
    let plan = tokio::task::spawn_blocking(move || {
        let ring = plan.carry_out()?;
        target.finish(ring)?;
        anyhow::Ok(plan)
    });
    let plan = plan.await??;
    let totals = sums.totals();
    let records = totals.iter().filter(|(section, _)| **section != Section::Numbers);
    let records = records.map(|(section, total)| (section.name(), total.records)).collect();
    let began = began.to_string();
    let done =
        Done { from: &source_name, to: &target_name, began, resumed, records, left_out, keys };
    if json {
        out.json(&done)?;
    } else {
        tell(&done, &plan, out)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn load(path: &Path) -> anyhow::Result<Config> {
    Ok(PolicyFile::Named(path.to_owned()).load()?.config)
}

fn differ(from: &Config, to: &Config) -> anyhow::Result<()> {
    match (from.store.file(), to.store.file()) {
        (Some(_), Some(_)) => bail!(
            "both are files: `portcullis backup` and `restore` put a store elsewhere, and so does `cp` \
             while no gateway runs"
        ),
        (None, None) => bail!(
            "both are databases: copy the schema `portcullis` by the database's own means (`pg_dump`)"
        ),
        (Some(_), None) | (None, Some(_)) => Ok(()),
    }
}

/// What a store is called, wherever this is run.
fn name(config: &Config) -> String {
    match config.store.file() {
        Some(path) => whole(path).display().to_string(),
        None => config.store.to_string(),
    }
}

async fn open(to: &Config, source: String) -> anyhow::Result<Target> {
    let store = to.store.clone();
    let opened = tokio::task::spawn_blocking(move || -> Result<Target, OpenError> {
        Ok(match store {
            StoreSettings::File(path) => Box::new(FileCopy::open(&behind_links(&path), &source)?),
            StoreSettings::Postgres(settings) => Box::new(DatabaseCopy::open(&settings, &source)?),
        })
    });
    opened.await?.map_err(|error| explain(error, to))
}

/// A target that has everything, and what that is.
struct Copied {
    target: Target,
    sums: Sums,
    left_out: u64,
    began: Timestamp,
}

/// Reads the source to its end, and once more from its beginning where it has changed since an
/// earlier copy.
async fn copy_all(source: &Source, mut target: Target, out: &mut Out) -> anyhow::Result<Copied> {
    loop {
        let began = SystemClock.now();
        let bar = progress(0);
        let reading = source.read(&bar).await?;
        let copied = pass(reading, target).await;
        bar.finish_and_clear();
        match copied.context("the copy was broken off: run the command again to go on with it")? {
            (target, Outcome::Copied(sums, left_out)) => {
                return Ok(Copied { target, sums, left_out, began });
            }
            (mut stale, Outcome::Changed) => {
                out.note("the store has changed since the copy was broken off: it begins anew");
                let cleared = tokio::task::spawn_blocking(move || stale.clear().map(|()| stale));
                target = cleared.await??;
            }
        }
    }
}

/// Stores everything that comes and is not there already.
async fn pass(reading: Reading, target: Target) -> anyhow::Result<(Target, Outcome)> {
    let Reading { batches, reader } = reading;
    let stored = tokio::task::spawn_blocking(move || store(batches, target)).await?;
    // Its own error first: whoever reads has only noticed that nobody takes anything any more.
    let (target, sums) = stored?;
    let read = reader.await?;
    let Some(sums) = sums else { return Ok((target, Outcome::Changed)) };
    let left_out = read?;
    // What ended too soon may have ended within what was there.
    if sums.records() < target.progress().records {
        return Ok((target, Outcome::Changed));
    }
    Ok((target, Outcome::Copied(sums, left_out)))
}

/// The same on a thread that may block. No sums: what is there is not what comes.
fn store(
    mut batches: mpsc::Receiver<Vec<StoreRecord>>,
    mut target: Target,
) -> anyhow::Result<(Target, Option<Sums>)> {
    let there = target.progress();
    let mut sums = Sums::new();
    while let Some(mut batch) = batches.blocking_recv() {
        let mut known = 0;
        for record in &batch {
            sums.add(record);
            if sums.records() <= there.records {
                known += 1;
            }
            if sums.records() == there.records && sums.progress() != there {
                return Ok((target, None));
            }
        }
        batch.drain(..known);
        if !batch.is_empty() {
            target.take(batch, sums.progress())?;
        }
    }
    Ok((target, Some(sums)))
}

/// Reads all of the target, which has to be what was read of the source.
async fn verify(target: Target, wanted: &Sums) -> anyhow::Result<Target> {
    let bar = progress(wanted.records());
    let (sender, mut batches) = mpsc::channel(2);
    let poured = tokio::task::spawn_blocking(move || {
        let poured = target.pour(sender);
        (target, poured)
    });
    let mut found = Sums::new();
    while let Some(batch) = batches.recv().await {
        bar.inc(batch.len() as u64);
        for record in &batch {
            found.add(record);
        }
    }
    bar.finish_and_clear();
    let (mut target, poured) = poured.await?;
    poured?;
    let differing = differing(&wanted.totals(), &found.totals());
    if differing.is_empty() {
        return Ok(target);
    }
    // So that the next try passes over nothing.
    tokio::task::spawn_blocking(move || target.clear()).await??;
    bail!(
        "what was stored is not what was read, in {}: the copy was emptied; run the command again, and report \
         this if it happens once more",
        differing.join(", ")
    )
}

/// The sections that are not the same on both sides.
fn differing(
    wanted: &BTreeMap<Section, Total>,
    found: &BTreeMap<Section, Total>,
) -> Vec<&'static str> {
    let differs = |section: &Section| wanted.get(section) != found.get(section);
    Section::ALL.into_iter().filter(differs).map(Section::name).collect()
}

fn tell(done: &Done<'_>, plan: &KeysPlan, out: &mut Out) -> anyhow::Result<()> {
    let Done { from, to, began, records, left_out, .. } = done;
    let counts: Vec<_> = records.iter().map(|(name, count)| format!("{count} {name}")).collect();
    out.line(format_args!("copied {from} to {to}, and read again: {}", counts.join(", ")))?;
    out.line(plan)?;
    if *left_out > 0 {
        out.line(format_args!(
            "left out: {left_out} rows of users who are gone, which an older version had left"
        ))?;
    }
    out.note(format_args!(
        "not in it: what was changed in the old store after {began}, and the audit record, which stays a file"
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::UserId;

    fn totals(users: &[u64]) -> BTreeMap<Section, Total> {
        let mut sums = Sums::new();
        for user in users {
            sums.add(&StoreRecord::Deleted(UserId(*user)));
        }
        sums.totals()
    }

    #[test]
    fn a_section_that_lacks_a_record_or_has_another_is_told() {
        let wanted = totals(&[1, 2]);
        assert!(differing(&wanted, &totals(&[1, 2])).is_empty());
        for found in [&[][..], &[1], &[1, 3], &[2, 1], &[1, 2, 3]] {
            assert_eq!(differing(&wanted, &totals(found)), ["deleted_users"], "{found:?}");
        }
    }
}
