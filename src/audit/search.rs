//! The record from its end: lines that somebody looks for, the newest first.

use std::fs::File;
use std::io;
use std::path::Path;

use serde_json::{Map, Value};

use super::files::{self, found};
use super::line::{LONGEST, claimed};
use super::read::read_at;

/// Bytes that are read at once.
const BLOCK: u64 = 64 * 1024;
/// Bytes that are looked through for one answer, from where it begins: a fraction of a second.
const MOST: u64 = 32 * 1024 * 1024;

/// A line as it is written.
pub type Line = Map<String, Value>;

/// Lines, the newest first, and the number to go on below, if there may be more.
pub type Lines = (Vec<Line>, Option<u64>);

/// How much is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Only lines with numbers below that.
    pub(super) before: Option<u64>,
    /// Lines that are enough.
    pub(super) lines: usize,
    /// Bytes that are looked through.
    pub(super) bytes: u64,
}

/// Looks for at most `limit` lines with numbers below `before`, the newest first, and says where
/// to go on; what is no line of the record is passed over.
///
/// # Errors
///
/// That of the system; a record that is not there has no lines.
pub(super) fn search(
    path: &Path,
    before: Option<u64>,
    limit: usize,
    wanted: impl Fn(&Line) -> bool,
) -> io::Result<Lines> {
    look(path, Bounds { before, lines: limit, bytes: MOST }, |_| true, wanted)
}

/// The same within other bounds. Only what `may_be` is parsed.
pub(super) fn look(
    path: &Path,
    bounds: Bounds,
    may_be: impl Fn(&[u8]) -> bool,
    wanted: impl Fn(&Line) -> bool,
) -> io::Result<Lines> {
    let before = bounds.before.unwrap_or(u64::MAX);
    let mut lines = Vec::new();
    let mut looked = 0;
    let older = found(files::older(path))?.unwrap_or_default();
    let older = older.into_iter().rev().filter(|older| older.first < before);
    for path in std::iter::once(path.to_owned()).chain(older.map(|older| older.path)) {
        // One that is removed meanwhile is no longer part of the record.
        let Some(file) = found(File::open(&path))? else { continue };
        let mut backwards = Backwards::of(file)?;
        while let Some(line) = backwards.next()? {
            let Some(number) = claimed(&line).filter(|number| *number < before) else { continue };
            if lines.len() == bounds.lines || looked > bounds.bytes {
                return Ok((lines, Some(number.saturating_add(1))));
            }
            looked += line.len() as u64;
            if !may_be(&line) {
                continue;
            }
            let line = serde_json::from_slice(&line).ok();
            lines.extend(line.filter(&wanted));
        }
    }
    Ok((lines, None))
}

/// The whole lines of a file, the last one first, without their ends.
struct Backwards {
    file: File,
    /// What is before that was not read yet.
    start: u64,
    /// What was read and not given out.
    bytes: Vec<u8>,
    /// Whether what is at the end of the bytes is a line, and not the beginning of one.
    is_whole: bool,
}

impl Backwards {
    fn of(file: File) -> io::Result<Self> {
        let start = file.metadata()?.len();
        Ok(Self { file, start, bytes: Vec::new(), is_whole: false })
    }

    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(end) = self.bytes.iter().rposition(|byte| *byte == b'\n') {
                let line = self.bytes.split_off(end + 1);
                self.bytes.truncate(end);
                if std::mem::replace(&mut self.is_whole, true) {
                    return Ok(Some(line));
                }
                continue;
            }
            if self.start == 0 {
                let first = std::mem::take(&mut self.bytes);
                let is_line = std::mem::take(&mut self.is_whole) && !first.is_empty();
                return Ok(is_line.then_some(first));
            }
            // No line is so long: what stands there is none.
            if self.bytes.len() > LONGEST {
                (self.bytes, self.is_whole) = (Vec::new(), false);
            }
            let length = self.start.min(BLOCK);
            self.start -= length;
            let mut block = Vec::new();
            read_at(&self.file, self.start, length, &mut block)?;
            block.append(&mut self.bytes);
            self.bytes = block;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of lines with these numbers, in files of three.
    fn record(folder: &Path, last: u64) -> std::path::PathBuf {
        let path = folder.join("audit");
        let line = |number: u64| {
            let text = "x".repeat(usize::try_from(number % 7).unwrap() * 9000);
            format!("{{\"seq\":{number},\"event\":\"e{}\",\"facts\":\"{text}\"}}\n", number % 2)
        };
        let numbers: Vec<_> = (1..=last).collect();
        for part in numbers.chunks(3) {
            let text: String = part.iter().copied().map(line).collect();
            let is_last = part.last() == Some(&last);
            let to = if is_last { path.clone() } else { files::older_name(&path, part[0]) };
            std::fs::write(to, text).unwrap();
        }
        path
    }

    fn numbers(lines: &[Line]) -> Vec<u64> {
        lines.iter().filter_map(|line| line["seq"].as_u64()).collect()
    }

    #[test]
    fn the_newest_line_is_the_first_in_pages_over_all_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = record(folder.path(), 20);
        for limit in [1, 3, 4, 19, 20, 21] {
            let (mut all, mut before) = (Vec::new(), None);
            loop {
                let (lines, next) = search(&path, before, limit, |_| true).unwrap();
                assert!(lines.len() <= limit);
                all.extend(numbers(&lines));
                before = next;
                if before.is_none() {
                    break;
                }
            }
            assert_eq!(all, (1..=20).rev().collect::<Vec<_>>(), "{limit}");
        }
        let even = |line: &Line| line["event"] == "e0";
        let (lines, next) = search(&path, Some(15), 3, even).unwrap();
        assert_eq!((numbers(&lines), next), (vec![14, 12, 10], Some(10)));
    }

    #[test]
    fn what_cannot_be_wanted_is_not_parsed_and_the_end_is_not_passed() {
        let folder = tempfile::tempdir().unwrap();
        let path = record(folder.path(), 20);
        let seen = std::cell::RefCell::new(Vec::new());
        let bytes = 200_000;
        let may_be = |line: &[u8]| {
            seen.borrow_mut().push(line.len() as u64);
            claimed(line).is_some_and(|number| number % 5 == 0)
        };
        let bounds = Bounds { before: None, lines: 20, bytes };
        let (lines, next) = look(&path, bounds, may_be, |line| line["seq"] != 20).unwrap();
        let seen = seen.into_inner();
        // One more than what is enough ends it.
        let (last, before) = seen.split_last().unwrap();
        assert!(before.iter().sum::<u64>() <= bytes, "{before:?}");
        assert!(before.iter().sum::<u64>() + last > bytes && seen.len() < 20, "{seen:?}");
        assert_eq!((numbers(&lines), next), (vec![15], Some(21 - seen.len() as u64)));
    }

    #[test]
    fn what_is_no_line_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        assert_eq!(search(&path, None, 9, |_| true).unwrap(), (Vec::new(), None));
        let junk = "y".repeat(3 * LONGEST);
        for (text, found) in [
            ("", &[][..]),
            ("{\"seq\":1}", &[]),
            ("{\"seq\":1}\n{\"seq\":2", &[1]),
            ("junk\n{\"seq\":1}\n\n{\"seq\":2,}\n{\"seq\":3}\n", &[3, 1]),
            (&format!("{{\"seq\":1}}\n{junk}\n{{\"seq\":2}}\n"), &[2, 1]),
        ] {
            std::fs::write(&path, text).unwrap();
            let (lines, next) = search(&path, None, 9, |_| true).unwrap();
            assert_eq!((numbers(&lines), next), (found.to_vec(), None), "{text:.40}");
        }
    }
}
