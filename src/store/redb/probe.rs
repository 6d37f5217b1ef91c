//! A look at a file without touching it.
//!
//! redb marks a file on opening, and repairs it after a crash, before we can tell whether it is
//! ours. So it first opens a view whose writes stay in memory; only a file that proves to be a
//! sound store of ours is then opened in earnest.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};

use super::lasting::Lasting;

const PAGE: usize = 4096;

/// A file with changes that are only in memory. It takes the real locks.
#[derive(Debug)]
pub(super) struct Probe {
    file: Lasting,
    changes: Mutex<Changes>,
}

#[derive(Debug)]
struct Changes {
    len: u64,
    /// What the file still holds of its own; beyond is zero unless written.
    kept: u64,
    pages: BTreeMap<u64, Vec<u8>>,
}

impl Probe {
    pub(super) fn new(file: Lasting) -> io::Result<Self> {
        let len = file.len()?;
        Ok(Self { file, changes: Mutex::new(Changes { len, kept: len, pages: BTreeMap::new() }) })
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page as the file has it.
    fn original(&self, number: u64, kept: u64) -> io::Result<Vec<u8>> {
        let mut page = vec![0; PAGE];
        let start = number.saturating_mul(PAGE as u64);
        let held = usize::try_from(kept.saturating_sub(start)).unwrap_or(PAGE).min(PAGE);
        if let Some(held) = page.get_mut(..held).filter(|held| !held.is_empty()) {
            self.file.read(start, held)?;
        }
        Ok(page)
    }
}

/// The pieces of `offset..offset + len` by page: page number, place in the page, length.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset.checked_add(done as u64)?;
        let start = usize::try_from(at % PAGE as u64).ok()?;
        let piece = (PAGE - start).min(len - done);
        done += piece;
        (piece > 0).then_some((at / PAGE as u64, start, piece))
    })
}

fn out_of_range() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "beyond the end of the file")
}

impl StorageBackend for Probe {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changes().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changes = self.changes();
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > changes.len) {
            return Err(out_of_range());
        }
        let mut rest = out;
        for (number, start, piece) in pieces(offset, rest.len()) {
            let (target, later) = rest.split_at_mut(piece);
            let mut read = |page: &[u8]| {
                if let Some(source) = page.get(start..start + piece) {
                    target.copy_from_slice(source);
                }
            };
            match changes.pages.get(&number) {
                Some(page) => read(page),
                None => read(&self.original(number, changes.kept)?),
            }
            rest = later;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut changes = self.changes();
        changes.len = len;
        changes.kept = changes.kept.min(len);
        let (last, end) = (len / PAGE as u64, usize::try_from(len % PAGE as u64));
        drop(changes.pages.split_off(&(last + 1)));
        if let (Some(page), Ok(end)) = (changes.pages.get_mut(&last), end) {
            page.iter_mut().skip(end).for_each(|byte| *byte = 0);
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut changes = self.changes();
        if offset.checked_add(data.len() as u64).is_none_or(|end| end > changes.len) {
            return Err(out_of_range());
        }
        let mut rest = data;
        for (number, start, piece) in pieces(offset, rest.len()) {
            let (source, later) = rest.split_at(piece);
            let kept = changes.kept;
            let page = match changes.pages.entry(number) {
                std::collections::btree_map::Entry::Occupied(page) => page.into_mut(),
                std::collections::btree_map::Entry::Vacant(place) => {
                    place.insert(self.original(number, kept)?)
                }
            };
            if let Some(target) = page.get_mut(start..start + piece) {
                target.copy_from_slice(source);
            }
            rest = later;
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;
    use redb::backends::FileBackend;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Write(u64, Vec<u8>),
        Read(u64, usize),
        Resize(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let place = 0..4 * PAGE as u64;
        let len = prop_oneof![0..9usize, PAGE - 2..PAGE + 2, 2 * PAGE..2 * PAGE + 9];
        prop_oneof![
            (place.clone(), len.clone(), 1..=u8::MAX)
                .prop_map(|(at, len, b)| { Step::Write(at, vec![b; len]) }),
            (place.clone(), len).prop_map(|(at, len)| Step::Read(at, len)),
            place.prop_map(Step::Resize),
        ]
    }

    fn check(probe: &Probe, model: &mut Vec<u8>, step: Step) {
        let range = |at: u64, len: usize| {
            let at = usize::try_from(at).unwrap();
            at..at + len
        };
        match step {
            Step::Write(at, data) => {
                let target = model.get_mut(range(at, data.len()));
                assert_eq!(probe.write(at, &data).is_ok(), target.is_some());
                if let Some(target) = target {
                    target.copy_from_slice(&data);
                }
            }
            Step::Read(at, len) => {
                let mut out = vec![0; len];
                let read = probe.read(at, &mut out).ok().map(|()| &out[..]);
                assert_eq!(read, model.get(range(at, len)));
            }
            Step::Resize(len) => {
                probe.set_len(len).unwrap();
                model.resize(usize::try_from(len).unwrap(), 0);
            }
        }
        assert_eq!(probe.len().unwrap(), model.len() as u64);
    }

    proptest! {
        /// Whatever is done to a probe, it behaves as the file would, and the file is as it was.
        #[test]
        fn a_probe_is_like_the_file_and_leaves_it_alone(
            len in 0..3 * PAGE,
            steps in proptest::collection::vec(step(), 1..40),
        ) {
            let before: Vec<u8> = (0..=u8::MAX).cycle().take(len).collect();
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(&before).unwrap();
            let backend = FileBackend::new(file.reopen().unwrap()).unwrap();
            let probe = Probe::new(Lasting::new(backend)).unwrap();
            let mut model = before.clone();
            for step in steps {
                check(&probe, &mut model, step);
            }
            let len = model.len();
            check(&probe, &mut model, Step::Read(0, len));
            prop_assert_eq!(std::fs::read(file.path()).unwrap(), before);
        }
    }
}
