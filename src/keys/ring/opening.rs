//! A ring is read, or made.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use tokio::sync::watch;

use super::{KeyRing, TRIES};
use crate::clock::Timestamp;
use crate::keys::held::Keys;
use crate::keys::home::{Home, Kept, from_when};
use crate::keys::ring_file::{RingFile, ensure_current};
use crate::keys::seal::Seal;
use crate::keys::{KeyError, KeySettings, KeySource, SharedKeys};
use crate::store::Store;

impl KeyRing {
    /// Reads the keys, and makes those that are missing and ours to make.
    ///
    /// `longest` is the longest life of a token: a retired key is kept for that long.
    ///
    /// # Errors
    ///
    /// [`KeyError`]; nothing was overwritten.
    pub fn open(
        settings: KeySettings,
        longest: Duration,
        now: Timestamp,
    ) -> Result<Self, KeyError> {
        Self::open_at(Home::File, settings, longest, now)
    }

    /// The same of a ring that is kept in a store. Where there is none yet, the one in the file is put
    /// there, or a new one. It blocks.
    ///
    /// # Errors
    ///
    /// As [`KeyRing::open`]; [`KeyError::Apart`] where a file has other keys than the ring.
    pub fn open_shared(
        settings: KeySettings,
        shared: &SharedKeys,
        store: &Arc<dyn Store>,
        longest: Duration,
        now: Timestamp,
    ) -> Result<Self, KeyError> {
        Self::open_at(Home::shared(shared, store)?, settings, longest, now)
    }

    fn open_at(
        home: Home,
        settings: KeySettings,
        longest: Duration,
        now: Timestamp,
    ) -> Result<Self, KeyError> {
        for _ in 0..TRIES {
            let there = home.read(&settings)?;
            if let Some(there) = &there {
                home.holds_file(&settings, &there.file)?;
            }
            let is_new = there.is_none();
            let first = || home.first(&settings).map(|file| Kept { file, version: 0 });
            let Kept { mut file, mut version } = there.map_or_else(first, Ok)?;
            let before = file.keys.len();
            if matches!(settings.source, KeySource::Made) {
                // The very first signs at once: nobody knows another.
                let lead = if before == 0 { Duration::ZERO } else { home.lead() };
                ensure_current(&mut file.keys, settings.algorithm, from_when(now, lead))?;
            }
            if is_new || file.keys.len() != before {
                // Somebody else was first: theirs is the ring.
                let Some(written) = home.write(&settings, &file, version)? else { continue };
                version = written;
            }
            return Self::assemble(home, settings, Kept { file, version }, longest, now);
        }
        Err(KeyError::Contended)
    }

    /// Reads the keys and makes none: for the command line while no gateway runs.
    ///
    /// # Errors
    ///
    /// [`KeyError::Missing`] where [`KeyRing::open`] would make a file.
    pub fn open_existing(
        settings: KeySettings,
        longest: Duration,
        now: Timestamp,
    ) -> Result<Self, KeyError> {
        Self::existing_at(Home::File, settings, longest, now)
    }

    /// The same of a ring that is kept in a store. It blocks.
    ///
    /// # Errors
    ///
    /// [`KeyError::NoneShared`] where [`KeyRing::open_shared`] would put one there.
    pub fn open_existing_shared(
        settings: KeySettings,
        shared: &SharedKeys,
        store: &Arc<dyn Store>,
        longest: Duration,
        now: Timestamp,
    ) -> Result<Self, KeyError> {
        Self::existing_at(Home::shared(shared, store)?, settings, longest, now)
    }

    fn existing_at(
        home: Home,
        settings: KeySettings,
        longest: Duration,
        now: Timestamp,
    ) -> Result<Self, KeyError> {
        let kept = home.read(&settings)?.ok_or_else(|| home.missing(&settings))?;
        Self::assemble(home, settings, kept, longest, now)
    }

    /// Keys in memory only, for tests and embedders that keep none.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if `settings` do not fit each other.
    pub fn ephemeral(settings: KeySettings, now: Timestamp) -> Result<Self, KeyError> {
        Self::in_memory(settings, RingFile::generate()?, now)
    }

    /// The keys that [`open`](Self::open) would have, did it find that file.
    pub(in crate::keys) fn in_memory(
        settings: KeySettings,
        mut file: RingFile,
        now: Timestamp,
    ) -> Result<Self, KeyError> {
        if matches!(settings.source, KeySource::Made) {
            ensure_current(&mut file.keys, settings.algorithm, now)?;
        }
        Self::assemble(Home::File, settings, Kept { file, version: 0 }, Duration::MAX, now)
    }

    fn assemble(
        home: Home,
        settings: KeySettings,
        Kept { file, version }: Kept,
        longest: Duration,
        now: Timestamp,
    ) -> Result<Self, KeyError> {
        let keys = Keys::assemble(&settings, file.keys, version, longest, now)?;
        let seal = Seal::from_material(file.seal)?;
        let keys = RwLock::new(Arc::new(keys));
        let outlived_by = Mutex::new(longest);
        let (rotating, issued) = (Mutex::default(), AtomicU64::new(0));
        let changes = watch::Sender::new(());
        Ok(Self { settings, home, outlived_by, seal, rotating, keys, changes, issued })
    }
}
