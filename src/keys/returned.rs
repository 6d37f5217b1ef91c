//! A key file that comes back with a backup, or goes along with a store that is copied.

use std::path::Path;

use super::ring_file::RingFile;
use super::{KeyError, KeyRing, KeySettings, SharedKeys, home};
use crate::clock::Timestamp;
use crate::secret::Secret;
use crate::store::SealedRing;

/// The key file of a backup.
#[derive(Debug)]
pub struct ReturnedKeys(RingFile);

/// What stands in the place of the key file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeysInPlace {
    /// Nothing.
    None,
    /// The same file, or a later one of the same gateway: what was sealed with the one is opened
    /// with the other.
    Same,
    /// An earlier one of the same gateway: it knows nothing of a key that signs by now.
    Earlier,
    /// That of another gateway, or something else.
    Others,
}

impl ReturnedKeys {
    /// Takes the text of a key file; `None` if it is none.
    pub fn read(text: &Secret) -> Option<Self> {
        let text = std::str::from_utf8(text.expose()).ok()?;
        RingFile::decode(text).map(Self)
    }

    /// Reads a key file; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`KeyError`], if it cannot be read, or others may read it as well.
    pub fn of_file(path: &Path) -> Result<Option<Self>, KeyError> {
        Ok(RingFile::read(path)?.map(Self))
    }

    /// The same as the first ring of a store that gateways share, sealed under their secret.
    ///
    /// # Errors
    ///
    /// [`KeyError::NoRandomness`].
    pub fn shared(&self, keys: &SharedKeys) -> Result<SealedRing, KeyError> {
        home::first_shared(keys, &self.0)
    }

    /// What is where it would be.
    ///
    /// # Errors
    ///
    /// [`KeyError`], if that cannot be found out: others may read the file, say, or a newer version
    /// wrote it.
    pub fn in_place(&self, path: &Path) -> Result<KeysInPlace, KeyError> {
        let there = match RingFile::read(path) {
            Ok(Some(there)) => there,
            Ok(None) => return Ok(KeysInPlace::None),
            Err(KeyError::Foreign(_)) => return Ok(KeysInPlace::Others),
            Err(error) => return Err(error),
        };
        Ok(match there.seal.matches(self.0.seal.expose()) {
            false => KeysInPlace::Others,
            true if there.is_before(&self.0) => KeysInPlace::Earlier,
            true => KeysInPlace::Same,
        })
    }

    /// Whether a gateway with these settings can go on with it.
    ///
    /// # Errors
    ///
    /// [`KeyError`], if not.
    pub fn suit(&self, settings: &KeySettings, now: Timestamp) -> Result<(), KeyError> {
        KeyRing::in_memory(settings.clone(), self.0.clone(), now).map(drop)
    }

    /// Puts it where there is none, at once and durably.
    ///
    /// # Errors
    ///
    /// [`KeyError::Io`], also where somebody else made one meanwhile, which stays.
    pub fn publish(&self, path: &Path) -> Result<(), KeyError> {
        self.0.publish(path)
    }

    /// Puts it there, at once and durably, whatever was there before.
    ///
    /// # Errors
    ///
    /// [`KeyError::Io`].
    pub fn replace(&self, path: &Path) -> Result<(), KeyError> {
        self.0.write(path)
    }
}
