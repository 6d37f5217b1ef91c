//! Backups through the door.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::BackupRequest;
use super::write::{Writer, failure};
use crate::admin::{Door, Refusal};
use crate::audit::{Event, Kind};
use crate::causes::chain;
use crate::secret::Secret;
use crate::store::CopySink;

/// Parts of a backup that wait for whoever takes them.
const AHEAD: usize = 4;

impl Door {
    /// Begins a backup of everything as it is now, and hands over its bytes one part after the
    /// other. Others go on meanwhile. It ends when nobody takes them.
    ///
    /// # Errors
    ///
    /// A [`Refusal`]: show it to the operator. What fails later stands in the backup, where its
    /// end should be.
    pub async fn back_up(&self, asked: BackupRequest) -> Result<mpsc::Receiver<Bytes>, Refusal> {
        let audit = self.accounts.audit();
        audit.note(Event::new(Kind::Command).with("command", "backup")).keep().await?;
        let keys = if asked.keys { self.key_file().await? } else { None };
        let (sender, receiver) = mpsc::channel(AHEAD);
        let accounts = Arc::clone(&self.accounts);
        let (parts, made) = (sender.clone(), self.clock.now());
        let send = move |bytes| {
            parts.blocking_send(bytes).map_err(|_gone| io::ErrorKind::BrokenPipe.into())
        };
        let mut writer = Writer::new(send, made, keys);
        let sink: CopySink = Box::new(move |piece| writer.take(piece));
        tokio::spawn(async move {
            if let Err(error) = accounts.copy_out(sink).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "a backup was broken off");
                drop(sender.send(failure(&chain(&error))).await);
            }
        });
        Ok(receiver)
    }

    /// The key file as it is now, if the keys have one.
    async fn key_file(&self) -> Result<Option<Secret>, Refusal> {
        let Some(keys) = self.keys.clone() else { return Ok(None) };
        let read = tokio::task::spawn_blocking(move || keys.file()).await;
        Ok(read.unwrap_or(Ok(None))?)
    }
}
