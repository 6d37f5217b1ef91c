//! What a source finds, handed over in batches.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context, anyhow};
use indicatif::{ProgressBar, ProgressBarIter};
use tokio::sync::mpsc;

use crate::admin::{Record, UserRecord};
use crate::store::Numbers;

/// Users that are sent, and stored in one commit, together.
const USERS: usize = 500;
/// About how many bytes they may be.
const BYTES: usize = 1 << 20;

/// One thing that a source found.
#[derive(Debug)]
pub(super) enum Item {
    /// A user, or what stands beside users, and what of it was not taken.
    Record { label: String, record: Record, notes: Vec<String> },
    /// Something that cannot be taken.
    Skipped { label: String, reason: String },
    /// How many there were of something that users are not made of.
    Count { of: &'static str, count: usize },
    /// The last numbers that the other store gave.
    Numbers(Numbers),
}

/// Where a source puts what it finds.
#[derive(Debug)]
pub(super) struct Items {
    sender: mpsc::Sender<Vec<Item>>,
    batch: Vec<Item>,
    bytes: usize,
}

impl Items {
    pub(super) const fn new(sender: mpsc::Sender<Vec<Item>>) -> Self {
        Self { sender, batch: Vec::new(), bytes: 0 }
    }

    pub(super) fn user(
        &mut self,
        label: String,
        record: UserRecord,
        notes: Vec<String>,
    ) -> anyhow::Result<()> {
        self.bytes += 500 + 400 * record.sessions.len();
        let record = Record::User(Box::new(record));
        self.push(Item::Record { label, record, notes })
    }

    pub(super) fn skip(&mut self, label: String, reason: impl Into<String>) -> anyhow::Result<()> {
        self.push(Item::Skipped { label, reason: reason.into() })
    }

    pub(super) fn count(&mut self, of: &'static str, count: usize) -> anyhow::Result<()> {
        if count == 0 { Ok(()) } else { self.push(Item::Count { of, count }) }
    }

    pub(super) fn push(&mut self, item: Item) -> anyhow::Result<()> {
        self.batch.push(item);
        if self.batch.len() >= USERS || self.bytes >= BYTES { self.flush() } else { Ok(()) }
    }

    /// Hands over what there is, and waits while two batches are on their way.
    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        // Whoever took the batches has said why it stopped.
        self.sender.blocking_send(batch).map_err(|_gone| anyhow!("the import was broken off"))
    }
}

/// Opens files so that the progress bar moves as they are read.
#[derive(Debug)]
pub(super) struct Reading(ProgressBar);

impl Reading {
    pub(super) const fn new(bar: ProgressBar) -> Self {
        Self(bar)
    }

    pub(super) fn open(&self, path: &Path) -> anyhow::Result<Input> {
        let file = File::open(path).context("it cannot be read")?;
        Ok(BufReader::with_capacity(1 << 16, self.0.wrap_read(file)))
    }

    /// Says that so much more will be read.
    pub(super) fn more(&self, bytes: u64) {
        self.0.inc_length(bytes);
    }
}

/// A file that is being read.
pub(super) type Input = BufReader<ProgressBarIter<File>>;
