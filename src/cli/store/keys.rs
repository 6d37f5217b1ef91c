//! The keys of a store that is copied: without them every token would be void, and what is sealed lost.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};

use crate::clock::Timestamp;
use crate::config::Config;
use crate::keys::{KeyError, KeyRing, KeySettings, KeysInPlace, ReturnedKeys, SharedKeys};
use crate::store::{SealedRing, Store};

/// Where a policy file has the keys.
pub(super) struct KeysOf {
    settings: KeySettings,
    shared: Option<SharedKeys>,
    longest: Duration,
}

impl KeysOf {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            settings: config.keys.clone(),
            shared: config.shared_keys.clone(),
            longest: config.tokens.longest(),
        }
    }
}

/// What is to be done about the keys.
pub(super) enum KeysPlan {
    /// There are none yet.
    None,
    /// They are in their place.
    Stay(PathBuf),
    /// They become the key file.
    File(ReturnedKeys, PathBuf),
    /// They go into the database, sealed.
    Shared(SealedRing),
}

impl KeysPlan {
    /// Decides before anything is written. It blocks.
    pub(super) fn new(
        from: &KeysOf,
        store: Option<&Arc<dyn Store>>,
        to: &KeysOf,
        now: Timestamp,
    ) -> anyhow::Result<Self> {
        let Some(keys) = of(from, store, now).context("the keys that are copied")? else {
            return Ok(Self::None);
        };
        keys.suit(&to.settings, now).context("its keys cannot be used with the new policy file")?;
        let path = to.settings.ring.clone();
        let in_place = keys.in_place(&path)?;
        if matches!(in_place, KeysInPlace::Earlier | KeysInPlace::Others) {
            bail!(
                "{}: this is another key file than that of the store that is copied: put it elsewhere, or \
                 name another folder for the new store",
                path.display()
            );
        }
        if let Some(shared) = &to.shared {
            return Ok(Self::Shared(keys.shared(shared)?));
        }
        Ok(match in_place {
            KeysInPlace::Same => Self::Stay(path),
            KeysInPlace::None | KeysInPlace::Earlier | KeysInPlace::Others => {
                Self::File(keys, path)
            }
        })
    }

    /// Puts a key file in its place; what goes into the database is returned.
    pub(super) fn carry_out(&self) -> anyhow::Result<Option<SealedRing>> {
        match self {
            Self::None | Self::Stay(_) => Ok(None),
            Self::File(keys, path) => {
                keys.publish(path)?;
                Ok(None)
            }
            Self::Shared(ring) => Ok(Some(ring.clone())),
        }
    }

    /// What was done, for machines.
    pub(super) const fn told(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Stay(_) => "kept",
            Self::File(..) => "file",
            Self::Shared(_) => "shared",
        }
    }
}

/// The keys that the store has been used with.
fn of(
    from: &KeysOf,
    store: Option<&Arc<dyn Store>>,
    now: Timestamp,
) -> anyhow::Result<Option<ReturnedKeys>> {
    let Some(shared) = &from.shared else {
        return Ok(ReturnedKeys::of_file(&from.settings.ring)?);
    };
    let store = store.ok_or_else(|| anyhow!("they are in a database, and the store is a file"))?;
    let ring = match KeyRing::open_existing_shared(
        from.settings.clone(),
        shared,
        store,
        from.longest,
        now,
    ) {
        Ok(ring) => ring,
        Err(KeyError::NoneShared) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(ring.file()?.as_ref().and_then(ReturnedKeys::read))
}

impl fmt::Display for KeysPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("there were no keys to take along"),
            Self::Stay(path) => {
                write!(f, "the key file {} goes with it, and stays", path.display())
            }
            Self::File(_, path) => write!(f, "the keys are in {}", path.display()),
            Self::Shared(_) => f.write_str("the keys are in the database, sealed"),
        }
    }
}
