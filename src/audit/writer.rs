//! The one thread that writes the record.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::AuditError;
use super::event::Event;
use super::kind::Kind;
use super::line::Entry;
use super::origin::{Actor, Origin};
use super::record::Record;

/// Lines that share one sync at most.
const BATCH: usize = 256;

/// How long a line that nobody waits for may be written and not on disk.
const PATIENCE: Duration = Duration::from_secs(1);

/// A line to be written.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) entry: Entry,
    /// Whoever waits until it is on disk.
    pub(super) waiting: Option<oneshot::Sender<Result<(), AuditError>>>,
}

/// Writes until the queue is closed and empty.
pub(super) async fn run(record: Record, mut queue: mpsc::Receiver<Job>, lost: Arc<AtomicU64>) {
    let mut writer = Writer { record, lost, failing: false };
    let mut batch = Vec::new();
    let mut due = None;
    loop {
        let received = match due {
            Some(due) => timeout_at(due, queue.recv_many(&mut batch, BATCH)).await,
            None => Ok(queue.recv_many(&mut batch, BATCH).await),
        };
        if received == Ok(0) {
            break;
        }
        let urgent = writer.write(&mut batch);
        let now = Instant::now();
        if writer.record.is_unsynced() && !urgent && due.is_none_or(|due| now < due) {
            due.get_or_insert_with(|| now + PATIENCE);
            continue;
        }
        // Tried again after a second where it fails, with the lines that come until then.
        due = writer.sync().is_err().then(|| now + PATIENCE);
    }
    drop(writer.sync());
}

struct Writer {
    record: Record,
    /// Lines that were not written so far.
    lost: Arc<AtomicU64>,
    failing: bool,
}

impl Writer {
    /// Writes the lines, and has them on disk if somebody waits. Whether somebody does.
    fn write(&mut self, batch: &mut Vec<Job>) -> bool {
        let mut waiting = Vec::new();
        for Job { entry, waiting: caller } in batch.drain(..) {
            let written = self.tell_losses(&entry).and_then(|()| self.record.append(&entry));
            let outcome = self.noted(written);
            if outcome.is_err() {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
            waiting.extend(caller.map(|caller| (caller, outcome)));
        }
        if waiting.is_empty() {
            return false;
        }
        let synced = self.sync();
        for (caller, written) in waiting {
            let outcome = written.and_then(|()| synced.as_ref().copied().map_err(not_kept));
            // Whoever has gone no longer wants to know.
            drop(caller.send(outcome));
        }
        true
    }

    /// Says first how many lines are missing here.
    fn tell_losses(&mut self, next: &Entry) -> io::Result<()> {
        let count = self.lost.load(Ordering::Relaxed);
        if count == 0 {
            return Ok(());
        }
        let origin = Origin { actor: Actor::Gateway, address: None, request: None };
        let event = Event::new(Kind::RecordLost).with("lines", count.to_string());
        self.record.append(&Entry { at: next.at, event, origin })?;
        self.lost.fetch_sub(count, Ordering::Relaxed);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let synced = self.record.sync();
        match self.noted(synced) {
            Ok(()) => Ok(()),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// Logs when writing begins to fail, and when it goes on.
    fn noted(&mut self, outcome: io::Result<()>) -> Result<(), AuditError> {
        match outcome {
            Ok(()) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!("the audit record is written again");
                }
                Ok(())
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(%error, "the audit record cannot be written: lines are lost, and operators refused");
                }
                Err(not_kept(&error))
            }
        }
    }
}

fn not_kept(error: &io::Error) -> AuditError {
    AuditError::NotKept(error.to_string())
}
