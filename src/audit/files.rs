//! The files of a record: the one that is written, and older ones named after their first line.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::head;
use crate::new_file;

/// Digits of a number in a name: names sort as the numbers do.
const DIGITS: usize = 20;

/// A file that is written no more.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Older {
    /// The number of its first line.
    pub(super) first: u64,
    pub(super) path: PathBuf,
}

/// The name of an older file whose first line has that number.
pub(super) fn older_name(path: &Path, first: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{first:0DIGITS$}"));
    name.into()
}

/// Every file of the record at that path: the one that is written, whether it is there or not, the
/// sealed head, and the older ones.
///
/// # Errors
///
/// That of the system.
pub fn files_of(path: &Path) -> io::Result<Vec<PathBuf>> {
    let older = found(older(path))?.unwrap_or_default().into_iter();
    let current = [path.to_owned(), head::beside(path)];
    Ok(current.into_iter().chain(older.map(|older| older.path)).collect())
}

/// The older files of a record, the oldest first.
pub(super) fn older(path: &Path) -> io::Result<Vec<Older>> {
    let own = path.file_name().unwrap_or_default().as_encoded_bytes();
    let mut found = Vec::new();
    for entry in fs::read_dir(new_file::folder(path))? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.as_encoded_bytes().strip_prefix(own).and_then(number);
        found.extend(number.map(|first| Older { first, path: entry.path() }));
    }
    found.sort_unstable();
    Ok(found)
}

/// `None` where there is no such file.
pub(super) fn found<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn number(ending: &[u8]) -> Option<u64> {
    let digits = ending.strip_prefix(b".").filter(|digits| digits.len() == DIGITS)?;
    let digits = std::str::from_utf8(digits).ok()?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}
