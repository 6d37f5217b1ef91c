//! The file with the keys that the gateway makes itself.

use std::cmp::Ordering;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::pair::SigningKey;
use super::seal::Seal;
use super::{Algorithm, KeyError};
use crate::clock::Timestamp;
use crate::new_file::{NewFile, behind_links};
use crate::secret::Secret;
use crate::small_file::is_open_to_others;

/// The only format there is so far; a file of another is refused.
const VERSION: u32 = 1;

/// What the file holds.
#[derive(Clone, Debug)]
pub(super) struct RingFile {
    /// Seals secrets in the store.
    pub(super) seal: Secret,
    /// Signing keys, the current one first.
    pub(super) keys: Vec<MadeKey>,
}

/// A signing key of our own making.
#[derive(Clone, Debug)]
pub(super) struct MadeKey {
    pub(super) algorithm: Algorithm,
    pub(super) pkcs8: Secret,
    pub(super) created: Timestamp,
    /// Since when it only verifies.
    pub(super) retired: Option<Timestamp>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    seal: String,
    keys: Vec<Entry>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    algorithm: String,
    pkcs8: String,
    created: u64,
    retired: Option<u64>,
}

/// What is the same in every format.
#[derive(Deserialize)]
struct Marked {
    version: u32,
}

/// Whether a newer version wrote it.
fn is_newer(text: &str) -> bool {
    serde_json::from_str(text).is_ok_and(|marked: Marked| marked.version > VERSION)
}

impl Drop for Document {
    fn drop(&mut self) {
        self.seal.zeroize();
        for entry in &mut self.keys {
            entry.pkcs8.zeroize();
        }
    }
}

impl RingFile {
    /// Reads the file; `None` if there is none.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, KeyError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            // No text at all.
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                return Err(KeyError::Foreign(path.into()));
            }
            Err(error) => return Err(KeyError::Io { path: path.into(), source: error }),
        };
        if is_open_to_others(path) {
            return Err(KeyError::Exposed(path.into()));
        }
        if is_newer(&text) {
            return Err(KeyError::Newer(path.into()));
        }
        Self::decode(&text).map(Some).ok_or_else(|| KeyError::Foreign(path.into()))
    }

    /// What the first file of a gateway begins with.
    pub(super) fn generate() -> Result<Self, KeyError> {
        Ok(Self { seal: Seal::generate()?.material().clone(), keys: Vec::new() })
    }

    /// Replaces the file at once and durably: a crash leaves the old or the new one. A link to it
    /// goes on leading to it.
    pub(super) fn write(&self, path: &Path) -> Result<(), KeyError> {
        let new = self.draft(&behind_links(path));
        new.and_then(NewFile::replace).map_err(|source| KeyError::Io { path: path.into(), source })
    }

    /// Makes the file, durably, where there is none; one that somebody else made meanwhile stays.
    pub(super) fn publish(&self, path: &Path) -> Result<(), KeyError> {
        let new = self.draft(path);
        new.and_then(NewFile::publish).map_err(|source| KeyError::Io { path: path.into(), source })
    }

    fn draft(&self, path: &Path) -> io::Result<NewFile> {
        let text = Zeroizing::new(self.encode());
        let new = NewFile::create(path)?;
        new.file().write_all(text.as_bytes())?;
        Ok(new)
    }

    /// Whether keys were rotated between this file and the other one.
    pub(super) fn is_before(&self, other: &Self) -> bool {
        let newest = |file: &Self| file.keys.iter().map(|key| key.created).max();
        let has = |file: &Self, key: Option<&MadeKey>| {
            key.is_some_and(|key| file.keys.iter().any(|it| it.pkcs8.matches(key.pkcs8.expose())))
        };
        match newest(self).cmp(&newest(other)) {
            Ordering::Less => true,
            Ordering::Greater => false,
            // Within one second: the later one knows the current key of the earlier one.
            Ordering::Equal => !has(self, other.current()) && has(other, self.current()),
        }
    }

    fn current(&self) -> Option<&MadeKey> {
        self.keys.iter().find(|key| key.retired.is_none())
    }

    /// What stands in the file.
    pub(super) fn to_secret(&self) -> Secret {
        self.encode().into()
    }

    pub(super) fn decode(text: &str) -> Option<Self> {
        let document: Document = serde_json::from_str(text).ok()?;
        if document.version != VERSION {
            return None;
        }
        let bytes = |text: &str| STANDARD.decode(text).ok().map(Secret::from);
        let keys = document.keys.iter().map(|entry| {
            Some(MadeKey {
                algorithm: entry.algorithm.parse().ok()?,
                pkcs8: bytes(&entry.pkcs8)?,
                created: Timestamp::from_secs(entry.created),
                retired: entry.retired.map(Timestamp::from_secs),
            })
        });
        Some(Self { seal: bytes(&document.seal)?, keys: keys.collect::<Option<_>>()? })
    }

    fn encode(&self) -> String {
        let keys = self.keys.iter().map(|key| Entry {
            algorithm: key.algorithm.to_string(),
            pkcs8: STANDARD.encode(key.pkcs8.expose()),
            created: key.created.as_secs(),
            retired: key.retired.map(Timestamp::as_secs),
        });
        let document = Document {
            version: VERSION,
            seal: STANDARD.encode(self.seal.expose()),
            keys: keys.collect(),
        };
        serde_json::to_string_pretty(&document).unwrap_or_default()
    }
}

/// Whether a token signed with the key may still be good.
pub(super) fn alive(key: &MadeKey, longest: Duration, now: Timestamp) -> bool {
    key.retired.is_none_or(|retired| now < retired.plus(longest))
}

pub(super) fn ensure_current(
    keys: &mut Vec<MadeKey>,
    algorithm: Algorithm,
    now: Timestamp,
) -> Result<(), KeyError> {
    let current = keys.iter().find(|key| key.retired.is_none());
    if current.is_some_and(|key| key.algorithm == algorithm) {
        return Ok(());
    }
    insert_current(keys, algorithm, now)
}

pub(super) fn insert_current(
    keys: &mut Vec<MadeKey>,
    algorithm: Algorithm,
    now: Timestamp,
) -> Result<(), KeyError> {
    for key in keys.iter_mut() {
        key.retired.get_or_insert(now);
    }
    let pkcs8 = SigningKey::generate(algorithm)?;
    keys.insert(0, MadeKey { algorithm, pkcs8, created: now, retired: None });
    Ok(())
}
