//! Where a ring is kept: in a file of its own, or in the store that gateways share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;

use super::ring_file::RingFile;
use super::seal::Seal;
use super::{KeyError, KeySettings, SharedKeys};
use crate::clock::Timestamp;
use crate::secret::Secret;
use crate::store::{RingStore, SealedRing, Store};

/// What a shared ring is sealed for.
const CONTEXT: &str = "key ring 1";

/// Where a ring is kept.
pub(super) enum Home {
    /// In the file that the settings name.
    File,
    /// In a store that others have as well.
    Shared(Shared),
}

/// A ring in a store.
pub(super) struct Shared {
    store: Arc<dyn Store>,
    seal: Seal,
    lead: Duration,
}

/// A ring, and which one it is.
pub(super) struct Kept {
    pub(super) file: RingFile,
    /// 0 in a file.
    pub(super) version: u64,
}

impl Home {
    /// That store.
    pub(super) fn shared(keys: &SharedKeys, store: &Arc<dyn Store>) -> Result<Self, KeyError> {
        if store.rings().is_none() {
            return Err(KeyError::NotShared);
        }
        let seal = seal_of(keys)?;
        Ok(Self::Shared(Shared { store: Arc::clone(store), seal, lead: keys.lead }))
    }

    /// How long before it signs a new key has to be known.
    pub(super) const fn lead(&self) -> Duration {
        match self {
            Self::File => Duration::ZERO,
            Self::Shared(shared) => shared.lead,
        }
    }

    pub(super) fn read(&self, settings: &KeySettings) -> Result<Option<Kept>, KeyError> {
        match self {
            Self::File => {
                let file = RingFile::read(&settings.ring)?;
                Ok(file.map(|file| Kept { file, version: 0 }))
            }
            Self::Shared(shared) => shared.read(),
        }
    }

    /// The ring with which a gateway starts that finds none: the one in the file, if it is to be
    /// shared from now on, or a new one.
    pub(super) fn first(&self, settings: &KeySettings) -> Result<RingFile, KeyError> {
        let there = match self {
            Self::File => None,
            Self::Shared(_) => RingFile::read(&settings.ring)?,
        };
        there.map_or_else(RingFile::generate, Ok)
    }

    /// A file beside a ring in a store has to be the one that was put there: the tokens of another one
    /// would all be void, and what it has sealed would be lost.
    pub(super) fn holds_file(
        &self,
        settings: &KeySettings,
        ring: &RingFile,
    ) -> Result<(), KeyError> {
        if matches!(self, Self::File) {
            return Ok(());
        }
        let Some(file) = RingFile::read(&settings.ring)? else { return Ok(()) };
        let is_same = Seal::from_material(file.seal)?.is_of(&ring.seal);
        if is_same { Ok(()) } else { Err(KeyError::Apart(settings.ring.clone())) }
    }

    /// Puts it in the place of that version, and says which one it is then; `None` if another is there.
    pub(super) fn write(
        &self,
        settings: &KeySettings,
        file: &RingFile,
        after: u64,
    ) -> Result<Option<u64>, KeyError> {
        match self {
            Self::File => file.write(&settings.ring).map(|()| Some(after)),
            Self::Shared(shared) => {
                Ok(shared.write(file, after)?.then_some(after.saturating_add(1)))
            }
        }
    }

    /// Where there is none.
    pub(super) fn missing(&self, settings: &KeySettings) -> KeyError {
        match self {
            Self::File => KeyError::Missing(settings.ring.clone()),
            Self::Shared(_) => KeyError::NoneShared,
        }
    }
}

/// What a shared ring is sealed with.
fn seal_of(keys: &SharedKeys) -> Result<Seal, KeyError> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, keys.secret.expose());
    let material: Secret = hmac::sign(&key, CONTEXT.as_bytes()).as_ref().to_vec().into();
    Seal::from_material(material)
}

fn sealed(seal: &Seal, file: &RingFile) -> Result<Vec<u8>, KeyError> {
    seal.seal(file.to_secret().expose(), CONTEXT)
}

/// The first ring of a store, for whoever puts it there before a gateway opens it.
pub(super) fn first_shared(keys: &SharedKeys, file: &RingFile) -> Result<SealedRing, KeyError> {
    Ok(SealedRing { version: 1, sealed: sealed(&seal_of(keys)?, file)? })
}

impl Shared {
    fn store(&self) -> Result<&dyn RingStore, KeyError> {
        self.store.rings().ok_or(KeyError::NotShared)
    }

    fn read(&self) -> Result<Option<Kept>, KeyError> {
        let Some(kept) = self.store()?.ring()? else { return Ok(None) };
        let text = self.seal.open(&kept.sealed, CONTEXT).ok_or(KeyError::Sealed)?;
        let text = std::str::from_utf8(text.expose()).map_err(|_| KeyError::Damaged)?;
        let file = RingFile::decode(text).ok_or(KeyError::Damaged)?;
        Ok(Some(Kept { file, version: kept.version }))
    }

    fn write(&self, file: &RingFile, after: u64) -> Result<bool, KeyError> {
        let sealed = sealed(&self.seal, file)?;
        Ok(self.store()?.put_ring(after, sealed)?)
    }
}

impl fmt::Debug for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "File",
            Self::Shared(_) => "Shared",
        })
    }
}

/// When a key is to sign that is made now and has to be known by then: in whole seconds, as it is kept.
pub(super) fn from_when(now: Timestamp, lead: Duration) -> Timestamp {
    if lead.is_zero() { now } else { Timestamp::from_secs(now.plus(lead).as_secs() + 1) }
}
