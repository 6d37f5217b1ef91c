//! The record on disk: opened, mended, written, turned over.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::chain::Chain;
use super::event::Event;
use super::files::{self, Older};
use super::head::{Found, Head, HeadFile};
use super::kind::Kind;
use super::line::{self, Entry, Link};
use super::{AuditError, AuditSettings};
use crate::new_file::sync_folder;

/// A record that is open for writing, by us alone.
#[derive(Debug)]
pub(super) struct Record {
    path: PathBuf,
    size: u64,
    keep: usize,
    chain: Chain,
    head: HeadFile,
    /// The first line that has to be there.
    oldest: u64,
    last: Link,
    current: Current,
    /// Whether something waits for [`Record::sync`].
    unsynced: bool,
}

/// The file that is written now.
#[derive(Debug, Default)]
struct Current {
    /// `None` until the first line, and where it could not be made after the last was full.
    file: Option<File>,
    /// Where its lines end.
    len: u64,
    /// Whether something may stand behind that: a line that did not fit on the disk.
    ragged: bool,
    /// The number of its first line.
    first: Option<u64>,
}

/// What stands at the end of a file.
#[derive(Debug, Default)]
struct Tail {
    /// Bytes up to the end of the last whole line.
    len: u64,
    /// Whether something follows.
    torn: bool,
    first: Option<u64>,
    /// The last whole line; `None` if there is none, or it is not as it was written.
    last: Option<Link>,
}

impl Record {
    /// Opens the record, and makes it if there is none. What has to be recorded about its state
    /// comes back.
    ///
    /// Nothing that was found is lost, but for a line that a crash left unfinished: a file whose
    /// end is not as we left it is set aside among the older ones.
    pub(super) fn open(
        settings: &AuditSettings,
        chain: &Chain,
    ) -> Result<(Self, Vec<Event>), AuditError> {
        let path = &settings.path;
        let failed = |source| AuditError::Io { path: path.clone(), source };
        let (head, found) = HeadFile::open(path, chain)?;
        let older = files::older(path).map_err(failed)?;
        let tail = tail(path, chain).map_err(failed)?;
        let last = match &tail {
            Some(tail) if tail.len > 0 => tail.last.clone(),
            Some(_) | None => match older.last() {
                Some(older) => self::tail(&older.path, chain).map_err(failed)?.and_then(|t| t.last),
                None => None,
            },
        };
        let oldest = match &found {
            Found::Sealed(head) => head.first,
            Found::Damaged | Found::Missing => older.first().map_or(1, |older| older.first),
        };
        let mut record = Self {
            path: path.clone(),
            size: settings.size,
            keep: settings.keep,
            chain: chain.clone(),
            head,
            oldest,
            last: Link::default(),
            current: Current::default(),
            unsynced: false,
        };
        let events = record.take_over(&found, last, tail, &older).map_err(failed)?;
        Ok((record, events))
    }

    /// Goes on where the last run ended.
    fn take_over(
        &mut self,
        found: &Found,
        last: Option<Link>,
        tail: Option<Tail>,
        older: &[Older],
    ) -> io::Result<Vec<Event>> {
        let mut events = Vec::new();
        let empty = older.is_empty() && tail.as_ref().is_none_or(|tail| tail.len == 0);
        let sealed = match found {
            Found::Sealed(head) => Some(&head.last),
            Found::Damaged | Found::Missing => None,
        };
        let whole = last.as_ref().is_some_and(|last| {
            sealed.is_none_or(|sealed| last == sealed || last.seq > sealed.seq)
        });
        if empty && *found == Found::Missing {
            events.push(Event::new(Kind::RecordBegun));
        } else if !whole || sealed.is_none() {
            let told =
                |link: Option<&Link>| link.map_or_else(|| "none".to_owned(), |l| l.seq.to_string());
            let broken = Event::new(Kind::RecordBroken).with("sealed", told(sealed));
            events.push(broken.with("found", told(last.as_ref())));
            tracing::error!(path = %self.path.display(), "the end of the audit record is not as it was left: see `portcullis audit verify`");
        }
        let known = [last, sealed.cloned()].into_iter().flatten();
        self.last = known.max_by_key(|link| link.seq).unwrap_or_default();
        let Some(tail) = tail else { return Ok(events) };
        if !whole && !empty {
            self.set_aside(tail.first)?;
            return Ok(events);
        }
        let file = OpenOptions::new().read(true).write(true).open(&self.path)?;
        if tail.torn {
            file.set_len(tail.len)?;
            events.push(Event::new(Kind::RecordMended));
        }
        self.current =
            Current { file: Some(file), len: tail.len, ragged: false, first: tail.first };
        Ok(events)
    }

