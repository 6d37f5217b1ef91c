//! The writing of a backup.

use std::io;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use serde::Serialize;

use super::{End, Frame, Head, MAGIC};
use crate::clock::Timestamp;
use crate::secret::Secret;
use crate::store::Piece;

/// Rows are sent when there are so many bytes of them.
const CHUNK: usize = 64 * 1024;

/// Turns the pieces of a store into the bytes of a backup, and sends them.
pub(super) struct Writer<S> {
    send: S,
    digest: Context,
    made: Timestamp,
    keys: Option<Secret>,
    /// Rows that were not sent so far.
    rows: Vec<u8>,
    count: u64,
}

impl<S: FnMut(Bytes) -> io::Result<()>> Writer<S> {
    pub(super) fn new(send: S, made: Timestamp, keys: Option<Secret>) -> Self {
        let (digest, rows) = (Context::new(&SHA256), Vec::new());
        Self { send, digest, made, keys, rows, count: 0 }
    }

    pub(super) fn take(&mut self, piece: Piece<'_>) -> io::Result<()> {
        match piece {
            Piece::Store { format, rows } => self.begin(format, rows),
            Piece::Table(name) => {
                self.flush()?;
                self.frame(Frame::Table, name.as_bytes())
            }
            Piece::Row { key, value } => {
                for bytes in [key, value] {
                    self.rows.extend_from_slice(&length(bytes)?.to_le_bytes());
                    self.rows.extend_from_slice(bytes);
                }
                self.count += 1;
                if self.rows.len() < CHUNK { Ok(()) } else { self.flush() }
            }
            Piece::End => self.end(),
        }
    }

    fn begin(&mut self, store: u64, rows: u64) -> io::Result<()> {
        self.raw(Bytes::from_static(MAGIC))?;
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let head = Head { version, made: self.made.as_secs(), store, rows };
        self.frame(Frame::Head, &json(&head)?)?;
        match self.keys.take() {
            Some(keys) => self.frame(Frame::Keys, keys.expose()),
            None => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.rows);
        self.frame(Frame::Rows, &rows)
    }

    fn end(&mut self) -> io::Result<()> {
        self.flush()?;
        let mut content = json(&End { rows: self.count })?;
        content.extend_from_slice(self.digest.clone().finish().as_ref());
        self.frame(Frame::End, &content)
    }

    fn frame(&mut self, frame: Frame, content: &[u8]) -> io::Result<()> {
        self.raw(framed(frame, content)?)
    }

    fn raw(&mut self, bytes: Bytes) -> io::Result<()> {
        self.digest.update(&bytes);
        (self.send)(bytes)
    }
}

/// The frame that says why there is no end.
pub(super) fn failure(why: &str) -> Bytes {
    framed(Frame::Failed, why.as_bytes()).unwrap_or_default()
}

fn framed(frame: Frame, content: &[u8]) -> io::Result<Bytes> {
    let mut bytes = Vec::with_capacity(content.len() + 5);
    bytes.push(frame.sign());
    bytes.extend_from_slice(&length(content)?.to_le_bytes());
    bytes.extend_from_slice(content);
    Ok(bytes.into())
}

fn length(bytes: &[u8]) -> io::Result<u32> {
    u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

fn json(value: &impl Serialize) -> io::Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(io::Error::other)
}
