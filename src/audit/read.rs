//! The record for people: its last lines, and those that come.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::files::{self, found};
use super::line::claimed;
use crate::printable::Printable;

/// Bytes that are read at once.
const BLOCK: u64 = 64 * 1024;

/// Where the reading of a record stands.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    file: Option<File>,
    at: u64,
    last: u64,
}

/// The last `count` lines of the record at that path, oldest first, and where to go on.
///
/// # Errors
///
/// That of the system; a record that is not there has no lines.
pub fn last_lines(path: &Path, count: usize) -> io::Result<(Vec<String>, Follower)> {
    let file = found(File::open(path))?;
    let mut newest_first = Vec::new();
    let mut at = 0;
    if let Some(file) = &file {
        at = lines_backwards(file, count, &mut newest_first)?;
    }
    for older in found(files::older(path))?.unwrap_or_default().into_iter().rev() {
        if newest_first.len() >= count {
            break;
        }
        // One that is removed meanwhile is no longer part of the record.
        if let Some(file) = found(File::open(&older.path))? {
            lines_backwards(&file, count, &mut newest_first)?;
        }
    }
    newest_first.reverse();
    let last = newest_first.last().and_then(|line| claimed(line.as_bytes())).unwrap_or_default();
    Ok((newest_first, Follower { path: path.to_owned(), file, at, last }))
}

impl Follower {
    /// The lines that came since the last call.
    ///
    /// # Errors
    ///
    /// That of the system.
    pub fn more(&mut self) -> io::Result<Vec<String>> {
        let mut lines = Vec::new();
        if let Some(file) = &self.file {
            self.at = lines_from(file, self.at, &mut lines)?;
        }
        let current = found(File::open(&self.path))?;
        if identity(current.as_ref())? != identity(self.file.as_ref())? {
            // Turned over, once or several times. What was written last into ours first.
            if let Some(file) = &self.file {
                lines_from(file, self.at, &mut lines)?;
            }
            self.note_last(&lines);
            for older in files::older(&self.path)? {
                if older.first > self.last
                    && let Some(file) = found(File::open(&older.path))?
                {
                    lines_from(&file, 0, &mut lines)?;
                    self.note_last(&lines);
                }
            }
            (self.file, self.at) = (current, 0);
            if let Some(file) = &self.file {
                self.at = lines_from(file, 0, &mut lines)?;
            }
        }
        self.note_last(&lines);
        Ok(lines)
    }

    fn note_last(&mut self, lines: &[String]) {
        let last = lines.last().and_then(|line| claimed(line.as_bytes()));
        self.last = last.unwrap_or_default().max(self.last);
    }
}

fn identity(file: Option<&File>) -> io::Result<Option<(u64, u64)>> {
    let metadata = file.map(File::metadata).transpose()?;
    Ok(metadata.map(|file| (file.dev(), file.ino())))
}

/// Adds the whole lines that begin at `from`, and says where the next will begin.
fn lines_from(file: &File, from: u64, lines: &mut Vec<String>) -> io::Result<u64> {
    let mut bytes = Vec::new();
    let rest = file.metadata()?.len().saturating_sub(from);
    read_at(file, from, rest, &mut bytes)?;
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    bytes.truncate(end);
    lines.extend(String::from_utf8_lossy(&bytes).lines().map(ToOwned::to_owned));
    Ok(from + end as u64)
}

/// Adds whole lines, the newest first, until there are `count`; says where the last one ends.
fn lines_backwards(file: &File, count: usize, lines: &mut Vec<String>) -> io::Result<u64> {
    let whole = file.metadata()?.len();
    let (mut start, mut bytes) = (whole, Vec::new());
    let ends = |bytes: &[u8]| bytes.split(|byte| *byte == b'\n').count() - 1;
    while start > 0 && ends(&bytes) <= count {
        let length = start.min(BLOCK);
        start -= length;
        let mut block = Vec::new();
        read_at(file, start, length, &mut block)?;
        block.append(&mut bytes);
        bytes = block;
    }
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    bytes.truncate(end);
    let text = String::from_utf8_lossy(&bytes);
    // The first may be the end of a line that begins further up.
    let cut = usize::from(start > 0);
    let found: Vec<_> = text.lines().skip(cut).map(ToOwned::to_owned).collect();
    let room = count.saturating_sub(lines.len());
    lines.extend(found.into_iter().rev().take(room));
    Ok(start + end as u64)
}

pub(super) fn read_at(file: &File, from: u64, length: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
    struct At<'a>(&'a File, u64);
    impl Read for At<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let read = self.0.read_at(buffer, self.1)?;
            self.1 += read as u64;
            Ok(read)
        }
    }
    At(file, from).take(length).read_to_end(bytes).map(|_| ())
}

/// A line as people read it.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(line) = serde_json::from_str::<Map<String, Value>>(self.0) else {
            return write!(f, "(unreadable) {}", Printable(self.0));
        };
        let text = |key: &str| match line.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => String::new(),
        };
        let event = Printable(&text("event")).to_string();
        write!(f, "{}  {event:<18}", Printable(&text("at")))?;
        for key in ["name", "user", "actor", "address"] {
            if line.contains_key(key) {
                write!(f, " {key}={}", Printable(&text(key)))?;
            }
        }
        let facts = line.get("facts").and_then(Value::as_object);
        for (fact, value) in facts.into_iter().flatten() {
            let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            write!(f, " {}={}", Printable(fact), Printable(&value))?;
        }
        if line.contains_key("request") {
            write!(f, " request={}", Printable(&text("request")))?;
        }
        Ok(())
    }
}
