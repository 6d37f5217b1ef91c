//! A backup becomes a store, beside the place where it will be.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use anyhow::{anyhow, bail};

use super::Args;
use super::keys::KeysPlan;
use crate::admin::{Head, Part};
use crate::cli::backup::STREAM;
use crate::cli::contents::Contents;
use crate::cli::progress::progress;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::keys::ReturnedKeys;
use crate::store::{Finish, FinishedDraft, HeldStore, OpenError, Piece, StoreDraft};

/// A store that is whole, and what has to be done before it is published.
pub(super) struct Made {
    pub(super) contents: Contents,
    pub(super) draft: FinishedDraft,
    pub(super) keys: KeysPlan,
    pub(super) next_user: u64,
}

/// Builds the store beside its place, and touches nothing else.
pub(super) fn build(
    args: &Args,
    config: &Config,
    store: &Path,
    held: Option<&HeldStore>,
) -> anyhow::Result<Made> {
    let now = SystemClock.now();
    let (mut draft, mut keys) = (None, KeysPlan::without(&config.keys.ring));
    let bar = progress(0);
    let read = Contents::read(open(&args.file)?, &bar, |head, part| {
        let draft = match &mut draft {
            Some(draft) => draft,
            none => none.insert(begin(store, head)?),
        };
        match part {
            Part::Keys(text) => {
                let returned = ReturnedKeys::read(&text);
                let returned = returned
                    .ok_or_else(|| anyhow!("its key file is none, or of a newer portcullis"))?;
                keys = KeysPlan::new(returned, &config.keys, args.how.force, now)?;
            }
            Part::Table(name) => draft.take(Piece::Table(&name)).map_err(spoiled)?,
            Part::Rows(rows) => {
                for (key, value) in rows.iter().flatten() {
                    draft.take(Piece::Row { key, value }).map_err(spoiled)?;
                }
            }
        }
        Ok(())
    });
    bar.finish_and_clear();
    let contents = read?;
    let mut draft = draft.ok_or_else(|| anyhow!("there is nothing in it"))?;
    draft.take(Piece::End).map_err(spoiled)?;
    // Also logins that came about while the backup was read are over.
    let now = SystemClock.now();
    // Numbers of a store with other keys say nothing of this one.
    let numbers = held.and_then(HeldStore::numbers).filter(|_| keys.may_be_the_same());
    let end_logins = (!args.how.keep_sessions).then_some(now);
    let draft = draft.finish(&Finish { later: numbers, end_logins }).map_err(spoiled)?;
    if draft.counts() != contents.rows() {
        bail!("the store that was made of it has not all of its rows");
    }
    let next_user = draft.numbers().users.saturating_add(1);
    Ok(Made { contents, draft, keys, next_user })
}

fn begin(store: &Path, head: &Head) -> anyhow::Result<StoreDraft> {
    StoreDraft::begin(store, head.store).map_err(spoiled)
}

/// It is the backup that cannot be used, and not the store that an error of the store would name.
pub(super) fn spoiled(error: OpenError) -> anyhow::Error {
    let OpenError::Foreign { newer, source, .. } = error else { return error.into() };
    if newer {
        return anyhow!("the backup is of a newer portcullis: restore it with that one");
    }
    match source {
        Some(source) => anyhow!(source).context("no store can be made of it"),
        None => anyhow!("no store can be made of it"),
    }
}

pub(super) fn open(path: &Path) -> anyhow::Result<Box<dyn Read>> {
    if path.as_os_str() == STREAM {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        bail!("this is a folder");
    }
    Ok(Box::new(BufReader::with_capacity(1 << 16, file)))
}