    /// Writes the next line. It is on disk after the next [`sync`](Self::sync).
    pub(super) fn append(&mut self, entry: &Entry) -> io::Result<()> {
        let (text, link) = entry.line(&self.last, &self.chain);
        let length = text.len() as u64;
        if self.current.len > 0 && self.current.len.saturating_add(length) > self.size {
            self.turn_over()?;
        }
        if self.current.file.is_none() {
            self.current.file = Some(create(&self.path)?);
        }
        let current = &mut self.current;
        let Some(file) = &current.file else { return Err(io::ErrorKind::NotFound.into()) };
        if current.ragged {
            file.set_len(current.len)?;
        }
        current.ragged = true;
        if let Err(error) = file.write_all_at(text.as_bytes(), current.len) {
            current.ragged = file.set_len(current.len).is_err();
            return Err(error);
        }
        current.ragged = false;
        current.len += length;
        current.first.get_or_insert(link.seq);
        self.last = link;
        self.unsynced = true;
        Ok(())
    }

    /// Waits until all lines are on disk, and says so in the head.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if !self.unsynced {
            return Ok(());
        }
        if let Some(file) = &self.current.file {
            file.sync_data()?;
        }
        self.head.write(&Head { first: self.oldest, last: self.last.clone() })?;
        self.unsynced = false;
        Ok(())
    }

    /// Whether lines wait for a [`sync`](Self::sync).
    pub(super) const fn is_unsynced(&self) -> bool {
        self.unsynced
    }

    /// The number of the last line.
    #[cfg(test)]
    pub(super) const fn seq(&self) -> u64 {
        self.last.seq
    }

    /// Begins another file, and removes those that are too old.
    fn turn_over(&mut self) -> io::Result<()> {
        self.sync()?;
        self.set_aside(self.current.first)?;
        self.current.file = Some(create(&self.path)?);
        if let Err(error) = self.prune() {
            tracing::warn!(%error, "old files of the audit record cannot be removed");
        }
        Ok(())
    }

    /// Gives the current file its name among the older ones.
    fn set_aside(&mut self, first: Option<u64>) -> io::Result<()> {
        let mut number = first.unwrap_or(self.last.seq);
        // Taken only where somebody else made it: nothing is overwritten.
        while files::older_name(&self.path, number).symlink_metadata().is_ok() {
            number = number.saturating_add(1);
        }
        fs::rename(&self.path, files::older_name(&self.path, number))?;
        sync_folder(&self.path)?;
        self.current = Current::default();
        Ok(())
    }

    fn prune(&mut self) -> io::Result<()> {
        let older = files::older(&self.path)?;
        let surplus = older.len().saturating_sub(self.keep);
        let (gone, kept) = older.split_at_checked(surplus).unwrap_or_default();
        if gone.is_empty() {
            return Ok(());
        }
        self.oldest = kept.first().map_or(self.last.seq + 1, |kept| kept.first);
        // Before they are gone: else a crash between would look like a theft.
        self.head.write(&Head { first: self.oldest, last: self.last.clone() })?;
        self.head.sync()?;
        gone.iter().try_for_each(|older| fs::remove_file(&older.path))
    }
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).mode(0o600).open(path)?;
    sync_folder(path)?;
    Ok(file)
}

/// The end of a file; `None` if there is no file.
fn tail(path: &Path, chain: &Chain) -> io::Result<Option<Tail>> {
    /// Room for a whole line and a torn one.
    const ROOM: u64 = 2 * line::LONGEST as u64;
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut start = Vec::new();
    file.by_ref().take(64).read_to_end(&mut start)?;
    let whole = file.metadata()?.len();
    let from = whole.saturating_sub(ROOM);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(ROOM).read_to_end(&mut bytes)?;
    let is_end = |byte: &u8| *byte == b'\n';
    let Some(end) = bytes.iter().rposition(is_end) else {
        // Not even one line: all of it is torn, or it is no record.
        let (len, torn) = if from == 0 { (0, whole > 0) } else { (whole, true) };
        return Ok(Some(Tail { len, torn, ..Tail::default() }));
    };
    let (lines, _) = bytes.split_at_checked(end).unwrap_or_default();
    let begin = lines.iter().rposition(is_end).map_or(0, |at| at + 1);
    let last = line::read(lines.get(begin..).unwrap_or_default(), chain).map(|read| read.link);
    let len = from + end as u64 + 1;
    Ok(Some(Tail { len, torn: len < whole, first: line::claimed(&start), last }))
}
