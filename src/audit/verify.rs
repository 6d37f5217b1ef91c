//! Whether a record is as it was written.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::AuditError;
use super::chain::Chain;
use super::files;
use super::head::{self, Found, Head};
use super::line::{self, LONGEST, Link};
use crate::secret::Secret;

/// Faults that are told; a damaged file may have millions.
const TOLD: usize = 20;

/// How often the files are listed anew, where the gateway turns them over meanwhile.
const TRIES: usize = 8;

/// What came of [`verify`].
#[derive(Debug, Default)]
pub struct Verdict {
    /// Files that were read.
    pub files: usize,
    /// Lines that are as they were written.
    pub lines: u64,
    /// The number of the first of them.
    pub first: Option<u64>,
    /// The number of the last of them.
    pub last: Option<u64>,
    /// Whether the last line is unfinished, and nothing says that it ever was finished: it is
    /// being written, or a crash came.
    pub unfinished: bool,
    /// What is wrong, the first ones of it; nothing if the record is whole.
    pub faults: Vec<Fault>,
}

/// Something that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// The file in which it shows.
    pub file: PathBuf,
    /// The line of that file, counted from 1; `None` if it is not in a line.
    pub line: Option<u64>,
    /// What it is.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        write!(f, " {}", self.what)
    }
}

/// Reads the whole record of that path, while a gateway writes it or not.
///
/// # Errors
///
/// [`AuditError::Io`] if it cannot be read.
pub fn verify(path: &Path, key: &Secret) -> Result<Verdict, AuditError> {
    judge(path, &Chain::new(key))
}

pub(super) fn judge(path: &Path, chain: &Chain) -> Result<Verdict, AuditError> {
    let failed = |source| AuditError::Io { path: path.to_owned(), source };
    let (open, found) = open(path, chain).map_err(failed)?;
    let sealed = match &found {
        Found::Sealed(head) => Some(head),
        Found::Damaged | Found::Missing => None,
    };
    let mut reading = Reading { chain, sealed, before: None, verdict: Verdict::default() };
    for (path, file) in open {
        reading.file(&path, file).map_err(failed)?;
    }
    reading.end(path, &found);
    Ok(reading.verdict)
}

type Opened = Vec<(PathBuf, File)>;

/// All files as they are at one moment, oldest first, and the head of just then.
fn open(path: &Path, chain: &Chain) -> io::Result<(Opened, Found)> {
    let listed = || {
        let current = path.metadata().map(|current| current.ino()).ok();
        files::older(path).map(|older| (older, current))
    };
    let mut tries = 0;
    loop {
        let before = listed()?;
        let paths = before.0.iter().map(|older| older.path.clone());
        let paths = paths.chain(before.1.is_some().then(|| path.to_owned()));
        let opened: io::Result<Opened> =
            paths.map(|path| File::open(&path).map(|file| (path, file))).collect();
        let found = head::read(path, chain)?;
        tries += 1;
        let unchanged = listed()? == before;
        match opened {
            Ok(opened) if unchanged || tries == TRIES => return Ok((opened, found)),
            Err(error) if unchanged || tries == TRIES => return Err(error),
            Ok(_) | Err(_) => {}
        }
    }
}

struct Reading<'a> {
    chain: &'a Chain,
    sealed: Option<&'a Head>,
    /// The line before; `None` at the beginning and after one that is broken.
    before: Option<Link>,
    verdict: Verdict,
}

impl Reading<'_> {
    fn file(&mut self, path: &Path, file: File) -> io::Result<()> {
        let mut reader = BufReader::new(file);
        self.verdict.files += 1;
        for number in 1.. {
            let mut line = Vec::new();
            reader.by_ref().take(LONGEST as u64).read_until(b'\n', &mut line)?;
            if line.is_empty() {
                break;
            }
            if line.pop_if(|end| *end == b'\n').is_none() {
                return self.ragged(path, number, &line, &mut reader);
            }
            self.line(path, number, &line);
        }
        Ok(())
    }

    fn line(&mut self, path: &Path, number: u64, line: &[u8]) {
        let Some(read) = line::read(line, self.chain) else {
            self.before = None;
            return self.fault(path, Some(number), "this line is not as it was written");
        };
        let seq = read.link.seq;
        let expected = match (&self.before, self.verdict.last) {
            (Some(before), _) => before.seq.saturating_add(1),
            // Behind a broken line the next good one is taken for what it says, if it is later.
            (None, Some(last)) => seq.max(last.saturating_add(1)),
            (None, None) => seq,
        };
        if seq > expected {
            let lines = span(expected, seq.saturating_sub(1));
            self.fault(path, Some(number), format!("{lines} missing before this line"));
        } else if seq < expected {
            self.fault(
                path,
                Some(number),
                format!("this line has number {seq}, and should have {expected}"),
            );
        } else if self.before.as_ref().is_some_and(|before| before.code != read.prev) {
            self.fault(path, Some(number), "this line does not follow the one before it");
        }
        if self.sealed.is_some_and(|head| head.last.seq == seq && head.last.code != read.link.code)
        {
            self.fault(path, Some(number), "this line is not the one that the head speaks of");
        }
        self.verdict.lines += 1;
        self.verdict.first.get_or_insert(seq);
        self.verdict.last = Some(seq);
        self.before = Some(read.link);
    }

    /// Something without an end: the last line of a file, or none at all.
    fn ragged(
        &mut self,
        path: &Path,
        number: u64,
        line: &[u8],
        rest: &mut impl BufRead,
    ) -> io::Result<()> {
        let ends_here = line.len() < LONGEST && rest.fill_buf()?.is_empty();
        let known = self.verdict.last.unwrap_or_default();
        if ends_here && self.sealed.is_none_or(|head| known >= head.last.seq) {
            self.verdict.unfinished = true;
        } else {
            self.before = None;
            self.fault(path, Some(number), "this line is not as it was written");
        }
        Ok(())
    }

    /// What the head says about the whole.
    fn end(&mut self, path: &Path, found: &Found) {
        let head = head::beside(path);
        match found {
            Found::Missing if self.verdict.files == 0 => {}
            Found::Missing => {
                self.fault(
                    &head,
                    None,
                    "the sealed head is missing: lines may be missing at the end",
                );
            }
            Found::Damaged => {
                self.fault(&head, None, "the head is not as it was written, or of other keys");
            }
            Found::Sealed(head) => {
                let first = self.verdict.first.unwrap_or_else(|| head.last.seq.saturating_add(1));
                if first > head.first {
                    let lines = span(head.first, first - 1);
                    self.fault(path, None, format!("{lines} missing at the beginning"));
                }
                let last = self.verdict.last.unwrap_or_default().max(first - 1);
                if last < head.last.seq {
                    let lines = span(last.saturating_add(1), head.last.seq);
                    self.fault(path, None, format!("{lines} missing at the end"));
                }
            }
        }
    }

    fn fault(&mut self, file: &Path, line: Option<u64>, what: impl Into<String>) {
        if self.verdict.faults.len() < TOLD {
            let what = what.into();
            self.verdict.faults.push(Fault { file: file.to_owned(), line, what });
        }
    }
}

fn span(from: u64, to: u64) -> String {
    if from == to {
        format!("line number {from} is")
    } else {
        format!("lines number {from} to {to} are")
    }
}
