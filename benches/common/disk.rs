//! A disk as slow as a bench wants it, and what the bare database makes of it.

use std::fs::File;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use redb::backends::FileBackend;
use redb::{Database, StorageBackend, TableDefinition};

/// A file on a disk that takes its time to have something for good.
#[derive(Debug)]
pub(crate) struct Disk {
    file: FileBackend,
    flush: Duration,
}

impl Disk {
    pub(crate) fn new(path: &Path, flush: Duration) -> Self {
        let file = File::options().read(true).write(true).create_new(true).open(path).unwrap();
        Self { file: FileBackend::new(file).unwrap(), flush }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()?;
        thread::sleep(self.flush);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)
    }
}

/// One small durable commit after the other, of the kind that the store makes, by the database
/// itself.
pub(crate) struct Commits(Database);

impl Commits {
    const TABLE: TableDefinition<'static, u64, u64> = TableDefinition::new("bare");

    pub(crate) fn new(path: &Path, flush: Duration) -> Self {
        Self(Database::builder().create_with_backend(Disk::new(path, flush)).unwrap())
    }

    /// How many there were in that time.
    pub(crate) fn done_in(&self, span: Duration) -> usize {
        let (began, mut count) = (Instant::now(), 0);
        while began.elapsed() < span {
            let mut txn = self.0.begin_write().unwrap();
            // As the store does, so that a file opens at once after a crash.
            txn.set_quick_repair(true);
            txn.open_table(Self::TABLE).unwrap().insert(0, 1).unwrap();
            txn.commit().unwrap();
            count += 1;
        }
        count
    }
}
