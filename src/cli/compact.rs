//! `portcullis compact`: gives the disk back what the store has no more use for.

use std::path::PathBuf;
use std::process::ExitCode;

use indicatif::HumanBytes;
use serde::Serialize;

use super::out::Out;
use super::policy_file::PolicyFile;
use super::reach::{explain, file_of, no_gateway};
use crate::store::{Compacted, RedbStore};

#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What became of the file, for machines.
#[derive(Serialize)]
struct Told {
    store: PathBuf,
    before: u64,
    after: u64,
}

pub(super) async fn run(args: Args, file: &PolicyFile, out: &mut Out) -> anyhow::Result<ExitCode> {
    let config = file.load()?.config;
    no_gateway(&config, "compacting needs the store to itself").await?;
    let store = file_of(&config, "compacted")?;
    let Compacted { before, after } =
        RedbStore::compact(store).map_err(|error| explain(error, &config))?;
    if args.json {
        out.json(&Told { store: store.to_owned(), before, after })?;
    } else {
        let (before, after) = (HumanBytes(before), HumanBytes(after));
        out.line(format_args!("{}: {before} before, {after} now", store.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}
