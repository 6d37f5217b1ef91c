//! A key file that comes back with a backup.

use std::path::Path;

use super::KeyError;
use super::ring_file::RingFile;
use crate::secret::Secret;

/// The key file of a backup.
#[derive(Debug)]
pub struct ReturnedKeys(RingFile);

/// What stands in the place of the key file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeysInPlace {
    /// Nothing.
    None,
    /// The same file, or an earlier or later one of the same gateway: what was sealed with the one
    /// is opened with the other.
    Same,
    /// That of another gateway, or something else.
    Others,
}

impl ReturnedKeys {
    /// Takes the text of a key file; `None` if it is none.
    pub fn read(text: &Secret) -> Option<Self> {
        let text = std::str::from_utf8(text.expose()).ok()?;
        RingFile::decode(text).map(Self)
    }

    /// What is where it would be.
    ///
    /// # Errors
    ///
    /// [`KeyError::Io`], if that cannot be found out.
    pub fn in_place(&self, path: &Path) -> Result<KeysInPlace, KeyError> {
        match RingFile::read(path) {
            Ok(None) => Ok(KeysInPlace::None),
            Ok(Some(there)) if there.seal.matches(self.0.seal.expose()) => Ok(KeysInPlace::Same),
            Err(error @ KeyError::Io { .. }) => Err(error),
            Ok(Some(_)) | Err(_) => Ok(KeysInPlace::Others),
        }
    }

    /// Puts it there, at once and durably, whatever was there before.
    ///
    /// # Errors
    ///
    /// [`KeyError::Io`].
    pub fn put(&self, path: &Path) -> Result<(), KeyError> {
        self.0.write(path)
    }
}
