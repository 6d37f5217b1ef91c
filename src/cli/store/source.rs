//! The store that is copied, as all of it is at one moment.

use std::sync::Arc;

use anyhow::Context;
use indicatif::ProgressBar;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::admin::{Backup, BackupRequest, Part};
use crate::cli::backup::Incoming;
use crate::cli::out::Out;
use crate::cli::reach::{Purpose, Reach, explain};
use crate::config::Config;
use crate::store::transfer::{RecordSender, StoreRecord, TOGETHER};
use crate::store::{OpenMode, Piece, PostgresStore, RowReader, Store, StoreSettings};

/// Batches that wait for whoever stores them.
const AHEAD: usize = 2;

pub(super) enum Source {
    /// A file: of the gateway that has it, or opened here where none has.
    File(Reach),
    /// A database, whoever else may use it.
    Database(Arc<PostgresStore>),
}

/// Everything that a store has, while it is read.
pub(super) struct Reading {
    pub(super) batches: mpsc::Receiver<Vec<StoreRecord>>,
    /// To be asked when there are no batches any more: whether that was all, and how many rows were
    /// left out.
    pub(super) reader: JoinHandle<anyhow::Result<u64>>,
}

impl Source {
    pub(super) async fn open(config: Config, out: &mut Out) -> anyhow::Result<Self> {
        let StoreSettings::Postgres(settings) = config.store.clone() else {
            return Ok(Self::File(Reach::open(config, Purpose::Backup, out).await?));
        };
        let opened =
            tokio::task::spawn_blocking(move || PostgresStore::open(&settings, OpenMode::Existing));
        let store = opened.await?.map_err(|error| explain(error, &config))?;
        Ok(Self::Database(Arc::new(store)))
    }

    /// The store, where the keys may be that gateways share.
    pub(super) fn shared(&self) -> Option<Arc<dyn Store>> {
        match self {
            Self::File(_) => None,
            Self::Database(store) => Some(Arc::clone(store) as _),
        }
    }

    /// Begins to read, from the first record on.
    pub(super) async fn read(&self, bar: &ProgressBar) -> anyhow::Result<Reading> {
        let (sender, batches) = mpsc::channel(AHEAD);
        let bar = bar.clone();
        let reader = match self {
            Self::File(reach) => {
                // The keys are seen to apart.
                let parts = reach.back_up(&BackupRequest { keys: false }).await?;
                tokio::task::spawn_blocking(move || rows(Incoming::new(parts), &sender, &bar))
            }
            Self::Database(store) => {
                let store = Arc::clone(store);
                tokio::task::spawn_blocking(move || {
                    bar.set_length(store.count()?);
                    store.pour(sender)?;
                    Ok(0)
                })
            }
        };
        Ok(Reading { batches, reader })
    }
}

/// Reads the rows of a file as records; returns how many were left out.
fn rows(from: Incoming, sender: &RecordSender, bar: &ProgressBar) -> anyhow::Result<u64> {
    let mut backup = Backup::open(from)?;
    let (format, rows) = (backup.head().store, backup.head().rows);
    bar.set_length(rows);
    let (mut reader, mut batch) = (RowReader::default(), Vec::new());
    reader.take(Piece::Store { format, rows })?;
    while let Some(part) = backup.next_part()? {
        match part {
            Part::Keys(_) => {}
            Part::Table(name) => batch.extend(reader.take(Piece::Table(&name))?),
            Part::Rows(rows) => {
                for row in rows.iter() {
                    let (key, value) = row.context("a row is cut off")?;
                    batch.extend(reader.take(Piece::Row { key, value })?);
                    bar.inc(1);
                }
            }
        }
        if batch.len() >= TOGETHER {
            sender.blocking_send(std::mem::take(&mut batch))?;
        }
    }
    batch.extend(reader.take(Piece::End)?);
    sender.blocking_send(batch)?;
    Ok(reader.left_out())
}
