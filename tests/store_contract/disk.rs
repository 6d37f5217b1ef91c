//! A disk of bytes in memory that counts, stalls, fails, and loses what was not synced.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use redb::StorageBackend;

#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct State {
    now: Vec<u8>,
    synced: Vec<u8>,
    syncs: usize,
    /// How many more writes and syncs succeed.
    good: Option<usize>,
    /// Whether the next read fails.
    bad_read: bool,
    closed: bool,
    waiting: bool,
}

impl Disk {
    /// A disk as it is found after the power failed: without what was never synced.
    pub(crate) fn after_power_loss(&self) -> Self {
        Self::of(self.state().synced.clone())
    }

    /// A disk as it is found after the process was killed.
    pub(crate) fn after_kill(&self) -> Self {
        Self::of(self.state().now.clone())
    }

    fn of(bytes: Vec<u8>) -> Self {
        let disk = Self::default();
        disk.state().synced.clone_from(&bytes);
        disk.state().now = bytes;
        disk
    }

    pub(crate) fn size(&self) -> usize {
        self.state().now.len()
    }

    pub(crate) fn syncs(&self) -> usize {
        self.state().syncs
    }

    /// Lets `count` more writes and syncs succeed, and none after them.
    pub(crate) fn fail_after(&self, count: usize) {
        self.state().good = Some(count);
    }

    /// Lets all writes and syncs succeed again.
    pub(crate) fn mend(&self) {
        self.state().good = None;
    }

    /// Makes the next read fail, and none after it.
    pub(crate) fn fail_a_read(&self) {
        self.state().bad_read = true;
    }

    /// Makes syncs wait.
    pub(crate) fn close_gate(&self) {
        self.state().closed = true;
    }

    /// Returns when a sync waits at the closed gate.
    pub(crate) fn wait_for_sync(&self) {
        let state = self.state();
        drop(self.0.moved.wait_while(state, |state| !state.waiting).unwrap());
    }

    pub(crate) fn open_gate(&self) {
        self.state().closed = false;
        self.0.moved.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }
}

impl State {
    fn spend(&mut self) -> io::Result<()> {
        match &mut self.good {
            Some(0) => Err(io::Error::other("the disk is broken")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn range(&mut self, offset: u64, len: usize) -> io::Result<&mut [u8]> {
        let start = usize::try_from(offset).unwrap();
        self.now.get_mut(start..start + len).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.state();
        if std::mem::take(&mut state.bad_read) {
            return Err(io::Error::other("a sector is broken"));
        }
        out.copy_from_slice(state.range(offset, out.len())?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state();
        state.spend()?;
        state.now.resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.closed {
            state.waiting = true;
            self.0.moved.notify_all();
            state = self.0.moved.wait_while(state, |state| state.closed).unwrap();
            state.waiting = false;
        }
        state.spend()?;
        state.syncs += 1;
        let State { now, synced, .. } = &mut *state;
        synced.clone_from(now);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        state.spend()?;
        state.range(offset, data.len())?.copy_from_slice(data);
        Ok(())
    }
}
