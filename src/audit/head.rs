//! How far the record goes, sealed, in a small file beside it.
//!
//! It is written after the lines that it speaks of are on disk, so after a crash it is behind
//! and never ahead of them. Nobody but its one writer has it open for writing: its lock is the
//! record's.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::AuditError;
use super::chain::{Chain, Of};
use super::line::Link;

/// Its length: one write within one sector, which no crash divides.
const LENGTH: usize = 256;

/// What the file says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Head {
    /// The first line that has to be there; earlier ones may have been removed by age.
    pub(super) first: u64,
    /// The last line that was on disk.
    pub(super) last: Link,
}

/// What was found in its place.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Found {
    /// A head of ours.
    Sealed(Head),
    /// Something else.
    Damaged,
    /// Nothing.
    Missing,
}

/// The file, locked.
#[derive(Debug)]
pub(super) struct HeadFile {
    file: File,
    chain: Chain,
}

#[derive(Deserialize, Serialize)]
struct Content<'a> {
    first: u64,
    seq: u64,
    code: &'a str,
}

/// Where the head of a record is.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".head");
    name.into()
}

/// What the head of a record says.
pub(super) fn read(path: &Path, chain: &Chain) -> io::Result<Found> {
    match File::open(beside(path)) {
        Ok(file) => decode(file, chain),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Missing),
        Err(error) => Err(error),
    }
}

impl HeadFile {
    /// Opens the file for its one writer, and makes it if there is none.
    pub(super) fn open(path: &Path, chain: &Chain) -> Result<(Self, Found), AuditError> {
        let beside = beside(path);
        let failed = |source| AuditError::Io { path: beside.clone(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&beside).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(AuditError::Locked(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let found = decode(&file, chain).map_err(failed)?;
        Ok((Self { file, chain: chain.clone() }, found))
    }

    /// Says how far the record goes.
    pub(super) fn write(&self, head: &Head) -> io::Result<()> {
        let text = encode(head, &self.chain);
        self.file.write_all_at(text.as_bytes(), 0)?;
        self.file.set_len(text.len() as u64)
    }

    /// Waits until what was written is on disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

fn encode(head: &Head, chain: &Chain) -> String {
    let content = Content { first: head.first, seq: head.last.seq, code: &head.last.code };
    // Two numbers and a text: writing them cannot fail.
    let content = serde_json::to_string(&content).unwrap_or_default();
    let code = chain.code(Of::Head, &content);
    format!("{:<width$}\n", format!("{content} {code}"), width = LENGTH - 1)
}

fn decode(file: impl Read, chain: &Chain) -> io::Result<Found> {
    let mut text = Vec::new();
    file.take(LENGTH as u64 + 1).read_to_end(&mut text)?;
    if text.is_empty() {
        return Ok(Found::Missing);
    }
    Ok(sealed(&text, chain).map_or(Found::Damaged, Found::Sealed))
}

fn sealed(text: &[u8], chain: &Chain) -> Option<Head> {
    let text = std::str::from_utf8(text).ok()?;
    let (content, code) = text.trim_ascii_end().rsplit_once(' ')?;
    if !chain.holds(Of::Head, content, code) {
        return None;
    }
    let Content { first, seq, code } = serde_json::from_str(content).ok()?;
    let head = Head { first, last: Link { seq, code: code.to_owned() } };
    // In its one spelling, to the last space.
    (encode(&head, chain) == text).then_some(head)
}
