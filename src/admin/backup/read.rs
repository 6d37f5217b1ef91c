//! The reading of a backup. Whatever is read was written so: the end has the digest of it all.

use std::io::{self, ErrorKind, Read};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};

use super::{End, Frame, Head, LONGEST, MAGIC, NAME};
use crate::printable::Printable;
use crate::secret::Secret;

/// Most bytes that are shown of a text in a backup.
const LONGEST_TEXT: usize = 1024;

/// Why a backup cannot be read. `Display` is for the operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// It does not begin as a backup does.
    #[error("this is no backup of portcullis")]
    Foreign,
    /// Its form is newer than this code.
    #[error("the backup was written by a newer portcullis: restore it with that one")]
    Newer,
    /// It ends before its end.
    #[error("the backup is cut short")]
    CutShort,
    /// It is not as it was written.
    #[error("the backup is damaged: {0}")]
    Damaged(&'static str),
    /// It was never finished.
    #[error("the backup was not finished: {0}")]
    Failed(String),
    /// The operating system refused.
    #[error("the backup cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// A part of a backup.
#[derive(Debug)]
pub enum Part {
    /// The key file.
    Keys(Secret),
    /// A table begins.
    Table(String),
    /// Rows of it: key and value of each.
    Rows(Rows),
}

/// Rows, as they stand in a frame.
pub struct Rows(Vec<u8>);

/// Hashes of passwords are in it.
impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rows(..)")
    }
}

/// A backup that is being read.
#[derive(Debug)]
pub struct Backup<R> {
    from: R,
    digest: Digest,
    head: Head,
    rows: u64,
    ended: bool,
}

/// The digest of what was read, as far as the end speaks of it.
struct Digest(Context);

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest(..)")
    }
}

impl<R: Read> Backup<R> {
    /// Reads the beginning.
    ///
    /// # Errors
    ///
    /// [`BackupError`].
    pub fn open(mut from: R) -> Result<Self, BackupError> {
        let mut magic = Vec::new();
        from.by_ref().take(MAGIC.len() as u64).read_to_end(&mut magic)?;
        if magic != MAGIC {
            let ours = magic.starts_with(NAME) && magic.len() == MAGIC.len();
            return Err(match () {
                () if ours => BackupError::Newer,
                () if !magic.is_empty() && MAGIC.starts_with(&magic) => BackupError::CutShort,
                () => BackupError::Foreign,
            });
        }
        let mut digest = Context::new(&SHA256);
        digest.update(&magic);
        let head = Head { version: String::new(), made: 0, store: 0, rows: 0 };
        let mut backup = Self { from, digest: Digest(digest), head, rows: 0, ended: false };
        let (Frame::Head, content) = backup.frame()? else {
            return Err(BackupError::Damaged("it has no head"));
        };
        let head = serde_json::from_slice(&content);
        backup.head = head.map_err(|_| BackupError::Damaged("its head cannot be read"))?;
        backup.head.version = fit_to_print(backup.head.version.as_bytes());
        Ok(backup)
    }

    /// What it says of itself.
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// The next part; `None` when everything was read, and was as it was written.
    ///
    /// # Errors
    ///
    /// [`BackupError`]: what was read until then is not to be used.
    pub fn next_part(&mut self) -> Result<Option<Part>, BackupError> {
        if self.ended {
            return Ok(None);
        }
        let before = self.digest.0.clone();
        let (frame, content) = self.frame()?;
        let text = |content| {
            String::from_utf8(content).map_err(|_| BackupError::Damaged("a text is none"))
        };
        match frame {
            Frame::Head => Err(BackupError::Damaged("it has a second head")),
            Frame::Keys => Ok(Some(Part::Keys(content.into()))),
            Frame::Table => Ok(Some(Part::Table(text(content)?))),
            Frame::Rows => {
                let rows = Rows(content);
                self.rows += rows.count()?;
                Ok(Some(Part::Rows(rows)))
            }
            Frame::Failed => Err(BackupError::Failed(fit_to_print(&content))),
            Frame::End => self.end(before, &content).map(|()| None),
        }
    }

    fn end(&mut self, before: Context, content: &[u8]) -> Result<(), BackupError> {
        let bad = BackupError::Damaged;
        let split = content.len().checked_sub(SHA256_OUTPUT_LEN);
        let parts = split.and_then(|at| content.split_at_checked(at));
        let (end, digest) = parts.ok_or_else(|| bad("its end cannot be read"))?;
        let same = verify_slices_are_equal(before.finish().as_ref(), digest);
        same.map_err(|_| bad("it is not as it was written"))?;
        let end: End = serde_json::from_slice(end).map_err(|_| bad("its end cannot be read"))?;
        if end.rows != self.rows || self.head.rows != self.rows {
            return Err(bad("rows are missing"));
        }
        if self.from.by_ref().take(1).read_to_end(&mut Vec::new())? > 0 {
            return Err(bad("something follows its end"));
        }
        self.ended = true;
        Ok(())
    }

    fn frame(&mut self) -> Result<(Frame, Vec<u8>), BackupError> {
        let mut head = [0; 5];
        exactly(self.from.read_exact(&mut head))?;
        let [sign, length @ ..] = head;
        let frame = Frame::of(sign).ok_or(BackupError::Damaged("something unknown is in it"))?;
        let length = u32::from_le_bytes(length);
        if length > LONGEST {
            return Err(BackupError::Damaged("a part of it is too long"));
        }
        // Room is made as bytes come, not as they are announced.
        let mut content = Vec::new();
        let read = self.from.by_ref().take(length.into()).read_to_end(&mut content)?;
        if read != length as usize {
            return Err(BackupError::CutShort);
        }
        self.digest.0.update(&head);
        self.digest.0.update(&content);
        Ok((frame, content))
    }
}

/// The beginning of a text that anybody may have written, for a terminal.
fn fit_to_print(text: &[u8]) -> String {
    let start = text.get(..LONGEST_TEXT).unwrap_or(text);
    Printable(&String::from_utf8_lossy(start)).to_string()
}

fn exactly(read: io::Result<()>) -> Result<(), BackupError> {
    read.map_err(|error| {
        if error.kind() == ErrorKind::UnexpectedEof { BackupError::CutShort } else { error.into() }
    })
}

impl Rows {
    /// Key and value of each row; `None` in the place of what is cut off.
    pub fn iter(&self) -> impl Iterator<Item = Option<(&[u8], &[u8])>> {
        let mut rest = self.0.as_slice();
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let mut piece = || {
                let (length, after) = rest.split_first_chunk()?;
                let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
                let (bytes, after) = after.split_at_checked(length)?;
                rest = after;
                Some(bytes)
            };
            let row = piece().zip(piece());
            if row.is_none() {
                rest = &[];
            }
            Some(row)
        })
    }

    fn count(&self) -> Result<u64, BackupError> {
        self.iter().try_fold(0, |count, row| {
            row.map(|_| count + 1).ok_or(BackupError::Damaged("a row is cut off"))
        })
    }
}
